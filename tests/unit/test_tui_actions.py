"""The one list of actions, and the keys that a person may give them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import DeviceError
from services.library.unfinished import Unfinished
from services.recording.messages import RecordingStatus
from tui import actions, keymap
from tui.situation import Figures, Phase, Situation
from tui.widgets.lines import key_of, key_rows, title_of

IDLE, FIGURES = Situation(), Figures()
FOLDER = Path("/recordings/weekly")
RECORDING = IDLE.started(FOLDER, "Weekly")


def at_work(state: str, stops_in: float | None = None) -> Figures:
    """What the recorder says."""
    return Figures(recording=RecordingStatus(state, FOLDER, stops_in=stops_in))  # type: ignore[arg-type]


def test_ids_and_keys_are_given_once() -> None:
    ids = [action.id for action in actions.ACTIONS]
    keys = [key for action in actions.ACTIONS for key in action.keys.split(",")]
    assert len(set(ids)) == len(ids)
    assert len(set(keys)) == len(keys)


def test_every_action_has_words_and_a_binding_with_its_id() -> None:
    panels = {action.panel for action in actions.ACTIONS}
    assert {binding.id for panel in panels for binding in actions.bindings(panel)} == set(actions.BY_ID)
    for action in actions.ACTIONS:
        assert action.title
        assert action.help.endswith(".")


def test_every_action_has_a_method() -> None:
    from tui.commands import CommandsApp

    for action in actions.ACTIONS:
        assert callable(getattr(CommandsApp, f"action_{action.name}")), action.id
        assert re.fullmatch(r"\w+(\(-?\d\))?", action.call)


@pytest.mark.parametrize(
    ("phase", "possible"),
    [(Phase.IDLE, True), (Phase.STARTING, True), (Phase.RECORDING, True), (Phase.STOPPING, False)],
)
def test_recording_takes_no_order_while_it_stops(phase: Phase, possible: bool) -> None:
    assert actions.enabled("record", Situation(phase=phase), FIGURES) is possible


def test_what_makes_no_sense_now_is_not_possible() -> None:
    assert not actions.enabled("escape", IDLE, FIGURES)
    assert actions.enabled("escape", IDLE, Figures(job=Path("x.wav")))
    assert actions.enabled("escape", IDLE.failed(DeviceError("No microphone.")), FIGURES)
    assert actions.enabled("focus_next", IDLE, FIGURES)


def test_a_keymap_is_used_where_it_names_actions() -> None:
    good, problems = keymap.checked({"record": "f5", "open": "ctrl+o , O", "recrod": "x", "quit": " , "})
    assert good == {"record": "f5", "open": "ctrl+o,O"}
    assert problems == ["There is no action recrod.", "The action quit has no key."]


def test_a_key_that_two_actions_share_is_told() -> None:
    good, problems = keymap.checked({"open": "r"})
    assert good == {}
    assert problems == ["The key r is given to record and to open."]
    # Two that change places do not clash.
    assert keymap.checked({"open": "r", "record": "o"}) == ({"open": "r", "record": "o"}, [])


@given(st.dictionaries(st.sampled_from(sorted(actions.BY_ID)) | st.text(max_size=5), st.text(max_size=8), max_size=6))
def test_any_keymap_gives_usable_entries_or_sentences(wanted: dict[str, str]) -> None:
    """Feature: keymap, Property 1: what is used names an action and a key; the rest is told."""
    good, problems = keymap.checked(wanted)
    assert all(name in actions.BY_ID and keys for name, keys in good.items())
    assert len(good) + len(problems) >= len(wanted)
    assert all(problem.endswith(".") for problem in problems)


def test_the_footer_shows_the_keys_of_the_keymap() -> None:
    assert key_of(actions.BY_ID["record"], {"record": "f5"}) == "f5"
    assert key_of(actions.BY_ID["help"], {}) == "?"
    assert key_of(actions.BY_ID["open"], {"open": "ctrl+o"}) == "^o"


def test_the_key_that_starts_a_recording_is_called_stop_while_it_runs() -> None:
    assert title_of(actions.BY_ID["record"], IDLE, FIGURES) == "Record"
    assert title_of(actions.BY_ID["record"], Situation(phase=Phase.RECORDING), FIGURES) == "Stop"


def test_the_key_that_pauses_is_called_resume_while_it_is_paused() -> None:
    assert title_of(actions.BY_ID["pause"], RECORDING, at_work("recording")) == "Pause"
    assert title_of(actions.BY_ID["pause"], RECORDING, at_work("paused")) == "Resume"
    assert title_of(actions.BY_ID["record"], RECORDING, at_work("paused")) == "Stop"


def test_what_a_meeting_needs_is_possible_while_it_is_recorded_and_while_it_is_paused() -> None:
    for name in ("pause", "mark", "note", "detach"):
        assert not actions.enabled(name, IDLE, FIGURES)
        starting = Situation(phase=Phase.STARTING)
        assert actions.enabled(name, starting, FIGURES) is (name == "detach")  # it waits for the beginning
        assert actions.enabled(name, RECORDING, at_work("recording"))
        assert actions.enabled(name, RECORDING, at_work("paused"))
        assert not actions.enabled(name, RECORDING, at_work("finishing"))
    assert actions.enabled("record", RECORDING, at_work("paused"))
    assert not actions.enabled("record", RECORDING, at_work("finishing"))


def test_more_time_is_for_a_recording_that_stops_by_itself() -> None:
    assert not actions.enabled("more_time", RECORDING, at_work("recording"))
    assert actions.enabled("more_time", RECORDING, at_work("recording", stops_in=60.0))
    assert actions.enabled("more_time", RECORDING, at_work("paused", stops_in=60.0))
    assert not actions.enabled("more_time", IDLE, at_work("done", stops_in=60.0))


def footer_text(situation: Situation, figures: Figures, width: int) -> str:
    keys = [
        (key_of(action, {}), title_of(action, situation, figures), action.enabled(situation, figures))
        for action in actions.footer(situation, figures)
    ]
    return key_rows(keys, width)[0].plain


def test_unfinished_meetings_have_a_key_as_long_as_there_are_some() -> None:
    assert not actions.enabled("finish", IDLE, FIGURES)
    assert "f Finish" not in footer_text(IDLE, FIGURES, 118)
    some = replace(IDLE, unfinished=(Unfinished(FOLDER, "Weekly", datetime.now().astimezone(), 9.0, 9, "cut off"),))
    assert actions.enabled("finish", some, FIGURES)
    assert footer_text(some, FIGURES, 58).split()[::2][:5] == ["r", "o", "f", "q", "?"]


@pytest.mark.parametrize("width", [58, 78, 118])
def test_what_matters_now_comes_first_in_the_footer(width: int) -> None:
    assert footer_text(IDLE, FIGURES, width).split()[::2][:4] == ["r", "o", "q", "?"]
    said = footer_text(RECORDING, at_work("recording"), width)
    assert said.split()[::2][:7] == ["r", "p", "m", "n", "d", "q", "?"]
    said = footer_text(RECORDING, at_work("paused"), width)
    assert [word in said for word in ("r Stop", "p Resume", "m Mark", "n Note", "d Detach", "q Quit")] == [True] * 6
    said = footer_text(RECORDING, at_work("recording", stops_in=60.0), width)
    assert [word in said for word in ("r Stop", "p Pause", "+ More time", "d Detach")] == [True] * 4


@given(st.integers(1, 200))
def test_the_footer_is_never_cut_inside_a_key(width: int) -> None:
    """Feature: footer, Property 1: the row fits, and holds whole entries in order."""
    keys = [("r", "Record", True), ("o", "Open", True), ("q", "Quit", False), ("?", "Help", True)]
    [row] = key_rows(keys, width)
    assert row.cell_length <= width
    entries = [f"{key} {title}" for key, title, _ in keys]
    gap = "   " if width >= len("   ".join(entries)) else "  "
    assert row.plain == gap.join(entries[: len(row.plain.split(gap)) if row.plain else 0])


def test_what_is_not_possible_is_dimmed_not_hidden() -> None:
    [row] = key_rows([("r", "Record", True), ("u", "Unload", False)], 60)
    assert row.plain == "r Record   u Unload"
    dimmed = [row.plain[span.start : span.end] for span in row.spans if span.style == ".off"]
    assert dimmed == ["u", " Unload"]
