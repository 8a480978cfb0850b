"""The chunk format without its samples: names, headers, and how long a recording is. Imports no arrays.

`chunks` describes the format and writes it, `reader` reads it.
"""

from __future__ import annotations

import os
import re
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.errors import AudioFileError, StorageError
from services.files import JsonLines, read_json_lines
from services.library.meeting import Meeting

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # RIFF/WAVE, a `fmt ` of 16 bytes, `data`: the canonical 44 bytes
HEADER_BYTES = _HEADER.size
_SAMPLE_BYTES = 2
_PCM_FORMAT = 1
_MOST_FRAMES = 48_000 * 3600
"""No recorder writes longer chunks: who reads would put silence for what a damaged meeting.json claims beyond that."""
_NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,8})\.wav")


@dataclass(frozen=True, slots=True)
class Layout:
    """What every chunk of a recording has in common.

    Attributes:
        rate: Sample rate in Hz.
        channels: Number of channels.
        chunk_frames: Frames in every chunk but the last, as long as nobody changes that; 0 where it is not known.
        changes: Where somebody did: the number of the first chunk of another length, and its frames.
    """

    rate: int
    channels: int
    chunk_frames: int = 0
    changes: tuple[tuple[int, int], ...] = ()

    @property
    def frame_bytes(self) -> int:
        return self.channels * _SAMPLE_BYTES


def chunk_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.wav"


def chunk_frames(rate: int, seconds: float) -> int:
    """Frames of a chunk that is `seconds` long at `rate` Hz."""
    return max(1, round(rate * seconds))


def header(layout: Layout, data_bytes: int) -> bytes:
    """The 44 bytes before `data_bytes` of samples."""
    return _HEADER.pack(
        *(b"RIFF", HEADER_BYTES - 8 + data_bytes, b"WAVE"),
        *(b"fmt ", 16, _PCM_FORMAT, layout.channels, layout.rate),
        *(layout.rate * layout.frame_bytes, layout.frame_bytes, 8 * _SAMPLE_BYTES),
        *(b"data", data_bytes),
    )


def parse_header(data: bytes) -> Layout | None:
    """Rate and channels from a chunk's first bytes; None when they are no header of ours. Sizes are not looked at."""
    if len(data) < HEADER_BYTES:
        return None
    riff, _, wave, fmt, _, kind, channels, rate, _, _, bits, _, _ = _HEADER.unpack(data[:HEADER_BYTES])
    if (riff, wave, fmt, kind, bits) != (b"RIFF", b"WAVE", b"fmt ", _PCM_FORMAT, 8 * _SAMPLE_BYTES):
        return None
    return Layout(rate, channels) if rate and channels else None


def lengths_path(folder: Path) -> Path:
    """The file beside the chunks that says where their length changed; there is none where it never did.

    A line `{"from": 12, "frames": 80000}`: the chunk with number 12 and those after it have 80000 frames. It is there
    before the chunk is.
    """
    return folder / "lengths.jsonl"


