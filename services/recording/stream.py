"""One stream of PortAudio's, from the moment it is opened to the moment it is let go."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from services.errors import DeviceError, SottoError
from services.recording.devices import PULSE_SOURCE, portaudio
from services.recording.pulse import TAG
from services.recording.ring import Ring, Samples
from services.text import one_line

_log = logging.getLogger("sotto.stream")

_LATENCY_SECONDS = 0.1
"""What PortAudio is asked for: a callback every 25 to 50 ms costs little, and little is lost when a recording stops."""

_TURN_SECONDS = 5.0
_PROPERTIES = "PULSE_PROP"
"""The environment variable with properties of a client of PulseAudio's."""

_turn = threading.Lock()
"""Streams are opened one after the other: what is opened is said in the environment, and PortAudio expects it."""

_numbers = itertools.count(1)
_open_streams: set[Stream] = set()


class Sink(Protocol):
    """Where a stream's samples go."""

    label: str
    rate: int
    channels: int
    ring: Ring
    began: float | None
    overrun: int


class Stream:
    """A stream, open and not yet started. It writes into the sink's ring only while it is `let_in`.

    Args:
        sink: Where its samples go.
        name: The name that people know the device by.
        index: PortAudio's number of the device.
        pulse_source: The PulseAudio source behind it; empty for a device of PortAudio's own.

    Attributes:
        heard: Frames that have come, also those that were kept out.
        tag: What the sound server knows it by.

    Raises:
        DeviceError: It cannot be opened.
    """

    def __init__(self, sink: Sink, name: str, index: int, pulse_source: str = "") -> None:
        self.heard = 0
        self.tag = str(next(_numbers))
        self._sink = sink
        self._name = name
        self._open = False
        self._busy = False
        self._audio = portaudio()
        self._settings = (
            {PULSE_SOURCE: pulse_source, _PROPERTIES: f"{TAG}={self.tag} application.name=sotto"}
            if pulse_source
            else {}
        )
        with self._refusal(), _in_turn(self._settings):
            self._stream = self._audio.InputStream(
                samplerate=sink.rate,
                device=index,
                channels=sink.channels,
                dtype="float32",
                latency=_LATENCY_SECONDS,
                callback=self._callback,
            )
        _open_streams.add(self)

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
        self._busy = True
        if self._open:
            sink = self._sink
            if sink.began is None:
                # PortAudio's own time of the first sample is off by most of a second with ALSA's PulseAudio plug-in.
                sink.began = time.monotonic() - frames / sink.rate
            if status.input_overflow:
                # The sound system lost something and does not say how much: at least what it gives at a time.
                sink.overrun += frames
            sink.ring.write(indata)
        self.heard += frames
        self._busy = False

    def start(self) -> None:
        """Raises `DeviceError` when it does not run."""
        with self._refusal(), _in_turn(self._settings):
            self._stream.start()

    @property
    def active(self) -> bool:
        """It runs, whether or not anything comes."""
        return bool(self._stream.active)

    @property
    def open(self) -> bool:
        """Its samples are let in."""
        return self._open

    @property
    def busy(self) -> bool:
        """It may be writing into the ring at this moment."""
        return self._busy

    def let_in(self) -> None:
        """From now on its samples go into the ring."""
        self._open = True

    def keep_out(self) -> None:
        """From now on its samples go nowhere: once it is not `busy`, the ring is free for another."""
        self._open = False

    def close(self, seconds: float) -> bool:
        """Let it go; returns whether that was done in so many seconds. If not, it is still at it.

        A sound server that hangs keeps whoever closes a stream waiting for ever: what was recorded must not wait.
        """
        closer = self.close_aside()
        closer.join(seconds)
        return not closer.is_alive()

    def close_aside(self) -> threading.Thread:
        """Let it go on a thread of its own, which nobody has to wait for."""
        closer = threading.Thread(target=self._close, name=f"close {self._sink.label}", daemon=True)
        closer.start()
        return closer

    def _close(self) -> None:
        if self.heard:
            self._stream.stop(ignore_errors=True)
        else:
            # PortAudio looks for a stop only between deliveries. Its thread may be cancelled: it has never called us.
            self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)
        _open_streams.discard(self)


class Opening:
    """A stream that is opened on a thread of its own, since that may take for ever.

    Args:
        label: The source as the user named it, for the log.
        make: Makes the stream.

    Attributes:
        stream: The stream, once it runs.
        error: Why there is none.
    """

    def __init__(self, label: str, make: Callable[[], Stream]) -> None:
        self.stream: Stream | None = None
        self.error: SottoError | None = None
        self.began = time.monotonic()
        self._make = make
        self._gate = threading.Lock()
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name=f"open {label}", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        return self.stream is not None or self.error is not None

    def give_up(self) -> None:
        """Nobody wants it any more: whatever comes of it is let go."""
        with self._gate:
            self._given_up = True
            if self.stream is not None:
                self.stream.close_aside()

    def _run(self) -> None:
        try:
            stream = self._make()
        except SottoError as error:
            self.error = error
            return
        except Exception as error:  # noqa: BLE001 - PortAudio's own, when it looks for devices; an attempt has to end
            self.error = DeviceError(one_line(str(error)))
            return
        try:
            stream.start()
        except SottoError as error:
            stream.close_aside()
            self.error = error
            return
        with self._gate:
            if self._given_up:
                stream.close_aside()
            else:
                self.stream = stream


def refresh_devices() -> bool:
    """Let PortAudio look for devices anew; returns whether it did: not while a stream is open, which that would end."""
    if _open_streams:
        return False
    audio = portaudio()
    audio._terminate()
    audio._initialize()
    return True


@contextmanager
def _in_turn(settings: dict[str, str]) -> Iterator[None]:
    """Nobody else opens a stream meanwhile, and these environment variables are set.

    One that hangs holds up the next one only for a while: what it needed of the environment it has read.
    """
    mine = _turn.acquire(timeout=_TURN_SECONDS)
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if os.environ.get(name) != settings[name]:
                continue  # after a hang: it is another's turn
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if mine:
            _turn.release()
