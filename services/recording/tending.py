"""Looking after a device's stream: that it is where it should be, and is opened anew when it is not.

A sound server moves streams as it likes: when loudspeakers are unplugged, PulseAudio attaches who listened to them to
the microphone. So a stream is let into the ring only while the server says that it is attached to where it should be,
and what the server may have changed meanwhile is not read (`Ring.proof`). One that was elsewhere is closed and opened
anew, since what it holds already is from there.
"""

from __future__ import annotations

import logging
import threading
import time

from services.recording.devices import Input, choose, find_inputs
from services.recording.keeper import TICK_SECONDS, Keeper
from services.recording.messages import SYSTEM
from services.recording.pulse import PulseSource, ServerError, Tap, View
from services.recording.stream import Opening, Sink, Stream, refresh_devices
from services.recording.target import Target
from services.text import one_line

_log = logging.getLogger("sotto.sources")

_REST_SECONDS = 0.3
"""A device that went away is away for at least so long: whoever reads the ring is to notice."""

_LONGEST_WAIT = 5.0
_SUSPENDED_WAIT = 30.0
"""Until the first sample comes, PortAudio keeps a processor busy: what does not wake up when opened is left alone."""

_OPEN_SECONDS = 5.0
_QUIET_SECONDS = 5.0
"""A microphone that delivers nothing for so long is opened anew. The first sound of one takes up to two seconds."""

_UNTOLD_SECONDS = 0.5
_CLOSE_SECONDS = 3.0
_AWAY_CLOSE_SECONDS = 0.5

_SUSPENDED = "the device is suspended"
_UNPLUGGED = "the device was unplugged"
_BROKEN = "the device stopped delivering"


