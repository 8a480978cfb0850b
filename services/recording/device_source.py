"""A device as a source: it may be unplugged, moved, replaced, hang and come back; its ring stays the same.

`mic` follows the default source and `system` the default sink's monitor when a person changes them; a device that was
named does not follow. Where a device goes, the source is `absent` and tries until it is back.

A sound server moves streams as it likes: when loudspeakers are unplugged, PulseAudio attaches who listened to them to
the microphone. So a stream is let into the ring only while the server says that it is attached to where it should be,
and what the server may have changed meanwhile is not read (`Ring.proof`). One that was elsewhere is closed and opened
anew, since what it holds already is from there.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from services.errors import SottoError
from services.recording.devices import PULSE_SOURCE, Input, choose, find_inputs
from services.recording.keeper import TICK_SECONDS, Keeper
from services.recording.messages import SYSTEM
from services.recording.pulse import PulseSource, ServerError, Tap, View, connect, view_of
from services.recording.ring import Ring
from services.recording.stream import Opening, Stream, refresh_devices
from services.text import one_line

_log = logging.getLogger("sotto.sources")

_RING_SECONDS = 10.0
"""So long may the disk keep the writer waiting before a frame is lost."""

_REST_SECONDS = 0.3
"""A device that went away is away for at least so long: whoever reads the ring is to notice."""

_LONGEST_WAIT = 5.0
_SUSPENDED_WAIT = 30.0
"""Until the first sample comes, PortAudio keeps a processor busy: what does not wake up when opened is left alone."""

_OPEN_SECONDS = 5.0
_QUIET_SECONDS = 5.0
"""A microphone that delivers nothing for so long is opened anew. The first sound of one takes up to two seconds."""

_UNTOLD_SECONDS = 0.5
_SEAL_SECONDS = 0.3
_CLOSE_SECONDS = 3.0
_AWAY_CLOSE_SECONDS = 0.5

_SUSPENDED = "the device is suspended"
_UNPLUGGED = "the device was unplugged"
_BROKEN = "the device stopped delivering"


class DeviceSource:
    """A device. Opened on construction.

    Args:
        label: The source as the user named it.
        found: The device.
        keeper: Who looks after it.

    Raises:
        DeviceError: It cannot be opened.
    """

    live = True

    def __init__(self, label: str, found: Input, keeper: Keeper) -> None:
        self.label = label
        self.rate = found.device.rate
        # A sound server mixes to one channel better than we would; a bare device may have its signal on either side.
        self.channels = 1 if found.pulse_source else min(2, found.device.channels)
        proof = self._proven if found.pulse_source else None
        self.ring = Ring(int(self.rate * _RING_SECONDS), self.channels, proof=proof)
        self.began: float | None = None
        self.overrun = 0
        self._found = found
        self._keeper = keeper
        self._follows_microphone = label == "mic" and not os.environ.get(PULSE_SOURCE)
        self._target = found.pulse_source
        self._name = found.device.description
        self._monitor = found.device.kind == "monitor"
        self._takes_monitors = self._monitor
        self._lock = threading.Lock()
        self._absent = ""
        self._stopped = False
        self._sealed = False
        self._opening: Opening | None = None
        self._leaving: Stream | None = None
        self._tainted = False
        self._marked: tuple[int, float] | None = None
        self._attached: int | None = None
        self._tended = time.monotonic()
        self._seen = 0
        self._quiet = 0.0
        self._tries = 0
        self._next_try = 0.0
        self._offered: tuple[int, bool] | None = None
        self._stream: Stream | None = Stream(self, self._name, found.index, found.pulse_source)

    def start(self) -> None:
        stream = self._stream
        assert stream is not None
        stream.start()
        if not self._found.pulse_source:
            stream.let_in()
        _log.info("%s: %s at %d Hz, %d channels", self.label, self._name, self.rate, self.channels)
        self._tended = time.monotonic()
        self._keeper.add(self)

    def stop(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            stream, self._stream = self._stream, None
            if self._opening is not None:
                self._opening.give_up()
        if stream is not None:
            if not stream.close(_AWAY_CLOSE_SECONDS if self._absent else _CLOSE_SECONDS):
                _log.error("%s does not let go; going on without it", self._name)
            stream.keep_out()
        deadline = time.monotonic() + _SEAL_SECONDS
        while not self._settled and time.monotonic() < deadline:
            time.sleep(0.01)
        self._sealed = self._settled
        self._keeper.remove(self)

    @property
    def ended(self) -> bool:
        return self._stopped

    @property
    def lost(self) -> int:
        return self.ring.overflows + self.overrun

    @property
    def error(self) -> SottoError | None:
        return None

    @property
    def absent(self) -> str:
        return self._absent

    @property
    def monitor(self) -> bool:
        return self._monitor

    @property
    def device(self) -> str:
        return "" if self._absent or self._stopped else self._name

    def consumed(self) -> None:
        """A device waits for nobody."""

    def mark(self) -> None:
        """What is in the ring now is covered by what the server is about to say. The keeper's; see `Kept`."""
        self._marked = self.ring.mark() if self._stream is not None and self._stream.open else None

    def tend(self, view: View | None, trouble: str) -> float:
        """Look whether all is well. The keeper's; see `Kept`."""
        with self._lock:
            now = time.monotonic()
            # A process that was stopped for a while finds what the server kept: that time does not count.
            elapsed, self._tended = min(now - self._tended, 1.5 * TICK_SECONDS), now
            if self._stopped:
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

    @property
    def _settled(self) -> bool:
        # In this order: what the keeper has acted upon, it has said here before.
        return self._keeper.settled(strict=self.label == SYSTEM) and not self._tainted

    def _proven(self) -> bool:
        """Whether what is in the ring is what it should be (see `Ring`)."""
        return self._sealed if self._stopped else self._settled

    def _wanted(self, view: View) -> PulseSource | None:
        """What is to be recorded, as things are."""
        if self.label == SYSTEM:
            return view.system
        if self._follows_microphone:
            chosen = view.microphone
            if chosen is not None and (self._takes_monitors or not chosen.monitor_of):
                return chosen
            # Without a microphone, a server falls back to what the loudspeakers play.
        return view.named(self._target)

    def _why_gone(self, view: View | None, trouble: str) -> str:
        if not self._found.pulse_source:
            return _UNPLUGGED
        if view is None:
            return trouble
        return _BROKEN if self._wanted(view) else _UNPLUGGED

    def _listen(self, stream: Stream, elapsed: float) -> None:
        """Take note whether anything has come."""
        heard = stream.heard
        if heard == self._seen:
            self._quiet += elapsed
            return
        self._seen, self._quiet, self._tries = heard, 0.0, 0
        if self._absent and stream.open:
            self._present()

    def _present(self) -> None:
        _log.info("%s is back: %s", self.label, self._name)
        self._absent = ""

    def _check(self, stream: Stream, view: View | None, trouble: str) -> float:
        """Whether a stream of the server's is where it should be, and delivers."""
        if view is None:
            if self._quiet >= TICK_SECONDS and not self._absent:
                self._miss(trouble)
            return TICK_SECONDS
        wanted, tap = self._wanted(view), view.tap(stream.tag)
        if tap is None:
            return self._untold(stream)
        if wanted is None:
            return self._lose(_UNPLUGGED, tainted=True)
        if tap.source != wanted.index:
            if tap.source != self._attached or not stream.open:
                return self._lose("the sound server has moved it to another device", tainted=True)
            return self._follow(tap, wanted)
        if self._attached != wanted.index or self._target != wanted.name:
            self._change(wanted)
        if not stream.open:
            self.began = None
            stream.let_in()
        elif self._marked is not None:
            # The proof needs a quiet moment, which a server that tells something all the time does not leave.
            self.ring.trust(self._marked)
            self._marked = None
        if self._absent and wanted.monitor_of:
            self._present()
        return self._check_delivery(stream, wanted)

    def _untold(self, stream: Stream) -> float:
        """The server does not say where the stream is: it has just been made, or the server knows no properties."""
        if not stream.open and stream.heard >= _UNTOLD_SECONDS * self.rate and self.label != SYSTEM:
            _log.warning("%s: the sound server does not say where the stream is attached", self.label)
            stream.let_in()
        elif not stream.open and stream.heard and not self._absent:
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
        if self._target != wanted.name:
            _log.info("%s: now %s", self.label, wanted.description)
        self._attached = wanted.index
        self._target = wanted.name
        self._name = wanted.description
        self._monitor = bool(wanted.monitor_of)

    def _check_delivery(self, stream: Stream, wanted: PulseSource | None = None) -> float:
        if self._quiet < TICK_SECONDS:
            return TICK_SECONDS
        self._keeper.ask()
        if wanted is not None and wanted.suspended:
            if not stream.heard and self._quiet >= _QUIET_SECONDS:
                self._offered = (wanted.index, True)
                return self._lose(_SUSPENDED, least=_SUSPENDED_WAIT)
            if not self._monitor and not self._absent:
                self._miss(_SUSPENDED)
        elif not self._monitor and self._quiet >= _QUIET_SECONDS:
            return self._lose(_BROKEN)
        return TICK_SECONDS

    def _miss(self, reason: str) -> None:
        """It is away, for a reason that a person understands."""
        _log.warning("%s: %s", self.label, reason)
        self._absent = reason

    def _lose(self, reason: str, tainted: bool = False, least: float = _REST_SECONDS) -> float:
        """Let go of the stream. What it delivers from now on, nobody hears.

        Args:
            reason: Why, for a person.
            tainted: Nor does anybody hear what it has delivered and nobody was let read.
            least: So many seconds it is left alone.
        """
        self._tainted = tainted or self.label == SYSTEM
        stream, self._stream = self._stream, None
        assert stream is not None
        stream.keep_out()
        stream.close_aside()
        self._leaving = stream
        self._attached = None
        if self._absent != reason:
            self._miss(reason)
        self._next_try = time.monotonic() + max(least, min(_LONGEST_WAIT, self._tries * TICK_SECONDS))
        return _REST_SECONDS

    def _try(self, view: View | None, trouble: str) -> float:
        """Open it anew, if there is anything to open."""
        if self._leaving is not None:
            if self._leaving.busy:
                return _REST_SECONDS
            if self._tainted:
                self.ring.void()
                self._tainted = False
            self.began = None
            self._leaving = None
        wanted = None
        if self._found.pulse_source:
            wanted = self._wanted(view) if view is not None else None
            if view is None and self._absent != trouble:
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
        self._opening = Opening(self.label, lambda: self._make(wanted))
        return TICK_SECONDS / 5

    def _make(self, wanted: PulseSource | None) -> Stream:
        """On a thread of the opening's own."""
        if wanted is not None:
            return Stream(self, wanted.description, self._found.index, wanted.name)
        index = self._found.index
        if refresh_devices():
            index = choose(self._found.device.name, find_inputs(None)).index
        return Stream(self, self._name, index)

    def _opened(self, opening: Opening, view: View | None) -> bool:
        """Whether the attempt is over."""
        if opening.over:
            self._opening = None
            self._stream = opening.stream
            self._seen, self._quiet = 0, 0.0
            if opening.error is not None:
                _log.info("%s: %s", self.label, one_line(str(opening.error)))
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


class Devices:
    """The devices of one recording, and who looks after them.

    Raises:
        DeviceError: PortAudio is not installed, or does not start.
    """

    def __init__(self) -> None:
        server = connect()
        view = view_of(server)
        self._keeper = Keeper(server if view is not None else None)
        self._inputs = find_inputs(view)

    def open(self, label: str) -> DeviceSource:
        """The device that `label` means.

        Raises:
            DeviceError: There is none, or it cannot be opened.
        """
        return DeviceSource(label, choose(label, self._inputs), self._keeper)

    def close(self) -> None:
        """No device was opened, or all have been stopped."""
        self._keeper.close()
