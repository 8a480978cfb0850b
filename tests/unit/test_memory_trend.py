"""Feature: memory-optimization, Property 1: Memory Monitoring Completeness: growth is told, noise is not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.memory.trend import NOTABLE_MB_PER_HOUR, Trend, TrendWindow

_SLOPES = st.floats(-2000, 2000, allow_nan=False)
_BASES = st.floats(10, 8000)
_CLOCKS = st.floats(0, 1e7)


def fill(slope: float, base: float, clock: float, *, every: float = 10.0, count: int = 60) -> TrendWindow:
    window = TrendWindow()
    for index in range(count):
        seconds = index * every
        window.add(clock + seconds, base + slope * seconds / 3600)
    return window


@settings(max_examples=200)
@given(slope=_SLOPES, base=_BASES, clock=_CLOCKS)
def test_a_straight_line_has_its_own_slope(slope: float, base: float, clock: float) -> None:
    assert fill(slope, base, clock).slope == pytest.approx(slope, abs=1e-2, rel=1e-3)


@settings(max_examples=200)
@given(slope=_SLOPES, base=_BASES, clock=_CLOCKS, minutes=st.integers(4, 90))
def test_ten_mb_an_hour_and_one_mb_are_a_trend(slope: float, base: float, clock: float, minutes: int) -> None:
    window = fill(slope, base, clock, count=minutes * 6 + 1)
    # The first minute is not counted, and the window reaches back 179 steps of ten seconds.
    change = abs(slope) * min((minutes - 1) * 60, 1790) / 3600
    if abs(slope) > NOTABLE_MB_PER_HOUR * 1.01 and change > 1.01:
        assert window.trend is (Trend.GROWING if slope > 0 else Trend.SHRINKING)
    elif abs(slope) < NOTABLE_MB_PER_HOUR * 0.99 or change < 0.99:
        assert window.trend is Trend.STABLE


@settings(max_examples=100)
@given(base=_BASES, noise=st.floats(0, 0.4), seed=st.integers(0, 2**32))
def test_noise_around_a_level_is_stable(base: float, noise: float, seed: int) -> None:
    draw = random.Random(seed)
    window = TrendWindow()
    for index in range(200):
        window.add(index * 10.0, base + draw.uniform(-noise, noise))
    assert window.trend is Trend.STABLE


@settings(max_examples=100)
@given(
    gaps=st.lists(st.floats(0.2, 30), min_size=1, max_size=400),
    levels=st.lists(st.floats(0, 4000), min_size=1, max_size=20),
)
def test_it_never_keeps_more_than_its_bound(gaps: list[float], levels: list[float]) -> None:
    window, seconds = TrendWindow(), 0.0
    for index, gap in enumerate(gaps):
        seconds += gap
        window.add(seconds, levels[index % len(levels)])
    assert len(window._points) <= 180
    assert all(
        later[0] - earlier[0] >= 10 for earlier, later in zip(window._points, list(window._points)[1:], strict=False)
    )


def test_measuring_more_often_reaches_as_far_back() -> None:
    window = fill(100.0, 50.0, 0.0, every=0.5, count=4000)
    assert window._points[-1][0] - window._points[0][0] == pytest.approx(1790)
    assert window.slope == pytest.approx(100)


def test_loading_in_the_first_minute_is_no_growth() -> None:
    window = TrendWindow()
    for second in range(600):
        window.add(float(second), min(400.0, second * 8.0))
    assert window.trend is Trend.STABLE
    assert window.slope == 0


def test_too_little_tells_nothing_and_clearing_forgets() -> None:
    assert fill(1000.0, 50.0, 0.0, count=18).trend is Trend.STABLE
    window = fill(1000.0, 50.0, 0.0)
    assert window.trend is Trend.GROWING
    window.clear()
    assert (window.slope, window.trend) == (0.0, Trend.STABLE)
