"""The clocks of devices: how far each is from the computer's, and how much its sound has to be bent to fit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drift:
    """What is known of the clock of a device.

    Attributes:
        channel: Number of the channel.
        label: Its source, as the user named it.
        ppm: How much faster than the computer's clock it runs, in millionths; 0 while nobody knows.
        corrected_ms: By how much its sound was made shorter, in all, to stay beside the other's; negative: longer.
    """

    channel: int
    label: str
    ppm: float
    corrected_ms: float


_PIECE_SECONDS = 1.0
_PIECES = 10
"""The lead is taken from the best second of so many: deliveries may be late for a while, they are never early."""

_RECENT = 3
"""When no delivery within so many seconds was in time, what is missing has been lost."""

_LATE_SECONDS = 0.05
_BEGIN_SECONDS = 0.005
_END_SECONDS = 0.001
"""A lead above the first bends the sound, until it is below the second."""

_BEND_SECONDS = 20.0
"""So soon a lead is gone when the sound stays bent as it is, the drift left aside."""

_STILL = 1e-5
"""A clock that is off by more than this goes on drifting: once bent, the sound stays bent."""

_MOST = 0.001
"""A thousandth: less than a sixtieth of a semitone, and 30 times what clocks differ by."""

_MISPLACED_SECONDS = 0.01
"""The first sample of a device was so far from its place, by its later ones, that it is put right as well."""

_STEP_SECONDS = 0.02
"""Within ten seconds no clock drifts so far: that is a change in how the device delivers."""

_MEASURED_SECONDS = 30.0


class DeviceClock:
    """How far a device's count of samples is ahead of the computer's clock, in seconds: its lead.

    What is seen of the lead is its value or less, because deliveries may be late. So the highest value counts.

    Attributes:
        rate: How much shorter the sound has to be made, as a share: `Slewer.rate`.
    """

    def __init__(self) -> None:
        self._time = self._gained = 0.0  # of the stretches before this one
        self._clear()

    def _clear(self) -> None:
        self.rate = 0.0
        self._pieces: deque[float] = deque(maxlen=_PIECES)
        self._best: float | None = None
        self._piece_ends = 0.0
        self._count = 0
        self._target: float | None = None
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None

    @property
    def ppm(self) -> float:
        time, gained = self._measured()
        return 1e6 * gained / time if time >= _MEASURED_SECONDS else 0.0

    @property
    def lead(self) -> float | None:
        """The lead as of the last ten seconds; None when nothing has been seen."""
        return max((*self._pieces, *self._latest), default=None)

    @property
    def offset(self) -> float:
        """How far the lead is from where it should be, in seconds."""
        lead = self.lead
        return 0.0 if lead is None or self._target is None else lead - self._target

    @property
    def missing(self) -> float:
        """Seconds of sound that have been lost; 0 as long as deliveries may only be late."""
        before = list(self._pieces)[: -(_RECENT - 1)]
        if len(before) < _RECENT:
            return 0.0
        short = max(before) - max(*list(self._pieces)[-(_RECENT - 1) :], *self._latest)
        return short if short > _LATE_SECONDS else 0.0

    @property
    def _latest(self) -> tuple[float, ...]:
        return () if self._best is None else (self._best,)

    def observe(self, at: float, lead: float) -> bool:
        """At the time `at` the count was ahead by `lead`, as far as was seen. Returns whether a second is over."""
        if self._best is None or at < self._piece_ends:
            if self._best is None:
                self._piece_ends = at + _PIECE_SECONDS
            self._best = lead if self._best is None else max(self._best, lead)
            return False
        self._pieces.append(self._best)
        self._best = lead
        self._piece_ends = at + _PIECE_SECONDS
        self._count += 1
        if self._count % _PIECES == 0:
            self._measure(at, max(self._pieces))
        return True

    def steer(self, corrected: float) -> None:
        """Set `rate`, when the sound is `corrected` seconds shorter already than it came."""
        if self._target is None:
            return
        error = max((*self._pieces, *self._latest)) - self._target - corrected
        pace = self.ppm / 1e6
        if abs(error) < (_END_SECONDS if self.rate else _BEGIN_SECONDS) and not (self.rate and abs(pace) > _STILL):
            self.rate = 0.0
        else:
            self.rate = max(-_MOST, min(_MOST, pace + error / _BEND_SECONDS))

    def restart(self) -> None:
        """What comes next has a place of its own."""
        self._time, self._gained = self._measured()
        self._clear()

    def _measure(self, at: float, lead: float) -> None:
        if self._target is None:
            self._target = lead if abs(lead) < _MISPLACED_SECONDS else 0.0
        if self._last is not None and abs(lead - self._last[1]) > _STEP_SECONDS:
            self._time, self._gained = self._measured()
            self._first = None
        self._last = (at, lead)
        self._first = self._first or self._last

    def _measured(self) -> tuple[float, float]:
        if self._first is None or self._last is None:
            return self._time, self._gained
        return self._time + self._last[0] - self._first[0], self._gained + self._last[1] - self._first[1]
