"""Whether a device lost something, or only delivers late: what comes is held back for a moment until that is known."""

from __future__ import annotations

_SECONDS = 0.4
"""So long samples are held back at most. With a tick, that is what killing the recorder may cost."""

_RISE_SECONDS = 0.03
"""A lead that has grown by so much since the last look: what was late is still coming."""


class Hold:
    """Begun when something seems to be missing. A process that was stopped finds what came meanwhile, then a hole.

    Args:
        expected: The lead that the device had before, in seconds.
        least: So many seconds have to be missing to be a loss.
        index: So many frames are there that came before what is missing.
        lead: How far ahead the device is now, in seconds.

    Attributes:
        index: From this frame on, frames have to wait: if something is missing, it is missing before this one.
        missing: Seconds of sound that are missing. Valid when it is over.
    """

    def __init__(self, expected: float, least: float, index: int, lead: float) -> None:
        self.index = index
        self.missing = 0.0
        self._expected = expected
        self._least = least
        self._best = lead
        self._seconds = 0.0

    def look(self, index: int, lead: float | None, seconds: float) -> bool:
        """`index` frames have come, which makes a `lead` (None: nothing came). Returns whether it is over."""
        self._seconds += seconds
        if lead is not None:
            if lead > self._best + _RISE_SECONDS:
                self.index = index
                self._seconds = 0.0
            self._best = max(self._best, lead)
        missing = self._expected - self._best
        self.missing = missing if missing >= self._least else 0.0
        if not self.missing:
            return True
        return self._seconds >= _SECONDS
