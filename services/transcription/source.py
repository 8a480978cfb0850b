"""Where a transcription takes its audio from: a file of any kind, or the folder of a meeting that was recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.audio.decode import AudioFile, open_audio
from services.audio.spans import Span
from services.library.meeting import Meeting, speakers
from services.recording.reader import MeetingAudio

Block = NDArray[np.float32]

_FULL_SCALE = np.float32(1 / 32768)


class Source(Protocol):
    """Audio that can be read from its start any number of times."""

    @property
    def rate(self) -> int:
        """Hz."""

    @property
    def channels(self) -> int: ...

    @property
    def seconds(self) -> float:
        """Length as far as it is known before reading; 0 where it is not."""

    @property
    def apart(self) -> tuple[str, ...]:
        """A speaker's label for each channel where the channels are known to be different people; else empty."""

    @property
    def warnings(self) -> list[str]:
        """What is wrong with it, as far as it has been read."""

    @property
    def start(self) -> float:
        """Where its blocks begin, in seconds; 0 unless only a part is read."""

    def blocks(self) -> Iterator[Block]:
        """Blocks of about a second, float32 (frames, channels)."""

    def close(self) -> None: ...


def open_source(path: Path, part: Span = (0.0, math.inf)) -> Source:
    """Open a file, or the folder of a meeting.

    Args:
        path: Of the file or folder.
        part: Of a meeting, read only from when to when, in seconds.

    Raises:
        AudioFileError: It holds no sound that can be read.
        StorageError: The meeting is damaged.
    """
    if (path / "meeting.json").is_file():
        return MeetingSource(path, part)
    return FileSource(path)


class FileSource:
    """An audio or video file."""

    def __init__(self, path: Path) -> None:
        self._file: AudioFile = open_audio(path)
        self.rate, self.channels = self._file.rate, self._file.channels
        self.seconds = (self._file.frames or 0) / self.rate
        self.apart: tuple[str, ...] = ()
        self.warnings = self._file.warnings
        self.start = 0.0

    def blocks(self) -> Iterator[Block]:
        return self._file.blocks()

    def close(self) -> None:
        self._file.close()


class MeetingSource:
    """The recording in a meeting's folder, or a part of it: each of its channels is a source of its own."""

    def __init__(self, folder: Path, part: Span) -> None:
        self._audio = MeetingAudio(folder)
        self._first = math.floor(part[0] * self._audio.rate)
        self._last = math.ceil(min(part[1], self._audio.duration_s) * self._audio.rate)
        self.start = self._first / self._audio.rate
        self.rate, self.channels = self._audio.rate, self._audio.channels
        self.seconds = self._audio.duration_s
        self.apart = speakers(Meeting(folder), self.channels)
        self.warnings: list[str] = []

    def blocks(self) -> Iterator[Block]:
        return (pcm * _FULL_SCALE for pcm in self._audio.blocks(start=self._first, end=self._last))

    def close(self) -> None:
        self._audio.close()
