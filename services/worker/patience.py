"""How long to wait for a child: as long as it works, and never a fixed time that would kill a slow machine."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.worker.process import Effort, effort

IDLE_SECONDS = 120.0
"""A child that neither answers, computes nor reads from disk for so long stands still: a deadlock."""

BUSY_SECONDS = 1800.0
"""A child that computes but never comes to the end of a step is let work for so long, plus what the step is worth."""

_SLOWEST = 60.0
"""A step may take so many times its own length: sixty times slower than real time is no longer of use to anyone."""

_WORKING_SHARE = 0.01
"""From this share of one processor on, a child counts as working."""


class Patience:
    """Decides when a call has stood still. Time in which the whole machine sleeps does not count.

    Args:
        pid: The child.
        step_work: Seconds of audio (or the like) that one step works on; a step may take `_SLOWEST` times as long.
        clock: Monotonic seconds.
        look: Gives the effort of a process so far.
    """

    def __init__(
        self,
        pid: int,
        step_work: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        look: Callable[[int], Effort] = effort,
    ) -> None:
        self._pid = pid
        self._busy_limit = BUSY_SECONDS + _SLOWEST * step_work
        self._clock = clock
        self._look = look
        self._since = self._idle_since = clock()
        self._effort = look(pid)

    @property
    def waited(self) -> float:
        """Seconds since the last sign of life."""
        return self._clock() - self._since

    def renew(self) -> None:
        """The child gave a sign of life."""
        self._since = self._idle_since = self._clock()

    def exhausted(self) -> bool:
        """Whether waiting on makes no sense. Call it about once a second."""
        now, done = self._clock(), self._look(self._pid)
        worked = done.cpu_s - self._effort.cpu_s > _WORKING_SHARE * (now - self._idle_since)
        if worked or done.faults > self._effort.faults:
            self._idle_since, self._effort = now, done
        return now - self._idle_since > IDLE_SECONDS or now - self._since > self._busy_limit
