"""Reading a recording by position: from its chunks, also while they grow, or from the archive that replaces them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from services.errors import AudioFileError, StorageError
from services.library.meeting import Meeting
from services.recording.chunkfiles import HEADER_BYTES, ChunkFiles, chunk_path, told_layout
from services.recording.chunks import Pcm


class ChunkReader(ChunkFiles):
    """The samples of a folder of chunks, whatever happened to it."""

    def read(self, start: int, frames: int) -> Pcm:
        """Samples from position `start`, shape (n, channels); n is smaller than `frames` where the recording ends.

        Raises:
            StorageError: A file cannot be read.
        """
        frames = max(0, min(frames, self.frames - start))
        samples = np.zeros((frames, self.channels), np.dtype("<i2"))
        done = 0
        while done < frames:
            number, offset, there = self._place(start + done)
            count = min(frames - done, there)
            self._fill(number, offset, samples[done : done + count])
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
        if self._meeting.archive.is_file():
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
            if not self._meeting.archive.is_file():
                return samples
            # Chunks may have gone while we read. They go only after the archive is there.
            self._open_archive()
        try:
            self._archive.seek(min(start, self._archive.frames))
            return decode(self._archive, frames)
        except soundfile.SoundFileError as error:
            raise AudioFileError(f"{self._meeting.archive} is damaged: {error}.") from error

    def blocks(self, seconds: float = 1.0, start: int = 0, end: int | None = None) -> Iterator[Pcm]:
        """All of it, or what lies between two positions, to where it ends now, in blocks of `seconds`."""
        size, position = max(1, int(seconds * self.rate)), start
        while len(block := self.read(position, size if end is None else min(size, max(0, end - position)))):
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


def decode(file: soundfile.SoundFile, frames: int) -> Pcm:
    """The next `frames` of an archive, int16, shape (n, channels); n is smaller where it ends.

    Raises:
        soundfile.SoundFileError: It is damaged.
    """
    if file.subtype != "OPUS":
        exact: Pcm = file.read(frames, dtype="int16", always_2d=True)
        return exact
    # What Opus makes of loud sound goes beyond full scale. libsndfile's own conversion would wrap it around.
    heard = file.read(frames, dtype="float32", always_2d=True)
    rounded: Pcm = np.clip(np.rint(heard * 32768.0), -32768, 32767).astype(np.int16)
    return rounded
