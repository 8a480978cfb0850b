"""Feature: memory-optimization, Property 1: Memory Monitoring Completeness: leaks are found, and nothing else is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.memory.leaks import SPAN_SECONDS, leak
from services.memory.snapshot import Ledger
from services.memory.usage import MemoryUsage

_BASES = st.floats(0, 8000)
_CLOCKS = st.floats(0, 1e7)
_POINTS = 180


def curve(heights: list[float], clock: float = 0.0) -> list[tuple[float, float]]:
    return [(clock + index * 10.0, mb) for index, mb in enumerate(heights)]


@settings(max_examples=200)
@given(slope=st.floats(10.2, 5000), base=_BASES, clock=_CLOCKS, count=st.integers(92, _POINTS))
def test_a_steady_growth_of_more_than_ten_mb_an_hour_is_a_leak(
    slope: float, base: float, clock: float, count: int
) -> None:
    found = leak(curve([base + slope * index * 10 / 3600 for index in range(count)], clock))
    assert found == pytest.approx(slope, rel=0.01)


@settings(max_examples=200)
@given(slope=st.floats(-5000, 9.8), base=_BASES, count=st.integers(2, _POINTS))
def test_less_is_none(slope: float, base: float, count: int) -> None:
    assert leak(curve([base + slope * index * 10 / 3600 for index in range(count)])) == 0


@settings(max_examples=200)
@given(base=_BASES, noise=st.floats(0, 500), seed=st.integers(0, 2**32), count=st.integers(2, _POINTS))
def test_what_falls_back_to_its_floor_in_every_quarter_is_none(
    base: float, noise: float, seed: int, count: int
) -> None:
    draw = random.Random(seed)
    heights = [base + draw.uniform(0, noise) if index % 9 else base for index in range(count)]
    assert leak(curve(heights)) == 0


@settings(max_examples=200)
@given(base=_BASES, steps=st.lists(st.tuples(st.integers(0, _POINTS), st.floats(0, 3000)), max_size=2))
def test_a_cache_that_fills_up_once_or_twice_is_none(base: float, steps: list[tuple[int, float]]) -> None:
    heights = [base + sum(mb for at, mb in steps if index >= at) for index in range(_POINTS)]
    assert leak(curve(heights)) == 0


@settings(max_examples=100)
@given(slope=st.floats(100, 5000), saw=st.floats(0, 200), base=_BASES)
def test_a_leak_under_a_heap_that_breathes_is_found(slope: float, saw: float, base: float) -> None:
    heights = [base + slope * index * 10 / 3600 + saw * (index % 5) / 5 for index in range(_POINTS)]
    assert leak(curve(heights)) == pytest.approx(slope, rel=0.05)


def test_nothing_is_said_before_a_quarter_of_an_hour() -> None:
    rising = curve([float(index) for index in range(_POINTS)])
    too_short = [point for point in rising if point[0] < SPAN_SECONDS]
    assert leak(too_short) == 0
    assert leak(rising) > 0
    assert leak([]) == 0


def test_a_mapped_model_that_is_read_page_by_page_is_no_leak() -> None:
    ledger = Ledger("LLM")
    for index in range(200):
        told = ledger.add(index * 10.0, (7,), MemoryUsage(pss=1000.0 + index * 10, anonymous=1000.0, file=index * 10.0))
    assert (told.leak, told.slope) == (0.0, 0.0)
    for index in range(200, 400):
        mb = 1000.0 + (index - 200)
        told = ledger.add(index * 10.0, (7,), MemoryUsage(pss=mb, anonymous=mb))
    assert told.leak == pytest.approx(360, rel=0.01)


def test_what_goes_to_swap_still_counts() -> None:
    ledger = Ledger("UI")
    for index in range(200):
        told = ledger.add(index * 10.0, (7,), MemoryUsage(pss=100.0, anonymous=100.0, swap=float(index)))
    assert told.leak == pytest.approx(360, rel=0.01)


def test_another_process_has_not_leaked_yet() -> None:
    ledger = Ledger("STT")
    for index in range(200):
        told = ledger.add(index * 10.0, (7,), MemoryUsage(pss=float(index), anonymous=float(index)))
    assert told.leak > 0
    assert ledger.add(2000.0, (8,), MemoryUsage(pss=1.0, anonymous=1.0)).leak == 0
