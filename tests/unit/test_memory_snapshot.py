"""Feature: memory-optimization, Property 1: Memory Monitoring Completeness: the running figures are arithmetic."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from services.memory.snapshot import ComponentMemory, Ledger, Recent
from services.memory.trend import Trend
from services.memory.usage import MemoryUsage

_MB = st.floats(0, 16_000, allow_nan=False)
_USAGE = st.builds(MemoryUsage, _MB, _MB, _MB, _MB, _MB, _MB, st.floats(0, 100), st.booleans())
_SAMPLES = st.lists(st.tuples(st.floats(0.1, 60), _MB), min_size=1, max_size=60)


def run(ledger: Ledger, samples: list[tuple[float, float]], pids: tuple[int, ...] = (7,)) -> list[ComponentMemory]:
    now, told = 0.0, []
    for gap, pss in samples:
        now += gap
        told.append(ledger.add(now, pids, MemoryUsage(pss=pss)))
    return told


@settings(max_examples=200)
@given(samples=_SAMPLES)
def test_peak_and_average_lie_where_they_must(samples: list[tuple[float, float]]) -> None:
    told = run(Ledger("STT"), samples)
    seen: list[float] = []
    for component, (_, pss) in zip(told, samples, strict=True):
        seen.append(pss)
        assert component.usage.pss == pss
        assert component.peak == max(seen)
        assert min(seen) - 1e-6 <= component.average <= max(seen) + 1e-6


@settings(max_examples=100)
@given(level=_MB, gaps=st.lists(st.floats(0.1, 60), min_size=1, max_size=40))
def test_a_constant_level_is_its_own_average(level: float, gaps: list[float]) -> None:
    told = run(Ledger("UI"), [(gap, level) for gap in gaps])
    assert told[-1].average == approx(level)
    assert told[-1].trend is Trend.STABLE


def test_the_average_weighs_time_not_measurements() -> None:
    ledger = Ledger("LLM")
    for second in range(11):
        ledger.add(float(second), (1,), MemoryUsage(pss=100))
    ledger.add(110.0, (1,), MemoryUsage(pss=100))
    assert ledger.add(110.1, (1,), MemoryUsage(pss=1000)).average < 105


@settings(max_examples=100)
@given(samples=_SAMPLES, pause=st.floats(1, 10_000))
def test_what_ended_holds_nothing_and_keeps_its_past(samples: list[tuple[float, float]], pause: float) -> None:
    ledger = Ledger("STT")
    before = run(ledger, samples)[-1]
    now = sum(gap for gap, _ in samples)
    gone = ledger.add(now + pause, (), MemoryUsage())
    assert not gone.running
    assert gone.usage.pss == 0
    assert gone.peak == before.peak
    if len(samples) > 1:
        assert gone.average == before.average


def test_other_processes_are_another_curve() -> None:
    ledger, now = Ledger("STT"), 0.0
    for _ in range(60):
        now += 10
        growing = ledger.add(now, (1,), MemoryUsage(pss=now, anonymous=now))
    assert growing.trend is Trend.GROWING
    assert ledger.add(now + 10, (2,), MemoryUsage(pss=1, anonymous=1)).trend is Trend.STABLE


@settings(max_examples=200)
@given(parts=st.lists(_USAGE, max_size=8))
def test_a_sum_has_the_sum_of_every_field(parts: list[MemoryUsage]) -> None:
    total = sum(parts, MemoryUsage())
    for field in ("rss", "pss", "anonymous", "file", "vms", "swap", "percent"):
        assert getattr(total, field) == approx(sum(getattr(part, field) for part in parts))
    assert total.estimated == any(part.estimated for part in parts)
    assert sum(reversed(parts), MemoryUsage()).pss == approx(total.pss)


@settings(max_examples=200)
@given(samples=st.lists(st.tuples(st.floats(0.1, 400), _MB), min_size=1, max_size=100))
def test_the_last_minutes_are_one_figure_for_ten_seconds(samples: list[tuple[float, float]]) -> None:
    recent, now, slots = Recent(), 0.0, dict[int, float]()
    for gap, mb in samples:
        now += gap
        figures = recent.add(now, mb)
        slot = int(now // 10)
        slots[slot] = max(slots.get(slot, 0.0), mb)
    last = max(slots)
    expected = [slots[max(s for s in slots if s <= slot)] for slot in range(min(slots), last + 1)]
    assert list(figures) == expected[-60:]


@settings(max_examples=100)
@given(samples=_SAMPLES, limit=_MB)
def test_a_limit_is_told_with_what_is_held(samples: list[tuple[float, float]], limit: float) -> None:
    ledger = Ledger("STT")
    run(ledger, samples)
    assert ledger.add(1e6, (7,), MemoryUsage(pss=1.0), limit).limit == limit
    assert ledger.add(1e6 + 10, (), MemoryUsage(), limit).limit == limit
