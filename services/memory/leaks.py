"""Whether a component leaks: the least that it holds rises, a quarter of the window after the other.

A heap breathes, and a cache that fills up rises once. So the floor is what counts: it rises in every quarter only where
something is taken again and again and never given back.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.memory.trend import NOTABLE_MB_PER_HOUR, SECONDS_PER_HOUR

SPAN_SECONDS = 900.0
"""So long a component has to be watched: a meeting's work warms up for minutes."""
_QUARTERS = 4
_RISE_MB = 0.25
"""Less than this between two quarters is the noise of a heap."""


def leak(points: Sequence[tuple[float, float]]) -> float:
    """How fast the floor of a curve rises.

    Args:
        points: Pairs of seconds and MB, the seconds rising.

    Returns:
        MB an hour; 0 where the floor does not rise by 10 MB an hour, or not in every quarter, or where less than 15
        minutes are known.
    """
    if not points or points[-1][0] - points[0][0] < SPAN_SECONDS:
        return 0.0
    begin, span = points[0][0], points[-1][0] - points[0][0]
    floors: list[tuple[float, float] | None] = [None] * _QUARTERS
    for seconds, mb in points:
        quarter = min(_QUARTERS - 1, int((seconds - begin) / span * _QUARTERS))
        floor = floors[quarter]
        if floor is None or mb < floor[1]:
            floors[quarter] = (seconds, mb)
    known = [floor for floor in floors if floor is not None]
    if len(known) < _QUARTERS:
        return 0.0
    if any(later[1] - earlier[1] < _RISE_MB for earlier, later in zip(known, known[1:], strict=False)):
        return 0.0
    (first, low), (last, high) = known[0], known[-1]
    slope = (high - low) / (last - first) * SECONDS_PER_HOUR
    return slope if slope >= NOTABLE_MB_PER_HOUR else 0.0
