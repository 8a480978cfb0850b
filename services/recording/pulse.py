"""The PulseAudio server (PipeWire offers one, too), asked by pulsectl over libpulse.

Nothing here waits for ever: a server that hangs costs `_ANSWER_SECONDS` and a `ServerError`. An object belongs to one
thread, except for `settled`, which any may ask.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from services.text import one_line

_log = logging.getLogger("sotto.pulse")

_T = TypeVar("_T")

TAG = "sotto.stream"
"""The property by which a stream of ours is known again on the server."""

_ANSWER_SECONDS = 2.0
_START_SECONDS = 10.0
"""A server that is started for us takes its time."""

_DUMMY = "auto_null"
"""PulseAudio's name for the sink, and its monitor, that it makes when there is no sound hardware."""


class ServerError(Exception):
    """The server cannot be asked. The text says why, for a person."""


@dataclass(frozen=True, slots=True)
class PulseSource:
    """A source of the server.

    Attributes:
        index: Its number, which a device does not keep when it is unplugged.
        name: Its name, which it keeps.
        description: The name that people know it by.
        channels: Its channels.
        rate: Its sample rate in Hz.
        monitor_of: The sink that it is the monitor of; empty for a microphone.
        suspended: It does not run: nobody listens, or somebody has switched it off.
    """

    index: int
    name: str
    description: str
    channels: int
    rate: int
    monitor_of: str = ""
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Tap:
    """Where on the server one of our streams is attached.

    Attributes:
        index: The stream's number.
        tag: What we call the stream.
        source: Number of the source.
    """

    index: int
    tag: str
    source: int


@dataclass(frozen=True, slots=True)
class View:
    """The server at one moment.

    Attributes:
        sources: What can be recorded.
        taps: Our own streams.
        default_source: Name of the source that a person has chosen.
        default_sink: Name of the sink that a person has chosen.
    """

    sources: tuple[PulseSource, ...]
    taps: tuple[Tap, ...]
    default_source: str
    default_sink: str

    @property
    def microphone(self) -> PulseSource | None:
        """The default source."""
        return self.named(self.default_source)

    @property
    def system(self) -> PulseSource | None:
        """The monitor of the default sink."""
        return next((each for each in self.sources if each.monitor_of and each.monitor_of == self.default_sink), None)

    def named(self, name: str) -> PulseSource | None:
        return next((each for each in self.sources if each.name == name), None)

    def tap(self, tag: str) -> Tap | None:
        """Our stream of that name; the newest one where a stream has made itself anew."""
        return max((each for each in self.taps if each.tag == tag), key=lambda each: each.index, default=None)


def connect() -> Server | None:
    """A connection to the server; None where there is none, and then the log says why."""
    try:
        server = Server()
        server.connect(_START_SECONDS)
    except ServerError as error:
        _log.info("no sound server: %s", error)
        return None
    return server


def view_of(server: Server | None) -> View | None:
    """What `server` offers now; None where it does not say, and then the log says why."""
    if server is None:
        return None
    try:
        return server.view()
    except ServerError as error:
        _log.warning("%s", error)
        return None


def _library() -> Any:
    try:
        import pulsectl
    except (ImportError, OSError) as error:
        raise ServerError(f"it cannot be asked for its devices: {error}") from error
    # pulsectl leaves the sample specification in memory that libpulse uses again: it is copied while it is there.
    pulsectl.PulseSourceInfo._init_from_struct = _keep_rate
    return pulsectl


def _keep_rate(info: Any, struct: Any) -> None:
    info.rate = int(struct.sample_spec.rate)


