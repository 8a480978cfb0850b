"""Feature: memory-optimization, Property 7: Memory Usage Reporting and Alerting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.memory.alert import MemoryAlert, Severity
from services.memory.alerts import AlertBook, rank
from services.memory.components import LLM, OTHER, RECORDER, STT, TOTAL, UI
from services.memory.probe import SystemMemory
from services.memory.rules import findings, limits, thresholds
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.usage import MemoryUsage
from services.settings import MemorySettings

_KEYS = st.sampled_from(["pressure", "limit STT", "growth UI", "own"])
_LOOKS = st.lists(st.dictionaries(_KEYS, st.sampled_from(Severity)), max_size=30)
_MB = st.floats(0, 4000)
_PERCENT = st.floats(1, 100)
_QUIET = MemorySettings(own_warning_mb=0, own_cleanup_mb=0)


def alert(key: str, severity: Severity, message: str = "It is so.") -> MemoryAlert:
    return MemoryAlert(key, severity, STT, message, "Do this.")


def picture(
    used_percent: float = 10.0, stall: float | None = None, leaks: dict[str, float] | None = None, **held: float
) -> MemorySnapshot:
    system = SystemMemory(total=8000.0, available=80.0 * (100 - used_percent), stall_some=stall, stall_full=0.0)
    allowed = limits(_LIMITED)
    components = tuple(
        ComponentMemory(
            name,
            (index + 1,) if mb else (),
            MemoryUsage(pss=mb),
            mb,
            mb,
            limit=allowed.get(name, 0.0),
            leak=(leaks or {}).get(name, 0.0),
        )
        for index, (name, mb) in enumerate(held.items())
    )
    whole = sum(held.values())
    total = ComponentMemory(TOTAL, (1,), MemoryUsage(pss=whole), whole, whole, limit=allowed[TOTAL])
    return MemorySnapshot(1.0, components, total, system, system.pressure())


_LIMITED = MemorySettings(max_stt_mb=1000, max_total_mb=3000)


@settings(max_examples=300)
@given(looks=_LOOKS)
def test_each_alert_is_told_once_and_again_only_when_worse_or_over(looks: list[dict[str, Severity]]) -> None:
    book = AlertBook()
    last: dict[str, MemoryAlert] = {}
    absent: dict[str, int] = {}
    for now, found in enumerate(looks):
        told = book.look(float(now), [alert(key, severity) for key, severity in found.items()])
        assert len({each.key for each in told}) == len(told)
        for each in told:
            before = last.get(each.key)
            if each.resolved:
                assert before is not None
                assert not before.resolved
                assert absent[each.key] == 1  # the look before found nothing of it either
                assert each.time == before.time
            elif before is not None and not before.resolved:
                assert rank(each.severity) > rank(before.severity) or found[each.key] is each.severity
                assert each.time == before.time
            else:
                assert each.time == now
            last[each.key] = each
        for key in ("pressure", "limit STT", "growth UI", "own"):
            absent[key] = 0 if key in found else absent.get(key, 0) + 1
        open_now = {each.key: each for each in book.open}
        assert open_now.keys() >= found.keys()
        assert all(open_now[key].severity is severity for key, severity in found.items())
        assert open_now.keys() == {key for key, each in last.items() if not each.resolved}
        assert not any(each.resolved for each in book.open)
        ranks = [rank(each.severity) for each in book.open]
        assert ranks == sorted(ranks, reverse=True)
    assert len(book.past) <= 50
    assert all(each.resolved for each in book.past)


def test_the_book_remembers_fifty_that_are_over() -> None:
    book = AlertBook()
    for now in range(120):
        book.look(float(now), [alert(f"growth {now}", Severity.INFO)])
        book.look(now + 0.3, [])
        book.look(now + 0.6, [])
    assert len(book.past) == 50
    assert not book.open


def test_words_stay_until_the_severity_changes() -> None:
    book = AlertBook()
    book.look(1.0, [alert("own", Severity.WARNING, "1,000 MB")])
    assert book.look(2.0, [alert("own", Severity.WARNING, "1,001 MB")]) == []
    assert book.open[0].message == "1,000 MB"
    (worse,) = book.look(3.0, [alert("own", Severity.CRITICAL, "2,000 MB")])
    assert (worse.message, worse.time) == ("2,000 MB", 1.0)
    assert book.look(4.0, [alert("own", Severity.WARNING, "1,000 MB")]) == []
    assert book.open[0].severity is Severity.WARNING


@settings(max_examples=300)
@given(used=st.floats(0, 100), one=_PERCENT, other=_PERCENT, was=st.none() | st.sampled_from(Severity))
def test_pressure_follows_its_thresholds(used: float, one: float, other: float, was: Severity | None) -> None:
    chosen = _QUIET.model_copy(update={"warning_threshold": min(one, other), "critical_threshold": max(one, other)})
    found = {a.key: a for a in findings(picture(used), chosen, {"pressure": was} if was else {})}
    warning, critical = thresholds(chosen)
    share = picture(used).system.used_percent
    severity = found["pressure"].severity if "pressure" in found else None
    if share >= critical:
        assert severity is Severity.CRITICAL
    elif share >= warning:
        assert severity in (Severity.WARNING, was)
    elif share < warning - 3:
        assert severity is None
    elif was is None:
        assert severity is None
    else:
        assert severity is not None


@settings(max_examples=300)
@given(stt=_MB, llm=_MB, ui=_MB, was=st.booleans())
def test_near_its_limit_a_component_is_told(stt: float, llm: float, ui: float, was: bool) -> None:
    raised = {f"limit {STT}": Severity.WARNING, f"limit {TOTAL}": Severity.WARNING} if was else {}
    found = {a.key: a for a in findings(picture(UI=ui, STT=stt, LLM=llm), _QUIET, raised)}
    assert f"limit {LLM}" not in found
    for name, mb, limit in ((STT, stt, 1000.0), (TOTAL, ui + stt + llm, 3000.0)):
        severity = found[f"limit {name}"].severity if f"limit {name}" in found else None
        if mb >= limit:
            assert severity is Severity.CRITICAL
        elif mb >= 0.9 * limit:
            assert severity is Severity.WARNING
        elif not was or mb < 0.849 * limit:
            assert severity is None


@settings(max_examples=200)
@given(
    ui=_MB, recorder=_MB, stt=_MB, llm=_MB, other=_MB,
    warning=st.floats(0, 5000), cleanup=st.floats(0, 9000),
)  # fmt: skip
def test_own_memory_is_what_is_no_model(
    ui: float, recorder: float, stt: float, llm: float, other: float, warning: float, cleanup: float
) -> None:
    chosen = MemorySettings(own_warning_mb=warning, own_cleanup_mb=cleanup)
    snapshot = picture(UI=ui, Recorder=recorder, STT=stt, LLM=llm, Other=other, postgres=9000.0)
    found = {a.key for a in findings(snapshot, chosen, {})}
    own, whole = sum((ui, recorder, other)), sum((ui, recorder, stt, llm, other))
    if abs(own - warning) > 1e-6:
        assert ("own" in found) == (warning > 0 and own >= warning)
    if abs(whole - cleanup) > 1e-6:
        assert ("whole" in found) == (cleanup > 0 and whole >= cleanup)


@settings(max_examples=200)
@given(
    used=st.floats(0, 100), stall=st.none() | st.floats(0, 100), held=st.dictionaries(
        st.sampled_from([UI, RECORDER, STT, LLM, OTHER, "postgres"]), _MB
    ), leaks=st.dictionaries(st.sampled_from([UI, STT, "postgres"]), st.floats(10, 900)), chosen=st.builds(
        MemorySettings, warning_threshold=_PERCENT, critical_threshold=_PERCENT, own_warning_mb=_MB, own_cleanup_mb=_MB
    ),
)  # fmt: skip
def test_every_alert_says_what_is_the_case_and_what_to_do(
    used: float, stall: float | None, held: dict[str, float], leaks: dict[str, float], chosen: MemorySettings
) -> None:
    found = list(findings(picture(used, stall, leaks, **held), chosen, {}))
    assert len({a.key for a in found}) == len(found)
    for each in found:
        assert each.message.endswith(".") and each.recommendation.endswith((".", "`."))
        assert each.action in ("unload", "low_memory", "memory_details", "")
        assert not each.resolved
    assert {f"growth {name}" for name in leaks if name in held} == {a.key for a in found if a.key.startswith("growth")}


def test_waiting_for_memory_is_pressure_whatever_is_free() -> None:
    (found,) = findings(picture(10.0, stall=14.0), _QUIET, {})
    assert found.severity is Severity.WARNING
    assert "wait for memory 14% of the time" in found.message


def test_who_has_models_unloads_and_who_has_none_saves() -> None:
    (with_model,) = findings(picture(85.0, STT=300.0), _QUIET, {})
    (without,) = findings(picture(85.0, UI=50.0), _QUIET, {})
    (critical,) = findings(picture(95.0, STT=300.0), _QUIET, {})
    assert [a.action for a in (with_model, without, critical)] == ["unload", "low_memory", "low_memory"]
    assert "sotto -l" in critical.recommendation


def test_thresholds_in_the_wrong_order_are_told_and_the_critical_one_counts() -> None:
    chosen = _QUIET.model_copy(update={"warning_threshold": 95.0, "critical_threshold": 70.0})
    assert thresholds(chosen) == (70.0, 70.0)
    found = {a.key: a for a in findings(picture(75.0), chosen, {})}
    assert found["pressure"].severity is Severity.CRITICAL
    assert found["configuration thresholds"].severity is Severity.INFO


def test_a_program_that_is_not_ours_gets_other_advice() -> None:
    (found,) = findings(picture(leaks={"postgres": 40.0}, postgres=100.0), _QUIET, {})
    assert "no part of sotto" in found.recommendation
    assert replace(found, action="") == found
    assert found.message == "postgres grows by 40 MB an hour and gives nothing back."


@pytest.mark.parametrize("name", [STT, LLM])
def test_a_model_that_leaks_is_unloaded(name: str) -> None:
    (found,) = findings(picture(leaks={name: 40.0}, **{name: 100.0}), _QUIET, {})
    assert (found.action, found.component) == ("unload", name)
