"""The five states and their one table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.events import ModelChanged
from services.lifecycle import TRANSITIONS, IllegalTransitionError, ModelLifecycle, ModelState

STATES = st.sampled_from(ModelState)


def test_exactly_five_names_reach_the_screen() -> None:
    assert [state.value for state in ModelState] == ["Unloaded", "Loading", "Ready", "Processing", "Unloading"]
    assert set(TRANSITIONS) == set(ModelState)


@given(st.lists(STATES, max_size=40))
def test_any_walk_takes_legal_steps_only_and_tells_each(wanted: list[ModelState]) -> None:
    """Feature: model-lifecycle, Property 1: only the table's transitions happen, and each is one event."""
    events: list[ModelChanged] = []
    model = ModelLifecycle("stt", events.append)
    expected: list[tuple[str, str]] = []
    for state in wanted:
        before = model.status
        if state in TRANSITIONS[before.state]:
            model.to(state, reason=f"step {len(expected)}")
            expected.append((before.state.value, state.value))
        else:
            with pytest.raises(IllegalTransitionError):
                model.to(state)
            assert model.status is before
    assert [(e.old, e.new) for e in events] == expected


@given(STATES)
def test_every_state_leads_back_to_unloaded(state: ModelState) -> None:
    """Feature: model-lifecycle, Property 2: nothing stays resident for ever, whatever state it is in."""
    reached, frontier = {state}, {state}
    while frontier:
        frontier = {n for s in frontier for n in TRANSITIONS[s]} - reached
        reached |= frontier
    assert ModelState.UNLOADED in reached


def test_what_came_back_is_kept_beside_the_state() -> None:
    model = ModelLifecycle("llm", lambda _: None)
    model.to(ModelState.LOADING, engine="llama:small")
    model.to(ModelState.READY)
    model.to(ModelState.UNLOADING)
    model.to(ModelState.UNLOADED, reason="idle", freed_mb=412.0)
    assert (model.status.engine, model.status.reason, model.status.freed_mb) == ("llama:small", "idle", 412.0)
