"""Where sound comes from: a device, or a file played as if it were one. Each fills a ring; the recorder empties it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from services.errors import DeviceError, SottoError
from services.recording.devices import PULSE_SOURCE, Input, choose, find_inputs, portaudio
from services.recording.messages import FILE_PREFIX, RecordingRequest, is_file
from services.recording.ring import Ring, Samples
from services.text import one_line

_log = logging.getLogger("sotto.sources")

_LIVE_RING_SECONDS = 10.0
"""So long may the disk keep the writer waiting before a frame is lost."""

_FILE_RING_SECONDS = 2.0
_LATENCY_SECONDS = 0.1
"""What PortAudio is asked for: a callback every 25 to 50 ms costs little, and little is lost when a recording stops."""

_PIECE_SECONDS = 0.1
_CLOSE_SECONDS = 3.0


class Source(Protocol):
    """What fills a ring.

    Attributes:
        label: The source as the user named it.
        rate: Its sample rate in Hz.
        channels: Channels in its ring.
        ring: Its samples.
        began: When the first frame in the ring was heard (`time.monotonic`); None until then. Setting it to None asks
            for the time of the next frame.
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


class DeviceSource:
    """A device by PortAudio. Opened on construction.

    Args:
        label: The source as the user named it.
        found: The device.

    Raises:
        DeviceError: It cannot be opened.
    """

    live = True

    def __init__(self, label: str, found: Input) -> None:
        self.label = label
        self.rate = found.device.rate
        # A sound server mixes to one channel better than we would; a bare device may have its signal on either side.
        self.channels = 1 if found.pulse_source else min(2, found.device.channels)
        self.ring = Ring(int(self.rate * _LIVE_RING_SECONDS), self.channels)
        self.began: float | None = None
        self._name = found.device.description
        self._monitor = found.device.kind == "monitor"
        self._pulse_source = found.pulse_source
        self._audio = portaudio()
        self._overrun_frames = 0
        self._started = False
        self._stopped = False
        with self._refusal(), _environment(PULSE_SOURCE, found.pulse_source):
            self._stream = self._audio.InputStream(
                samplerate=self.rate,
                device=found.index,
                channels=self.channels,
                dtype="float32",
                latency=_LATENCY_SECONDS,
                callback=self._callback,
            )

    @contextmanager
    def _refusal(self) -> Iterator[None]:
        try:
            yield
        except self._audio.PortAudioError as error:
            raise DeviceError(
                f"{self._name} cannot be opened: {one_line(str(error))}.",
                "Another program may hold it, or it is gone; `sotto devices` lists what there is.",
            ) from error

    def _callback(self, indata: Samples, frames: int, _time: Any, status: Any) -> None:
        """On PortAudio's thread, in the rhythm of the sound. Copies and returns."""
        if self.began is None:
            # PortAudio's own time of the first sample is off by most of a second with ALSA's PulseAudio plug-in.
            self.began = time.monotonic() - frames / self.rate
        if status.input_overflow:
            # The sound system lost something and does not say how much: at least what it gives at a time.
            self._overrun_frames += frames
        self.ring.write(indata)

    def start(self) -> None:
        with self._refusal(), _environment(PULSE_SOURCE, self._pulse_source):
            self._stream.start()
        self._started = True
        _log.info("%s: %s at %d Hz, %d channels", self.label, self._name, self.rate, self.channels)

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        # A sound server that hangs keeps whoever closes a stream waiting for ever: what was recorded must not wait.
        closer = threading.Thread(target=self._close, name=f"close {self.label}", daemon=True)
        closer.start()
        closer.join(_CLOSE_SECONDS)
        if closer.is_alive():
            _log.error("%s does not let go; going on without it", self._name)

    def _close(self) -> None:
        self._stream.stop(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    @property
    def ended(self) -> bool:
        return self._stopped or not self._stream.active

    @property
    def lost(self) -> int:
        return self.ring.overflows + self._overrun_frames

    @property
    def error(self) -> SottoError | None:
        if self._stream.active:
            return None
        return DeviceError(
            f"{self._name} is gone: the device was unplugged or the sound server ended.",
            "What was recorded until then is kept. `sotto devices` lists what there is now.",
        )

    @property
    def absent(self) -> str:
        return "the device was unplugged, or the sound server ended" if self._started and self.ended else ""

    @property
    def monitor(self) -> bool:
        return self._monitor

    @property
    def device(self) -> str:
        return "" if self.absent else self._name

    def consumed(self) -> None:
        """A device waits for nobody."""


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
    inputs = [] if all(is_file(source) for source in request.sources) else find_inputs()
    opened: list[Source] = []
    try:
        for label in request.sources:
            if is_file(label):
                most = 2 if len(request.sources) == 1 else 1
                path = Path(label.removeprefix(FILE_PREFIX))
                opened.append(FileSource(label, path, most, request.speed, wake))
            else:
                opened.append(DeviceSource(label, choose(label, inputs)))
    except SottoError:
        for source in opened:
            source.stop()
        raise
    return opened


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Environment variable `name` is `value` meanwhile; an empty one leaves it as it is."""
    before = os.environ.get(name)
    if value:
        os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
