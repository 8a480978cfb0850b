"""What a source lost inside a running stream: found by its own counts, and by the clock."""

from __future__ import annotations

from collections import deque

from services.recording.drift import DeviceClock
from services.recording.hold import Hold
from services.recording.sources import Source

LONGEST_TICK = 0.2
"""The time between two looks counts no longer than this: after a stop of the whole process, devices deliver late."""

_LONG_TICK = 0.3
"""After such a time between two looks, or between two deliveries, something may have been lost."""

_WARY_SECONDS = 1.0
"""So long after anything that may have cost samples, little is enough to take it that it did."""

_MISSED_SECONDS = 0.02
_LATE_SECONDS = 0.08
"""When so much seems to be missing, what comes is held back until it is known: when wary, and without a cause."""


class Losses:
    """Compares what a source has delivered with what it should have, and knows before which frame something is missing.

    Frames are numbered in the order in which they come out of the ring.

    Args:
        source: What fills the ring.

    Attributes:
        clock: How far the source's count is ahead of the computer's clock.
        measured: The last `look` ended a second of measuring.
    """

    def __init__(self, source: Source) -> None:
        self.clock = DeviceClock()
        self.measured = False
        self._source = source
        self._ring_size = source.ring.free + source.ring.filled
        self._zero = 0.0  # where the lead is counted from
        self._inserted = 0.0  # seconds of silence for what was lost
        self._missing: deque[tuple[int, float]] = deque()  # before which frame how many seconds are missing
        self._hold: Hold | None = None
        self._seen = -1
        self._wary = 0.0
        self._overflows, self._state = self._counts()

    @property
    def holding(self) -> bool:
        """Something seems to be missing, and what came last has to wait until that is known."""
        return self._hold is not None

    def begin(self, read: int, zero: float) -> None:
        """The source is placed: frame `read` comes next, and frame 0 would have been heard at the time `zero`."""
        self._zero = zero
        self._seen = read
        self._overflows, self._state = self._counts()

    def restart(self) -> None:
        """What comes next has a place of its own."""
        self._hold = None
        self._missing.clear()
        self._inserted = 0.0
        self.clock.restart()

    def release(self) -> None:
        """Hold nothing back."""
        self._hold = None

    def until(self, end: int) -> int:
        """The next frame before which something is missing; `end` when there is none before that."""
        return min(end, self._missing[0][0]) if self._missing else end

    def take(self, read: int) -> float:
        """Seconds that are missing before frame `read`, each told once; 0 for nothing more."""
        return self._missing.popleft()[1] if self._missing and self._missing[0][0] <= read else 0.0

    def look(self, read: int, come: int, seconds: float, idle: float, ended: bool) -> int:
        """Find out whether something was lost. Returns up to which frame the ring may be emptied.

        Args:
            read: So many frames were taken out of the ring.
            come: So many have come, those included.
            seconds: Since the last look.
            idle: Seconds since anything came.
            ended: Nothing more will come.
        """
        self.measured = False
        self._notice(read, seconds, idle)
        counted = min(seconds, LONGEST_TICK)
        heard = self._source.ring.written_at
        lead = None
        if come != self._seen:
            lead = self._zero + come / self._source.rate + self._inserted - heard
        before, self._seen = self._seen, come
        if self._hold is None and lead is not None and (expected := self.clock.lead) is not None:
            least = _MISSED_SECONDS if self._wary > 0 else _LATE_SECONDS
            if expected - lead >= least:
                # After a stop of the whole process, first comes what the sound server still had room for.
                self._hold = Hold(expected, least, come if seconds >= _LONG_TICK else before, lead)
                return self._hold.index
        if self._hold is not None:
            if not self._hold.look(come, lead, counted):
                return come if ended else self._hold.index
            if self._hold.missing:
                self._miss(self._hold.index, self._hold.missing)
                lead = None
            self._hold = None
        self.measured = lead is not None and self.clock.observe(heard, lead)
        if self.measured and (missing := self.clock.missing) > 0:
            self._miss(come, missing)
        return come

    def _notice(self, read: int, seconds: float, idle: float) -> None:
        """Take note of what the ring had no room for, and of everything that may have cost samples."""
        overflows, state = self._counts()
        if overflows > self._overflows:
            # The ring was full then, so what it had no room for belongs behind all that it held.
            self._miss(read + self._ring_size, (overflows - self._overflows) / self._source.rate)
        disturbed = state != self._state or seconds >= _LONG_TICK or idle >= _LONG_TICK
        self._wary = _WARY_SECONDS if disturbed else self._wary - min(seconds, LONGEST_TICK)
        self._overflows, self._state = overflows, state

    def _counts(self) -> tuple[int, tuple[float | None, str, str, int]]:
        """Frames that the ring had no room for, and what changes when samples may be lost."""
        source = self._source
        overflows = source.ring.overflows
        return overflows, (source.began, source.device, source.absent, source.lost - overflows)

    def _miss(self, index: int, seconds: float) -> None:
        """Before frame number `index` so many `seconds` are missing."""
        self._missing.append((index, seconds))
        self._inserted += seconds
