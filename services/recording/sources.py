"""Where sound comes from: a device, or a file played as if it were one. Each fills a ring; the recorder empties it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from services.errors import SottoError
from services.recording.device_source import Devices
from services.recording.messages import FILE_PREFIX, RecordingRequest, is_file
from services.recording.ring import Ring, Samples

_log = logging.getLogger("sotto.sources")

_FILE_RING_SECONDS = 2.0
_PIECE_SECONDS = 0.1


class Source(Protocol):
    """What fills a ring.

    Attributes:
        label: The source as the user named it.
        rate: Its sample rate in Hz.
        channels: Channels in its ring.
        ring: Its samples.
        began: When the first frame in the ring was heard (`time.monotonic`); None until then. Setting it to None asks
            for the time of the next frame. A device that was away sets it to None itself.
        live: Whether its samples come at their own time, so that waiting for them loses some.
    """

    label: str
    rate: int
    channels: int
    ring: Ring
    began: float | None
    live: bool

    @property
    def ended(self) -> bool:
        """Nothing more will come. What is in the ring counts still."""

    @property
    def lost(self) -> int:
        """Frames that came and were lost, as far as anybody can tell."""

    @property
    def error(self) -> SottoError | None:
        """Why it ended, when it should not have."""

    @property
    def absent(self) -> str:
        """Why nothing can come just now, for a person: `the device was unplugged`. Empty while it is there."""

    @property
    def monitor(self) -> bool:
        """It is what loudspeakers play: silent, or without any delivery, when nothing plays."""

    @property
    def device(self) -> str:
        """The name that people know by what is recorded now; empty for a file, and while it is absent."""

    def start(self) -> None: ...
    def stop(self) -> None:
        """End it. Returns soon, also when a device hangs."""

    def consumed(self) -> None:
        """The reader took something from the ring."""


class FileSource:
    """A file, decoded in blocks and played at `speed` times its pace, or slower when the reader is slower.

    Args:
        label: The source as the user named it.
        path: The file.
        channels: The most channels to keep; a file with more is mixed to one.
        speed: 1 for real time.
        wake: Set whenever there is something to read.

    Raises:
        AudioFileError: It holds no sound that we can read.
    """

    live = False

    def __init__(self, label: str, path: Path, channels: int, speed: float, wake: threading.Event) -> None:
        from services.audio.decode import open_audio  # 25 MB of decoders, which a recorder of devices never needs

        self.label = label
        self._file = open_audio(path)
        self.rate = self._file.rate
        self.channels = self._file.channels if self._file.channels <= channels else 1
        self.ring = Ring(int(self.rate * _FILE_RING_SECONDS), self.channels)
        self.began: float | None = None
        self._speed = speed
        self._wake = wake
        self._room = threading.Event()
        self._stop = threading.Event()
        self._error: SottoError | None = None
        self._done = False
        self._thread = threading.Thread(target=self._play, name=f"play {path.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._room.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def ended(self) -> bool:
        return self._done

    @property
    def lost(self) -> int:
        return 0

    @property
    def error(self) -> SottoError | None:
        return self._error

    @property
    def absent(self) -> str:
        return ""

    @property
    def monitor(self) -> bool:
        return False

    @property
    def device(self) -> str:
        return ""

    def consumed(self) -> None:
        self._room.set()

    def _play(self) -> None:
        try:
            with self._file as file:
                self._feed(downmix(block, self.channels) for block in file.blocks())
            for warning in file.warnings:
                _log.warning("%s: %s", self.label, warning)
        except SottoError as error:
            self._error = error
        finally:
            self._done = True
            self._wake.set()

    def _feed(self, blocks: Iterator[Samples]) -> None:
        # What real time gives in a tenth of a second, times the speed; never more than a third of the ring.
        size = max(1, int(self.rate * min(_PIECE_SECONDS * self._speed, _FILE_RING_SECONDS / 3)))
        self.began = time.monotonic()
        played = 0
        for block in blocks:
            for start in range(0, len(block), size):
                piece = block[start : start + size]
                # A piece of real sound is there when its last sample has been heard.
                due = self.began + (played + len(piece)) / (self.rate * self._speed)
                if self._stop.wait(max(0.0, due - time.monotonic())) or not self._wait_for_room(len(piece)):
                    return
                self.ring.write(piece)
                played += len(piece)
                self._wake.set()

    def _wait_for_room(self, frames: int) -> bool:
        """Returns False when it was stopped meanwhile."""
        while self.ring.free < frames and not self._stop.is_set():
            self._room.wait()
            self._room.clear()
        return not self._stop.is_set()


def downmix(samples: Samples, channels: int) -> Samples:
    """`samples` with their own channels when they are as many, else all of them mixed to one.

    Returns a new array or `samples` itself, float32 (frames, channels).
    """
    if samples.shape[1] == channels:
        return samples
    mixed: Samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
    return mixed


def open_sources(request: RecordingRequest, wake: threading.Event) -> list[Source]:
    """Open everything that is to be recorded, start nothing.

    Raises:
        DeviceError: A device does not exist or cannot be opened.
        AudioFileError: A file holds no sound that we can read.
    """
    devices = Devices() if not all(is_file(source) for source in request.sources) else None
    opened: list[Source] = []
    try:
        for label in request.sources:
            if devices is not None and not is_file(label):
                opened.append(devices.open(label))
            else:
                most = 2 if len(request.sources) == 1 else 1
                path = Path(label.removeprefix(FILE_PREFIX))
                opened.append(FileSource(label, path, most, request.speed, wake))
    except SottoError:
        for source in opened:
            source.stop()
        if devices is not None:
            devices.close()
        raise
    return opened