class Tending:
    """The stream of one device, opened on construction.

    The keeper tends it on its own thread; whoever records begins and ends it.

    Args:
        sink: Where its samples go.
        found: The device.
        keeper: Who asks the sound server.

    Attributes:
        target: What is recorded.
        absent: Why nothing can come just now; empty while it is there.
        tainted: What has come and was not read yet is from elsewhere.

    Raises:
        DeviceError: It cannot be opened.
    """

    def __init__(self, sink: Sink, found: Input, keeper: Keeper) -> None:
        self.target = Target(sink.label, found)
        self.absent = ""
        self.tainted = False
        self._sink = sink
        self._found = found
        self._keeper = keeper
        self._lock = threading.Lock()
        self._ended = False
        self._opening: Opening | None = None
        self._leaving: Stream | None = None
        self._marked: tuple[int, float] | None = None
        self._attached: int | None = None
        self._tended = time.monotonic()
        self._seen = 0
        self._quiet = 0.0
        self._tries = 0
        self._next_try = 0.0
        self._offered: tuple[int, bool] | None = None
        self._stream: Stream | None = Stream(sink, self.target.name, found.index, found.pulse_source)

    def begin(self) -> None:
        """Start the stream. Raises `DeviceError` when it does not run."""
        stream = self._stream
        assert stream is not None
        stream.start()
        if not self._found.pulse_source:
            stream.let_in()
        _log.info("%s: %s at %d Hz", self._sink.label, self.target.name, self._sink.rate)
        self._tended = time.monotonic()
        self._keeper.add(self)

    def end(self) -> None:
        """Let the stream go. Returns soon, also when the device hangs."""
        with self._lock:
            self._ended = True
            stream, self._stream = self._stream, None
            if self._opening is not None:
                self._opening.give_up()
        if stream is not None:
            if not stream.close(_AWAY_CLOSE_SECONDS if self.absent else _CLOSE_SECONDS):
                _log.error("%s does not let go; going on without it", self.target.name)
            stream.keep_out()

    def mark(self) -> None:
        """What is in the ring now is covered by what the server is about to say. The keeper's; see `Kept`."""
        stream = self._stream  # `end` may take it away meanwhile
        self._marked = self._sink.ring.mark() if stream is not None and stream.open else None

    def tend(self, view: View | None, trouble: str) -> float:
        """Look whether all is well. The keeper's; see `Kept`."""
        with self._lock:
            now = time.monotonic()
            # A process that was stopped for a while finds what the server kept: that time does not count.
            elapsed, self._tended = min(now - self._tended, 1.5 * TICK_SECONDS), now
            if self._ended:
                return TICK_SECONDS
            if self._opening is not None and not self._opened(self._opening, view):
                return TICK_SECONDS / 5
            if self._stream is None:
                return self._try(view, trouble)
            if not self._stream.active:
                return self._lose(self._why_gone(view, trouble))
            self._listen(self._stream, elapsed)
            if not self._found.pulse_source:
                return self._check_delivery(self._stream)
            return self._check(self._stream, view, trouble)

    def _why_gone(self, view: View | None, trouble: str) -> str:
        if not self._found.pulse_source:
            return _UNPLUGGED
        if view is None:
            return trouble
        return _BROKEN if self.target.wanted(view) else _UNPLUGGED

    def _listen(self, stream: Stream, elapsed: float) -> None:
        """Take note whether anything has come."""
        heard = stream.heard
        if heard == self._seen:
            self._quiet += elapsed
            return
        self._seen, self._quiet, self._tries = heard, 0.0, 0
        if self.absent and stream.open:
            self._present()

    def _present(self) -> None:
        _log.info("%s is back: %s", self._sink.label, self.target.name)
        self.absent = ""

    def _check(self, stream: Stream, view: View | None, trouble: str) -> float:
        """Whether a stream of the server's is where it should be, and delivers."""
        if view is None:
            if self._quiet >= TICK_SECONDS and not self.absent:
                self._miss(trouble)
            return TICK_SECONDS
        wanted, tap = self.target.wanted(view), view.tap(stream.tag)
        if tap is None:
            return self._untold(stream)
        if wanted is None:
            return self._lose(_UNPLUGGED, tainted=True)
        if tap.source != wanted.index:
            if tap.source != self._attached or not stream.open:
                return self._lose("the sound server has moved it to another device", tainted=True)
            return self._follow(tap, wanted)
        if self._attached != wanted.index or self.target.source != wanted.name:
            self._change(wanted)
        if not stream.open:
            self._sink.began = None
            stream.let_in()
        elif self._marked is not None:
            # The proof needs a quiet moment, which a server that tells something all the time does not leave.
            self._sink.ring.trust(self._marked)
            self._marked = None
        if self.absent and wanted.monitor_of:
            self._present()
        return self._check_delivery(stream, wanted)

    def _untold(self, stream: Stream) -> float:
        """The server does not say where the stream is: it has just been made, or the server knows no properties."""
        if not stream.open and stream.heard >= _UNTOLD_SECONDS * self._sink.rate and self._sink.label != SYSTEM:
            _log.warning("%s: the sound server does not say where the stream is attached", self._sink.label)
            stream.let_in()
        elif not stream.open and stream.heard and not self.absent:
            self._miss("the sound server does not say what it lets us hear")
        self._keeper.ask()
        return TICK_SECONDS / 2

    def _follow(self, tap: Tap, wanted: PulseSource) -> float:
        """Another device was made the default: the stream goes on there."""
        try:
            self._keeper.move(tap, wanted)
        except ServerError as error:
            return self._lose(str(error))
        return 0.0

    def _change(self, wanted: PulseSource) -> None:
        if self.target.source != wanted.name:
            _log.info("%s: now %s", self._sink.label, wanted.description)
        self._attached = wanted.index
        self.target.become(wanted)

    def _check_delivery(self, stream: Stream, wanted: PulseSource | None = None) -> float:
        if self._quiet < TICK_SECONDS:
            return TICK_SECONDS
        self._keeper.ask()
        if wanted is not None and wanted.suspended:
            if not stream.heard and self._quiet >= _QUIET_SECONDS:
                self._offered = (wanted.index, True)
                return self._lose(_SUSPENDED, least=_SUSPENDED_WAIT)
            if not self.target.monitor and not self.absent:
                self._miss(_SUSPENDED)
        elif not self.target.monitor and self._quiet >= _QUIET_SECONDS:
            return self._lose(_BROKEN)
        return TICK_SECONDS

    def _miss(self, reason: str) -> None:
        """It is away, for a reason that a person understands."""
        _log.warning("%s: %s", self._sink.label, reason)
        self.absent = reason

    def _lose(self, reason: str, tainted: bool = False, least: float = _REST_SECONDS) -> float:
        """Let go of the stream. What it delivers from now on, nobody hears.

        Args:
            reason: Why, for a person.
            tainted: Nor does anybody hear what it has delivered and nobody was let read.
            least: So many seconds it is left alone.
        """
        self.tainted = tainted or self._sink.label == SYSTEM
        stream, self._stream = self._stream, None
        assert stream is not None
        stream.keep_out()
        stream.close_aside()
        self._leaving = stream
        self._attached = None
        if self.absent != reason:
            self._miss(reason)
        self._next_try = time.monotonic() + max(least, min(_LONGEST_WAIT, self._tries * TICK_SECONDS))
        return _REST_SECONDS

    def _try(self, view: View | None, trouble: str) -> float:
        """Open it anew, if there is anything to open."""
        if self._leaving is not None:
            if self._leaving.busy:
                return _REST_SECONDS
            if self.tainted:
                self._sink.ring.void()
                self.tainted = False
            self._sink.began = None
            self._leaving = None
        wanted = None
        if self._found.pulse_source:
            wanted = self.target.wanted(view) if view is not None else None
            if view is None and self.absent != trouble:
                self._miss(trouble)
            if wanted is None:
                self._offered = None
                return TICK_SECONDS
            if (offered := (wanted.index, wanted.suspended)) != self._offered:
                self._offered, self._tries = offered, 0
                self._next_try = min(self._next_try, time.monotonic() + _REST_SECONDS)
        wait = self._next_try - time.monotonic()
        if wait > 0:
            return min(TICK_SECONDS, wait)
        self._tries += 1
        self._opening = Opening(self._sink.label, lambda: _make(self._sink, self._found, wanted))
        return TICK_SECONDS / 5

    def _opened(self, opening: Opening, view: View | None) -> bool:
        """Whether the attempt is over."""
        if opening.over:
            self._opening = None
            self._stream = opening.stream
            self._seen, self._quiet = 0, 0.0
            if opening.error is not None:
                _log.info("%s: %s", self._sink.label, one_line(str(opening.error)))
                self._next_try = time.monotonic() + min(_LONGEST_WAIT, self._tries * TICK_SECONDS)
            elif not self._found.pulse_source and opening.stream is not None:
                opening.stream.let_in()
            return True
        if view is not None and time.monotonic() - opening.began > _OPEN_SECONDS * max(1, self._tries):
            # The server answers others: this attempt hangs in one that is no more.
            opening.give_up()
            self._opening = None
            return True
        return False


def _make(sink: Sink, found: Input, wanted: PulseSource | None) -> Stream:
    """The stream anew: of `wanted`, or without a sound server of the device that was found. May take for ever.

    Raises:
        DeviceError: It cannot be opened.
    """
    if wanted is not None:
        return Stream(sink, wanted.description, found.index, wanted.name)
    index = found.index
    if refresh_devices():
        index = choose(found.device.name, find_inputs(None)).index
    return Stream(sink, found.device.description, index)
