"""Whether a component's memory grows: a straight line through the last half hour."""

from __future__ import annotations

from collections import deque
from enum import Enum

NOTABLE_MB_PER_HOUR = 10.0
"""Growth from which on it is one: a process that runs for a day must not gain 240 MB."""
_NOISE_MB = 1.0
"""Change over the window that heaps and caches show without meaning anything."""
_WARM_UP_SECONDS = 60.0
"""Of a new process's first minute nothing is learned: loading is no leak."""
_SPAN_SECONDS = 120.0
_SPACING_SECONDS = 10.0
_POINTS = 180
SECONDS_PER_HOUR = 3600.0


class Trend(Enum):
    """Exactly these three names reach the screen."""

    STABLE = "Stable"
    GROWING = "Growing"
    SHRINKING = "Shrinking"


class TrendWindow:
    """The last 180 points of a curve, at least 10 s apart: half an hour, however often it is measured.

    A trend is told from two minutes on, the first minute not counted: Growing or Shrinking where the line through
    the points (ordinary least squares) rises or falls by 10 MB an hour or more and by 1 MB or more over the window.
    """

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=_POINTS)
        self._begun: float | None = None
        self._slope = 0.0

    def clear(self) -> None:
        """Begin anew: other processes are measured from now on."""
        self._points.clear()
        self._begun = None
        self._slope = 0.0

    def add(self, seconds: float, mb: float) -> bool:
        """Take a measurement. `seconds` is of a clock that does not go back. Returns whether it became a point."""
        if self._begun is None:
            self._begun = seconds
        if seconds - self._begun < _WARM_UP_SECONDS:
            return False
        if self._points and seconds - self._points[-1][0] < _SPACING_SECONDS:
            return False
        self._points.append((seconds, mb))
        self._slope = self._fit()
        return True

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Seconds and MB, the latest last."""
        return tuple(self._points)

    @property
    def slope(self) -> float:
        """MB an hour; 0 as long as there is too little to tell."""
        return self._slope

    def _fit(self) -> float:
        if self._span < _SPAN_SECONDS:
            return 0.0
        # Around the mean, so that a large clock and a large process cost no digits.
        mean_t = sum(t for t, _ in self._points) / len(self._points)
        mean_m = sum(m for _, m in self._points) / len(self._points)
        above = sum((t - mean_t) * (m - mean_m) for t, m in self._points)
        below = sum((t - mean_t) ** 2 for t, _ in self._points)
        return above / below * SECONDS_PER_HOUR

    @property
    def trend(self) -> Trend:
        slope = self.slope
        if abs(slope) < NOTABLE_MB_PER_HOUR or abs(slope) * self._span / SECONDS_PER_HOUR < _NOISE_MB:
            return Trend.STABLE
        return Trend.GROWING if slope > 0 else Trend.SHRINKING

    @property
    def _span(self) -> float:
        return self._points[-1][0] - self._points[0][0] if self._points else 0.0
