"""Feature: memory-optimization, Property 7: Memory Usage Reporting and Alerting: peaks belong to what was done then."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from services.lifecycle import TRANSITIONS, ModelState
from services.memory.components import LLM, STT, TOTAL, UI
from services.memory.diary import MODELS, Diary
from services.memory.probe import Pressure, SystemMemory
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.usage import MemoryUsage

_NAMES = st.sampled_from(["transcribe", "summarize", "captions", "load stt"])
_MB = st.floats(0, 8000)
_STEPS = st.lists(
    st.tuples(st.just("begin"), _NAMES, st.just(0.0))
    | st.tuples(st.just("end"), _NAMES, st.just(0.0))
    | st.tuples(st.just("see"), st.sampled_from([UI, STT, LLM]), _MB)
    | st.tuples(st.just("saw"), st.sampled_from([STT, LLM]), _MB),
    max_size=60,
)


def picture(time: float, held: Mapping[str, float], pid: int = 7) -> MemorySnapshot:
    components = tuple(
        ComponentMemory(name, (pid,) if mb else (), MemoryUsage(pss=mb), mb, mb) for name, mb in held.items()
    )
    whole = sum(held.values())
    total = ComponentMemory(TOTAL, (pid,), MemoryUsage(pss=whole), whole, whole)
    return MemorySnapshot(time, components, total, SystemMemory(8000, 4000), Pressure.LOW)


@settings(max_examples=300)
@given(steps=_STEPS)
def test_an_operation_has_the_peak_of_its_own_time(steps: list[tuple[str, str, float]]) -> None:
    diary = Diary()
    mine: dict[str, list[tuple[str, float]]] = {}
    for now, (step, name, mb) in enumerate(steps):
        if step == "begin":
            diary.begin(float(now), name, "meeting")
            mine.setdefault(name, [])
        elif step == "end":
            over = diary.end(float(now), name)
            assert (over is not None) == (name in mine)
            if over is not None:
                seen = mine.pop(name)
                assert not over.running
                assert over.peak == max((mb for _, mb in seen), default=0.0)
                for component in (UI, STT, LLM):
                    expected = max((mb for each, mb in seen if each == component and mb), default=0.0)
                    assert over.peaks.get(component, 0.0) == expected
        elif step == "see":
            diary.see(picture(float(now), {name: mb}))
            for seen in mine.values():
                seen.append((name, mb))
        else:
            diary.saw(name, mb, mb)
            for seen in mine.values():
                seen.append((name, mb))
    assert {operation.name for operation in diary.operations if operation.running} == mine.keys()
    assert len(diary.operations) <= 50 + len(mine)


@settings(max_examples=200)
@given(choices=st.lists(st.integers(0, 3), max_size=60), job=st.sampled_from(["stt", "llm"]))
def test_a_model_is_loaded_as_long_as_its_state_says(choices: list[int], job: str) -> None:
    """Feature: memory-optimization, Property 1: Memory Monitoring Completeness: whatever way a model's life goes."""
    diary, state, loads, points = Diary(), ModelState.UNLOADED, 0, 0
    for now, choice in enumerate(choices):
        following = sorted(TRANSITIONS[state], key=lambda each: each.value)
        new = following[choice % len(following)]
        point = diary.model(
            float(now), job, "engine:small", new.value, "", 10.0 if new is ModelState.UNLOADED else None
        )
        ready = state is ModelState.LOADING and new is ModelState.READY
        loads += ready
        points += bool(point)
        assert (point == f"{job}_loaded") == ready
        assert (point == f"{job}_unloaded") == (new is ModelState.UNLOADED and state is not ModelState.LOADING)
        state = new
        known = next(model for model in diary.models if model.job == job)
        assert (known.state, known.loads, known.loaded) == (state.value, loads, state is not ModelState.UNLOADED)
        assert (known.used_at > 0) == (known.used_at > 0 and loads > 0)
        assert diary.loaded == known.loaded


def test_an_unloaded_model_whose_process_stays_is_named_and_gets_worse() -> None:
    diary = Diary()
    for now, state in enumerate(("Loading", "Ready", "Unloading", "Unloaded")):
        diary.model(float(now), "stt", "moonshine:tiny-en", state, "", None)
        diary.see(picture(float(now), {MODELS["stt"]: 400.0}))
    severities = []
    for look in range(7):
        snapshot = picture(10.0 + look, {MODELS["stt"]: 400.0})
        diary.see(snapshot)
        severities.append([alert.severity.value for alert in diary.lingering(snapshot)])
    assert severities == [[], ["Warning"], ["Critical"], ["Critical"], ["Critical"], ["Critical"], ["Critical"]]
    assert "process 7 still holds 400 MB" in diary.lingering(snapshot)[0].message
    gone = picture(20.0, {UI: 50.0})
    diary.see(gone)
    assert diary.lingering(gone) == []


def test_a_model_that_loads_again_does_not_linger() -> None:
    diary = Diary()
    for state in ("Loading", "Ready", "Unloading", "Unloaded", "Loading", "Ready"):
        diary.model(1.0, "llm", "llama:small", state, "", None)
    for look in range(7):
        snapshot = picture(10.0 + look, {LLM: 400.0})
        diary.see(snapshot)
    assert diary.lingering(snapshot) == []


def test_the_process_of_the_next_model_does_not_linger() -> None:
    """It may be measured before anybody has told of it."""
    diary = Diary()
    for state in ("Loading", "Ready", "Processing", "Unloaded"):
        diary.see(picture(1.0, {MODELS["stt"]: 400.0}, 7 if state != "Unloaded" else 8))
        diary.model(1.0, "stt", "faster-whisper:small", state, "", None)
    for look in range(7):
        snapshot = picture(10.0 + look, {MODELS["stt"]: 3.0}, 8)
        diary.see(snapshot)
        assert diary.lingering(snapshot) == []


def test_a_model_that_was_refused_has_nothing_that_could_linger() -> None:
    diary = Diary()
    for state in ("Loading", "Unloaded"):
        diary.model(1.0, "stt", "faster-whisper:small", state, "540 MB, and 450 MB are allowed", None)
    for look in range(7):
        snapshot = picture(10.0 + look, {MODELS["stt"]: 3.0})
        diary.see(snapshot)
        assert diary.lingering(snapshot) == []


def test_what_is_remembered_has_an_end() -> None:
    diary = Diary()
    for now in range(200):
        diary.begin(float(now), "transcribe", "meeting")
        diary.end(now + 0.5, "transcribe")
        diary.checkpoint(f"point {now}", picture(float(now), {UI: 50.0}))
    assert len(diary.operations) == len(diary.checkpoints) == 50
    assert diary.checkpoints[-1].held == {"UI": 50.0}