def add_length(folder: Path, number: int, frames: int) -> None:
    """Write that the chunks from `number` on have so many frames, and force it to the disk.

    Raises:
        StorageError: The disk refused; nothing is written then.
    """
    with JsonLines(lengths_path(folder)) as file:
        file.append({"from": number, "frames": frames})
    fd = os.open(lengths_path(folder), os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _lengths(folder: Path) -> dict[int, int]:
    """Frames of a chunk by the number of the first that has so many; what makes no sense is passed over."""
    return _sensible((record.get("from"), record.get("frames")) for record in read_json_lines(lengths_path(folder)))


def _sensible(pairs: Iterable[tuple[object, object]]) -> dict[int, int]:
    return {
        number: frames
        for number, frames in pairs
        if isinstance(number, int) and isinstance(frames, int) and 0 <= number and 0 < frames <= _MOST_FRAMES
    }


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Chunks in a row that have the same length: the number of the first, their frames, and where the first begins."""

    first: int
    frames: int
    start: int


class ChunkFiles:
    """A folder of chunks, whatever happened to it: how many frames it holds, and where.

    Lengths come from the sizes of the files, never from their headers: those may be older than the samples. A frame
    that was cut short does not count. Damage in the middle does not move what follows: the rest of a short chunk, and a
    chunk that is missing or empty, are silence of the length that chunks have there. Only where nothing tells that
    length (no chunk but the last is left, and no `layout` is given) the missing ones are passed over.

    Args:
        folder: The folder of chunks.
        layout: What meeting.json says, to fill in what the files do not tell.

    Raises:
        AudioFileError: There is no chunk and no `layout`.
    """

    def __init__(self, folder: Path, layout: Layout | None = None) -> None:
        self._folder = folder
        self._told = layout.chunk_frames if layout else 0
        self._changes = dict(layout.changes) if layout else {}
        self._numbers: list[int] = []
        self._sizes: dict[int, int] = {}
        self._stretches: list[_Stretch] = []
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
    def numbers(self) -> tuple[int, ...]:
        """The chunks that are there, in order; some in between may be missing."""
        return tuple(self._numbers)

    @property
    def frames(self) -> int:
        """Frames that can be read now. Grows while the recording does."""
        self._measure()
        if not self._stretches:
            return 0
        last, stretch = self._numbers[-1], self._stretches[-1]
        return stretch.start + (last - stretch.first) * stretch.frames + self._sizes[last]

    def _place(self, position: int) -> tuple[int, int, int]:
        """The chunk that a position lies in, how far in, and how many frames that chunk has from there on. As of the
        last look at `frames`, which has to be more than `position`."""
        stretch = self._stretches[bisect_right(self._stretches, position, key=lambda each: each.start) - 1]
        number, offset = divmod(position - stretch.start, stretch.frames)
        return stretch.first + number, offset, stretch.frames - offset

    def describe(self) -> str:
        """Where the lengths of chunks change, and how many chunks there are: for the log."""
        stretches = ", ".join(f"{each.frames} frames from {each.first} on" for each in self._stretches)
        return f"{len(self._numbers)} chunks, {stretches}"

    @property
    def chunk_frames(self) -> int:
        """Frames of the first chunks, as of the last look at `frames`; 0 where nothing tells."""
        if not self._told and len(self._numbers) < 2:
            return 0
        first = self._stretches[0] if self._stretches else None
        return first.frames if first is not None and not first.first else self._told

    def _measure(self) -> None:
        """Look what has grown: the last chunk, and chunks after it."""
        if not self._numbers:
            self.layout = self._list() or self.layout
        known = len(self._sizes)
        if not known:
            self._sizes = {number: self._size(number) for number in self._numbers}
        while self._numbers:
            last = self._numbers[-1]
            # In this order: when the next one exists, this one has its final size.
            more = chunk_path(self._folder, last + 1).is_file()
            self._sizes[last] = max(self._sizes[last], self._size(last))
            if not more:
                break
            self._numbers.append(last + 1)
            self._sizes[last + 1] = 0
        if self._numbers and (
            known < len(self._numbers) or self._sizes[self._numbers[-1]] > self._stretches[-1].frames
        ):
            self._stretches = self._laid_out()

    def _laid_out(self) -> list[_Stretch]:
        """Where each length begins to hold. A file that is longer than was told knows better."""
        last = self._numbers[-1]
        told = {0: self._told} | self._changes | _lengths(self._folder)
        firsts = sorted(number for number in told if number <= last)
        stretches: list[_Stretch] = []
        start = 0
        for first, after in zip(firsts, [*firsts[1:], last + 1], strict=True):
            inside = self._numbers[bisect_left(self._numbers, first) : bisect_left(self._numbers, after)]
            frames = max([told[first], *(self._sizes[number] for number in inside)])
            if not told[first] and inside == self._numbers == [last]:
                first = last  # noqa: PLW2901 - nothing tells how long those before it were
            if frames:
                stretches.append(_Stretch(first, frames, start))
                start += (after - first) * frames
        return stretches or [_Stretch(last, 0, 0)]

    def _size(self, number: int) -> int:
        try:
            size = chunk_path(self._folder, number).stat().st_size
        except FileNotFoundError:
            return 0
        return max(0, size - HEADER_BYTES) // self.layout.frame_bytes


def chunk_numbers(folder: Path) -> list[int]:
    """The numbers of the chunks in `folder`, in order; none when there is no such folder.

    What only has the name of one (a folder, a pipe, on which a reader would wait for ever) counts as missing.
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(int(path.stem) for path in paths if _NAME.fullmatch(path.name) and path.is_file())


def told_layout(meeting: Meeting) -> Layout | None:
    """The layout that meeting.json tells; None when it is damaged or says nothing."""
    try:
        info = meeting.info()
        changes = _sensible((each[0], each[1]) for each in info.get("chunk_changes", ()))
        layout = Layout(
            int(info["rate"]), len(info["channels"]), int(info.get("chunk_frames", 0)), tuple(changes.items())
        )
    except (StorageError, LookupError, TypeError, ValueError, OverflowError):
        return None
    sensible = layout.rate > 0 and layout.channels > 0 and 0 <= layout.chunk_frames <= _MOST_FRAMES
    return layout if sensible else None
