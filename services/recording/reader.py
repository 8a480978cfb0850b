"""Reading a recording by position: from its chunks, also while they grow, or from the archive that replaces them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from services.errors import AudioFileError, StorageError
from services.library.meeting import Meeting
from services.recording.chunks import HEADER_BYTES, Layout, Pcm, chunk_path, parse_header

_NAME = re.compile(r"\d{6,}\.wav")


class ChunkReader:
    """The samples of a folder of chunks, whatever happened to it.

    Lengths come from the sizes of the files, never from their headers: those may be older than the samples. A frame
    that was cut short does not count. Damage in the middle does not move what follows: the rest of a short chunk, and a
    chunk that is missing or empty, are silence of the length that every chunk has. Only where nothing tells that length
    (no chunk but the last is left, and no `layout` is given) the missing ones are passed over.

    Args:
        folder: The folder of chunks.
        layout: What meeting.json says, to fill in what the files do not tell.

    Raises:
        AudioFileError: There is no chunk and no `layout`.
    """

    def __init__(self, folder: Path, layout: Layout | None = None) -> None:
        self._folder = folder
        self._told = layout.chunk_frames if layout else 0
        self._numbers: list[int] = []
        self._sizes: dict[int, int] = {}
        found = self._list() or layout
        if found is None:
            raise AudioFileError(f"{folder} holds no recording.", "Its files are missing or damaged.")
        self.layout = found

    @property
    def rate(self) -> int:
        return self.layout.rate

    @property
    def channels(self) -> int:
        return self.layout.channels

    def _list(self) -> Layout | None:
        self._numbers = chunk_numbers(self._folder)
        for number in self._numbers:
            try:
                with chunk_path(self._folder, number).open("rb") as file:
                    layout = parse_header(file.read(HEADER_BYTES))
            except OSError:
                continue
            if layout is not None:
                return layout
        return None

    @property
    def frames(self) -> int:
        """Frames that can be read now. Grows while the recording does."""
        return self._place()[1]

    def _place(self) -> tuple[int, int]:
        """The number of the chunk at position 0, and the frames there are now."""
        self._measure()
        if not self._numbers:
            return 0, 0
        last = self._numbers[-1]
        length = self._length
        first = 0 if length else last
        return first, (last - first) * length + self._sizes[last]

    @property
    def _length(self) -> int:
        """Frames of every chunk but the last; 0 where nothing tells."""
        if not self._told and len(self._numbers) < 2:
            return 0
        return max([self._told, *self._sizes.values()])

    def _measure(self) -> None:
        """Look what has grown: the last chunk, and chunks after it."""
        if not self._numbers:
            self.layout = self._list() or self.layout
        for number in self._numbers:
            if number not in self._sizes:
                self._sizes[number] = self._size(number)
        while self._numbers:
            last = self._numbers[-1]
            # In this order: when the next one exists, this one has its final size.
            more = chunk_path(self._folder, last + 1).exists()
            self._sizes[last] = max(self._sizes[last], self._size(last))
            if not more:
                return
            self._numbers.append(last + 1)
            self._sizes[last + 1] = 0

    def _size(self, number: int) -> int:
        try:
            size = chunk_path(self._folder, number).stat().st_size
        except FileNotFoundError:
            return 0
        return max(0, size - HEADER_BYTES) // self.layout.frame_bytes

    def read(self, start: int, frames: int) -> Pcm:
        """Samples from position `start`, shape (n, channels); n is smaller than `frames` where the recording ends.

        Raises:
            StorageError: A file cannot be read.
        """
        first, total = self._place()
        frames = max(0, min(frames, total - start))
        samples = np.zeros((frames, self.channels), np.dtype("<i2"))
        length = self._length or total
        done = 0
        while done < frames:
            number, offset = divmod(start + done, length)
            count = min(frames - done, length - offset)
            self._fill(first + number, offset, samples[done : done + count])
            done += count
        return samples.astype(np.int16, copy=False)

    def _fill(self, number: int, offset: int, into: Pcm) -> None:
        path = chunk_path(self._folder, number)
        there = max(0, min(len(into), self._sizes.get(number, 0) - offset))
        if not there:
            return
        try:
            with path.open("rb") as file:
                file.seek(HEADER_BYTES + offset * self.layout.frame_bytes)
                file.readinto(into[:there].data.cast("B"))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}.") from error


class MeetingAudio:
    """The audio of a meeting, wherever it is now: in its archive, else in its chunks. One thread uses it.

    Attributes:
        rate: Sample rate in Hz.
        channels: Number of channels.

    Raises:
        AudioFileError: The meeting has no audio.
    """

    def __init__(self, folder: Path) -> None:
        self._meeting = Meeting(folder)
        self._archive: Any = None
        self._chunks: ChunkReader | None = None
        if self._meeting.archive.exists():
            self._open_archive()
        else:
            self._chunks = ChunkReader(self._meeting.audio, told_layout(self._meeting))
            self.rate, self.channels = self._chunks.rate, self._chunks.channels

    @property
    def frames(self) -> int:
        """Frames that can be read now."""
        return self._chunks.frames if self._chunks is not None else int(self._archive.frames)

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate

    @property
    def growing(self) -> bool:
        """Whether meeting.json says that the recorder is at work. It also says so after a crash.

        Raises:
            StorageError: meeting.json is missing or damaged.
        """
        return self._meeting.stage("record") == "running"

    def read(self, start: int, frames: int) -> Pcm:
        """Samples from position `start`, int16, shape (n, channels); n is smaller than `frames` at the end.

        Raises:
            AudioFileError: The archive cannot be decoded.
            StorageError: A chunk cannot be read.
        """
        if self._chunks is not None:
            samples = self._chunks.read(start, frames)
            if not self._meeting.archive.exists():
                return samples
            # Chunks may have gone while we read. They go only after the archive is there.
            self._open_archive()
        try:
            self._archive.seek(min(start, self._archive.frames))
            decoded: Pcm = self._archive.read(frames, dtype="int16", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioFileError(f"{self._meeting.archive} is damaged: {error}.") from error
        return decoded

    def blocks(self, seconds: float = 1.0) -> Iterator[Pcm]:
        """All of it from the start to where it ends now, in blocks of `seconds`."""
        size, position = max(1, int(seconds * self.rate)), 0
        while len(block := self.read(position, size)):
            position += len(block)
            yield block

    def _open_archive(self) -> None:
        try:
            self._archive = soundfile.SoundFile(self._meeting.archive)
        except soundfile.SoundFileError as error:
            raise AudioFileError(f"{self._meeting.archive} is damaged: {error}.") from error
        self._chunks = None
        self.rate, self.channels = int(self._archive.samplerate), int(self._archive.channels)

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()

    def __enter__(self) -> MeetingAudio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def chunk_numbers(folder: Path) -> list[int]:
    """The numbers of the chunks in `folder`, in order; none when there is no such folder."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(name[:-4]) for name in names if _NAME.fullmatch(name))


def told_layout(meeting: Meeting) -> Layout | None:
    """The layout that meeting.json tells; None when it is damaged or says nothing."""
    try:
        info = meeting.info()
        layout = Layout(int(info["rate"]), len(info["channels"]), int(info.get("chunk_frames", 0)))
    except (StorageError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return layout if layout.rate > 0 and layout.channels > 0 and layout.chunk_frames >= 0 else None
