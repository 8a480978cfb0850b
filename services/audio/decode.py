"""Any file with sound as a stream of blocks: libsndfile first, PyAV for the rest and where libsndfile fails."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import soundfile

from services.audio.blocks import Block, in_blocks
from services.errors import AudioFileError
from services.text import one_line

if TYPE_CHECKING:
    from services.audio.container import ContainerReader

_log = logging.getLogger("sotto.audio")

_RATES = range(2000, 768_001)
"""Sample rates that somebody records with, in Hz; anything else is a damaged header."""

_MAX_CHANNELS = 64

_BLOCK_VALUES = 1 << 18
"""A block holds at most so many values (1 MB), whatever rate and channels a header claims."""

_PIECE = 4096
"""Frames that a decoder is asked for at a time: what libsndfile loses with a damaged place."""

_FULL_SCALE = np.float32(1 / 32768)

_UNCODED = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF")
"""Containers whose 16-bit samples lie there one after another: no decoder loses anything with a damaged place."""

_SANE = np.float32(2.0**32)
"""Float files hold -1 to 1, or integers as floats. Beyond any integer scale a value is damage."""

_SHORTER = re.compile(r"^data\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
"""libsndfile's note on a data chunk that promises more than the file holds."""

_STREAMED = 0xFFFFFF00
"""A size from here on is what writers put there who cannot go back: it promises nothing."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What libsndfile says of a file.

    Attributes:
        rate: Hz.
        channels: How many.
        frames: As far as the header can be believed; None when nobody knows.
        note: A sentence on damage; empty where there is none.
        exact: The samples have 16 bits: taken as such and scaled they are the same, in a third of the time.
        plain: Nothing is encoded, so a whole block can be read at once.
    """

    rate: int
    channels: int
    frames: int | None
    note: str
    exact: bool
    plain: bool