class Server:
    """A connection to the server.

    Raises:
        ServerError: pulsectl or libpulse is not installed.
    """

    def __init__(self) -> None:
        pulsectl = _library()
        from pulsectl._pulsectl import LibPulse

        self._failures = (pulsectl.PulseError, pulsectl.PulseDisconnected, LibPulse.CallError)
        self._stop_listening = pulsectl.PulseLoopStop
        self._pulse = pulsectl.Pulse("sotto", connect=False)
        self._pulse.set_poll_func(self._poll)
        self._pulse.event_callback_set(self._heard)
        self._closing = threading.Lock()
        self._closed = False
        self._deadline = 0.0
        self._listening = False
        self._events = False
        self._fds: Sequence[int] = ()
        self._resting = False
        self._wakes = 0

    @property
    def connected(self) -> bool:
        return bool(self._pulse.connected)

    def connect(self, seconds: float = _ANSWER_SECONDS) -> None:
        """Connect, and ask to be told of changes. Waits so many seconds at most.

        Raises:
            ServerError: Nobody is there, or does not answer.
        """

        def do() -> None:
            # A server may be started for us, as for every other client.
            self._pulse.connect(autospawn=True)
            self._pulse.event_mask_set("source", "server", "source_output")

        self._ask(do, seconds)
        self._events = False

    def view(self) -> View:
        """What there is now.

        Raises:
            ServerError: It is gone, or does not answer.
        """

        def do() -> View:
            info = self._pulse.server_info()
            return View(
                tuple(_source(each) for each in self._pulse.source_list() if not each.name.startswith(_DUMMY)),
                tuple(_taps(self._pulse.source_output_list())),
                str(info.default_source_name),
                str(info.default_sink_name),
            )

        return self._ask(do)

    def move(self, tap: Tap, source: PulseSource) -> None:
        """Attach one of our streams to another source; it goes on without a gap.

        Raises:
            ServerError: The server refuses, is gone, or does not answer.
        """
        self._ask(lambda: self._pulse.source_output_move(tap.index, source.index))

    def listen(self, seconds: float) -> bool:
        """Wait so long for a change; returns whether there was one.

        Raises:
            ServerError: It is gone.
        """
        self._events = False
        self._listening = True
        try:
            self._pulse.event_listen(max(0.001, seconds))
        except self._failures as error:
            raise ServerError("the sound server is gone") from error
        finally:
            self._listening = False
        return self._events

    @property
    def settled(self) -> bool:
        """Whether everything that the server has told is taken into account. Any thread may ask, and nobody waits.

        The server tells of a stream that is attached elsewhere before it sends the first sample from there, so samples
        that came before a `settled` are from where the stream was known to be.
        """
        wakes = self._wakes
        if not self._resting or not self.connected:
            return False
        poller = select.poll()
        for fd in self._fds:
            poller.register(fd, select.POLLIN)
        return not poller.poll(0) and self._resting and wakes == self._wakes

    def wake(self) -> None:
        """End `listen` soon. Any thread may call it; one that does not listen yet is not reached."""
        with self._closing:
            if not self._closed:
                self._pulse.event_listen_stop()

    def close(self) -> None:
        with self._closing:
            self._closed = True
            self._pulse.close()

    def _ask(self, do: Callable[[], _T], seconds: float = _ANSWER_SECONDS) -> _T:
        self._deadline = time.monotonic() + seconds
        try:
            return do()
        except self._failures as error:
            if time.monotonic() >= self._deadline:
                raise ServerError("the sound server does not answer") from error
            if self.connected:
                raise ServerError(f"the sound server refuses: {one_line(str(error))}") from error
            raise ServerError("the sound server is gone") from error

    def _heard(self, _: Any) -> None:
        self._events = True
        raise self._stop_listening

    def _poll(self, fds: Sequence[Any], timeout: float) -> int:
        """What libpulse waits with, in seconds; below 0 is for ever, which we never do."""
        poller = select.poll()
        for each in fds:
            poller.register(each.fd, each.events)
        left = max(0.0, self._deadline - time.monotonic())
        wait = timeout if self._listening else left if timeout < 0 else min(timeout, left)
        self._fds = [each.fd for each in fds]
        self._resting = self._listening
        found = dict(poller.poll(wait * 1000))
        self._wakes += 1
        self._resting = False
        for each in fds:
            each.revents = found.get(each.fd, 0)
        if not self._listening and not found and time.monotonic() >= self._deadline:
            self._pulse.connected = False  # pulsectl waits for an answer as long as it is connected
        return len(found)


def _source(info: Any) -> PulseSource:
    return PulseSource(
        index=int(info.index),
        name=str(info.name),
        description=one_line(str(info.description)),
        channels=int(info.channel_count),
        rate=int(info.rate),
        monitor_of=str(info.monitor_of_sink_name or ""),
        suspended=info.state == "suspended",
    )


def _taps(outputs: Sequence[Any]) -> list[Tap]:
    own = str(os.getpid())
    return [
        Tap(int(each.index), each.proplist[TAG], int(each.source))
        for each in outputs
        if TAG in each.proplist and each.proplist.get("application.process.id", own) == own
    ]
