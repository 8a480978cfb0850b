"""Whether a device lost something, or only delivers late: what comes is held back for a moment until that is known."""

from __future__ import annotations

_SECONDS = 0.4
"""So long samples are held back at most. With a tick, that is what killing the recorder may cost."""

_RISE_SECONDS = 0.03
"""A lead that has grown by so much since the last look: what was late is still coming."""

_LOSS_SECONDS = 0.05
"""So much has to be missing to be a loss."""


class Hold:
    """Begun when something may have been lost. A process that was stopped finds what came meanwhile, then a hole.

    Args:
        expected: The lead that the device had before, in seconds.
        index: Number of the next frame that will come.

    Attributes:
        index: From this frame on, frames have to wait: if something is missing, it is missing before this one.
        missing: Seconds of sound that are missing. Valid when it is over.
    """

    def __init__(self, expected: float, index: int) -> None:
        self.index = index
        self.missing = 0.0
        self._expected = expected
        self._best: float | None = None
        self._seconds = 0.0

    def look(self, index: int, lead: float | None, seconds: float) -> bool:
        """`index` frames have come, which makes a `lead` (None: nothing came). Returns whether it is over."""
        if lead is not None and (self._best is None or lead > self._best + _RISE_SECONDS):
            self.index = index
            self._best = lead
            self._seconds = 0.0
        else:
            self._seconds += seconds
            if lead is not None and self._best is not None:
                self._best = max(self._best, lead)
        if self._best is None:
            return False
        missing = self._expected - self._best
        if missing > _LOSS_SECONDS and self._seconds < _SECONDS:
            return False
        self.missing = missing if missing > _LOSS_SECONDS else 0.0
        return True