class AudioFile:
    """A file with sound. Every iteration of `blocks` starts at its beginning; nothing is kept in memory.

    Attributes:
        path: The file.
        name: Its name, safe to show.
        rate: Sample rate in Hz.
        channels: Number of channels, at least 1.
        frames: Frames in the file as far as its header can be believed; None when nobody knows.
        warnings: Sentences about damage that was passed over, each once; grows while blocks are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = one_line(path.name)
        self.warnings: list[str] = []
        self._running: Generator[Block] | None = None
        _check_file(path)
        self._header = header = _probe(path)
        if header is not None:
            self.rate, self.channels, self.frames = header.rate, header.channels, header.frames
            if header.note:
                self._warn(header.note)
        else:
            container = self._container()
            self.rate, self.channels, self.frames = container.rate, container.channels, container.frames
        if self.rate not in _RATES or self.channels > _MAX_CHANNELS:
            raise AudioFileError(
                f"{self.name} claims {self.rate} Hz and {self.channels} channels, which is not a recording.",
                "Its header is damaged; choose another file.",
            )

    def blocks(self, seconds: float = 1.0) -> Iterator[Block]:
        """The samples from the start.

        Args:
            seconds: Length of a block. It is shorter where there are so many channels that a block would pass 1 MB.

        Yields:
            float32 (frames, channels), full scale -1 to 1; what is not a number or beyond all scales is 0.

        Raises:
            AudioFileError: The file is gone, or nothing can be decoded.
        """
        size = max(1, min(int(seconds * self.rate), _BLOCK_VALUES // self.channels))
        self.close()
        _check_file(self.path)
        self._running = running = self._decoded(size)
        anything = False
        for block in running:
            anything = anything or len(block) > 0
            yield block if self._header is not None and self._header.exact else _finite(block)
        if not anything:
            raise AudioFileError(f"{self.name} holds no samples.", "The file is empty or damaged.")

    def _decoded(self, size: int) -> Generator[Block]:
        yield from in_blocks(self._pieces(size), size, self.channels)

    def _pieces(self, size: int) -> Iterator[Block]:
        done = 0
        if self._header is not None:
            try:
                for piece in self._sounded(self._header, size):
                    done += len(piece)
                    yield piece
            except (soundfile.SoundFileError, RuntimeError) as error:
                _log.info("libsndfile stopped after %d frames of %s: %s", done, self.name, error)
                self._warn("Parts of the file are damaged and were passed over.")
            else:
                if self.frames is not None and done < self.frames - self.rate // 20:
                    self._warn("The file is shorter than its header says; it may have been cut short.")
                return
        yield from self._contained(done)

    def _sounded(self, header: _Header, size: int) -> Iterator[Block]:
        """libsndfile's samples, float32 (frames, channels)."""
        with soundfile.SoundFile(os.fsencode(self.path)) as file:
            if not header.exact:
                while len(piece := file.read(_PIECE, dtype="float32", always_2d=True)):
                    yield piece
                return
            pcm = np.empty((size if header.plain else min(size, _PIECE), header.channels), np.int16)
            while len(got := file.read(out=pcm)):
                yield got * _FULL_SCALE

    def _contained(self, skip: int) -> Iterator[Block]:
        """PyAV's samples after the first `skip` frames, which libsndfile has delivered."""
        try:
            reader = self._container()
        except AudioFileError:
            if skip:
                return
            raise
        if (reader.rate, reader.channels) != (self.rate, self.channels):
            if skip:
                return
            raise AudioFileError(f"{self.name} changed while it was read.", "Try again when it is complete.")
        for block in reader.blocks(_PIECE):
            if skip < len(block):
                yield block[skip:]
            skip = max(0, skip - len(block))

    def _container(self) -> ContainerReader:
        if _has_absurd_chunk(self.path):
            raise AudioFileError(f"The header of {self.name} is damaged.", "Choose another file.")
        from services.audio.container import ContainerReader  # here: FFmpeg takes 20 MB, which most files do not need

        try:
            return ContainerReader(self.path, self._warn)
        except AudioFileError as error:
            if _is_unfinished(self.path):
                raise AudioFileError(
                    f"{self.name} was never finished: its index is missing.",
                    "The program that recorded it was stopped too early. It may be able to repair the file.",
                ) from error
            raise

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def close(self) -> None:
        """End an iteration that was left half-way, and with it its open file."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_audio(path: Path) -> AudioFile:
    """Open a file with sound.

    Raises:
        AudioFileError: It is missing, not a file, empty, forbidden, not sound, or holds no sound that can be read.
    """
    return AudioFile(path)


def _check_file(path: Path) -> None:
    """Raises `AudioFileError` unless `path` is a file with something in it that we may read."""
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            raise AudioFileError(f"{one_line(str(path))} is a folder.", "Choose a file in it.")
        if not stat.S_ISREG(info.st_mode):
            raise AudioFileError(f"{one_line(str(path))} is not a file.", "Choose a sound or video file.")
        if info.st_size == 0:
            raise AudioFileError(f"{one_line(path.name)} is empty.", "Choose another file.")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise AudioFileError(
            f"There is no file {one_line(str(path))}.", "Look at the name, or whether it was moved."
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AudioFileError(f"{one_line(str(path))} cannot be read: {reason}.", "Look at its permissions.") from error


def _probe(path: Path) -> _Header | None:
    """What libsndfile says of the file; None where PyAV has to read the file.

    Ogg goes to PyAV: libsndfile ends after the first of several streams in one file.
    """
    with path.open("rb") as file:
        if file.read(4) == b"OggS":
            return None
    try:
        with soundfile.SoundFile(os.fsencode(path)) as sound:
            # FLAC without a length gives 2**63 - 1; a WAV that was never closed gives 0, and PyAV looks further.
            frames = sound.frames if sound.frames < 1 << 48 else None
            if frames == 0 or sound.channels == 0:
                return None
            cut = _SHORTER.search(sound.extra_info)
            short = cut is not None and int(cut[2]) < int(cut[1]) < _STREAMED
            note = "The file is shorter than its header says; it may have been cut short." if short else ""
            exact = sound.subtype == "PCM_16"
            plain = exact and sound.format in _UNCODED
            return _Header(sound.samplerate, sound.channels, frames, note, exact, plain)
    except (soundfile.SoundFileError, RuntimeError):
        return None


def _finite(block: Block) -> Block:
    """`block` with 0 for what is not a number and for values beyond any scale."""
    # One pass in the usual case: the comparison is false for NaN, and both infinities are beyond the limit.
    good = np.abs(block) <= _SANE
    return block if good.all() else np.where(good, block, np.float32(0))


def _has_absurd_chunk(path: Path) -> bool:
    """Whether a RIFF file has a chunk before its samples that claims more than the file holds.

    FFmpeg takes as much memory as the chunk claims, gigabytes of it.
    """
    with path.open("rb") as file:
        kind = file.read(4)
        if kind not in {b"RIFF", b"RIFX", b"RF64", b"BW64"}:
            return False
        order: Literal["little", "big"] = "big" if kind == b"RIFX" else "little"
        end, at = path.stat().st_size, 12
        while at + 8 <= end:
            file.seek(at)
            head = file.read(8)
            size = int.from_bytes(head[4:], order)
            if head[:4] == b"data":
                return False
            if size > end - at:
                return True
            at += 8 + size + size % 2
    return False


def _is_unfinished(path: Path) -> bool:
    """Whether this is an MP4 whose index (`moov`) was never written: recorders write it last."""
    with path.open("rb") as file:
        at, end = 0, path.stat().st_size
        kinds: list[bytes] = []
        while at + 8 <= end and len(kinds) < 1000:
            file.seek(at)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4]), head[4:8]
            if size == 1:
                size = int.from_bytes(head[8:16])
            kinds.append(kind)
            if size < 8:
                break
            at += size
    return kinds[:1] == [b"ftyp"] and b"moov" not in kinds
