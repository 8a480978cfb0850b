"""What the app knows, as facts come in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.errors import CancelledError, DeviceError, ModelError, RecorderError, SottoError
from services.events import ModelChanged, StageChanged
from services.lifecycle import ModelState
from services.memory.probe import Pressure, SystemMemory
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.trend import Trend
from services.memory.usage import MemoryUsage
from services.recording.messages import ChannelLevel, RecordingStatus
from services.settings import Settings
from tui.panels.memory import MemoryPanel, Steady, memory_rows
from tui.panels.record import record_rows
from tui.panels.summary import stage_rows
from tui.situation import Figures, Phase, Situation, StageState
from tui.widgets.lines import model_rows, status_rows

FOLDER = Path("/recordings/2026-03-14_1030_weekly")
RECORDING = Situation().started(FOLDER, "Weekly")
STATUS = RecordingStatus(
    "recording", FOLDER, "Weekly", seconds=754.9, channels=(ChannelLevel("mic", "", -14.0, -22.0),), bytes=24_100_000
)


def test_a_recording_goes_through_its_phases() -> None:
    assert RECORDING.phase is Phase.RECORDING
    assert RECORDING.meeting == RECORDING.recording == FOLDER
    assert RECORDING.stages == {"record": StageState("running")}
    stopped = RECORDING.stopped(FOLDER, None)
    assert (stopped.phase, stopped.recording, stopped.meeting) == (Phase.IDLE, None, FOLDER)
    assert stopped.stages == {"record": StageState("done")}


def test_a_recording_that_broke_off_says_why() -> None:
    error = RecorderError("The disk is full.")
    stopped = RECORDING.stopped(FOLDER, error)
    assert stopped.stages == {"record": StageState("failed", "The disk is full.")}
    assert stopped.trouble is error


def test_what_failed_to_start_is_not_recording_and_what_failed_to_stop_is() -> None:
    error = DeviceError("There is no microphone.")
    assert Situation(phase=Phase.STARTING).failed(error).phase is Phase.IDLE
    assert replace(RECORDING, phase=Phase.STOPPING).failed(error).phase is Phase.RECORDING
    assert RECORDING.failed(error).phase is Phase.RECORDING


def test_a_start_that_was_given_up_is_over_and_no_trouble() -> None:
    given_up = Situation(phase=Phase.STOPPING).failed(CancelledError("The recording was given up."))
    assert given_up.phase is Phase.IDLE
    assert given_up.trouble is None


def test_a_model_that_fails_says_nothing_about_the_recording() -> None:
    for phase in Phase:
        assert Situation(phase=phase).failed(ModelError("It did not load.")).phase is phase


def test_stages_of_another_meeting_change_nothing() -> None:
    assert RECORDING.staged(StageChanged(Path("/other"), "transcribe", "running")) == RECORDING


def test_a_meeting_that_is_taken_up_again_knows_its_finished_stages(tmp_path: Path) -> None:
    stages = {"record": {"status": "done"}, "transcribe": {"status": "done", "detail": "x"}, "odd": 3, "archive": "?"}
    (tmp_path / "meeting.json").write_text(json.dumps({"title": "Weekly\x1b[2J", "stages": stages}))
    situation = Situation().showing(tmp_path)
    assert situation.title == "Weekly"
    assert situation.stages["transcribe"] == StageState("done", "x")
    assert situation.stages["archive"] == StageState("waiting")
    assert "odd" not in situation.stages


def test_a_meeting_without_its_file_is_called_by_its_folder(tmp_path: Path) -> None:
    assert Situation().showing(tmp_path).title == tmp_path.name


def status_text(situation: Situation, figures: Figures, width: int = 80) -> str:
    return status_rows(situation, figures, width)[0].plain


def test_the_status_line_shows_recording_work_and_trouble() -> None:
    assert status_text(Situation(), Figures()).strip() == "○ Not recording"
    said = status_text(RECORDING, Figures(recording=STATUS))
    assert said.startswith("● REC 12:34 ")
    assert said.endswith("Weekly")
    trouble = status_text(RECORDING.failed(DeviceError("There is no microphone.")), Figures(recording=STATUS))
    assert trouble.startswith("● REC 12:34 ")
    assert trouble.endswith("No sound device: There is no microphone.  Esc")
    waits = replace(STATUS, detail="the second microphone is silent")
    assert status_text(RECORDING, Figures(recording=waits)).endswith("the second microphone is silent")
    work = status_text(Situation(), Figures(job=Path("a.wav"), waiting=2))
    assert work.endswith("Processing  +2 waiting")


@given(st.text(max_size=300), st.text(max_size=300), st.integers(60, 200))
def test_the_status_line_always_fits_and_always_shows_the_recording(title: str, message: str, width: int) -> None:
    """Feature: status-line, Property 1: one line of the terminal's width, the clock always in it."""
    situation = Situation().started(FOLDER, title).failed(SottoError(message))
    [row] = status_rows(situation, Figures(recording=STATUS), width)
    assert row.cell_length <= width or not row.plain.isascii()
    assert row.plain.startswith("● REC 12:34 ")


def test_exactly_five_names_of_states_reach_the_strip() -> None:
    for state in ModelState:
        models = RECORDING.model_changed(ModelChanged("stt", "moonshine:tiny-en", "Ready", state.value)).models
        for width in (60, 80, 120):
            [row] = model_rows(models, {"stt": "moonshine", "llm": "extractive"}, width)
            assert row.cell_length <= width
            assert state.value in row.plain
            assert "Unloaded" in row.plain


def test_a_short_strip_leaves_out_the_engines() -> None:
    [narrow] = model_rows({}, {"stt": "moonshine", "llm": "extractive"}, 56)
    [wide] = model_rows({}, {"stt": "moonshine", "llm": "extractive"}, 90)
    assert "moonshine" not in narrow.plain
    assert "moonshine" in wide.plain


def text_of(rows: object) -> str:
    assert isinstance(rows, list)
    return "\n".join(row.plain for row in rows)


def test_the_record_panel_shows_levels_size_and_losses() -> None:
    settings = Settings(folder=Path("/recordings"))
    figures = Figures(recording=STATUS)
    said = text_of(record_rows(RECORDING, figures, (-12.0,), settings, 60))
    assert "● Recording   Weekly" in said
    assert "mic" in said
    assert "-14 dB" in said
    assert "23.0 MB" in said
    assert "Lost" not in said
    lossy = RecordingStatus("recording", FOLDER, seconds=1, overflows=12, detail="the second microphone")
    said = text_of(record_rows(RECORDING, Figures(recording=lossy), (), settings, 60))
    assert "12 frames" in said
    assert "the second microphone" in said


def test_the_record_panel_says_what_to_press() -> None:
    said = text_of(record_rows(Situation(), Figures(), (), Settings(folder=Path("/recordings")), 60))
    assert "Press r to record, o to open a file" in said


def test_the_stages_show_progress_and_reasons() -> None:
    situation = RECORDING.stopped(FOLDER, None).staged(StageChanged(FOLDER, "transcribe", "running"))
    assert text_of(stage_rows(situation, Figures(), 60)).startswith("✓ Record   ● Transcribe   ○ Summarise   ○ Archive")
    failed = situation.staged(StageChanged(FOLDER, "summarize", "failed", "It did not load."))
    assert "Summarise: It did not load." in text_of(stage_rows(failed, Figures(), 60))


def test_a_file_that_was_opened_is_neither_recorded_nor_archived() -> None:
    situation = Situation(meeting=FOLDER).staged(StageChanged(FOLDER, "transcribe", "running"))
    said = text_of(stage_rows(situation, Figures(), 60))
    assert "Record" not in said
    assert "Archive" not in said


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=50))
def test_a_steady_figure_is_never_far_off_and_moves_only_for_a_reason(values: list[float]) -> None:
    """Feature: few-bytes, Property 2: what is shown is within the tolerance, and noise does not move it."""
    steady = Steady(2.0, 0.04)
    before: float | None = None
    for value in values:
        shown = steady("x", value)
        tolerance = max(2.0, 0.04 * (before or shown))
        assert abs(shown - value) < tolerance
        assert shown in (before, value)
        before = shown
    assert steady("x", 0.0) == 0.0


def component(name: str, mb: float, peak: float, trend: Trend = Trend.STABLE) -> ComponentMemory:
    return ComponentMemory(name, (1,) if mb else (), MemoryUsage(pss=mb), peak, mb, 0.0, trend)


def snapshot(*components: ComponentMemory) -> MemorySnapshot:
    total = component("Total", sum(c.usage.pss for c in components), 300.0)
    return MemorySnapshot(0.0, components, total, SystemMemory(16384.0, 8192.0), Pressure.MEDIUM)


def test_the_memory_panel_lists_all_components_and_what_came_back() -> None:
    memory = snapshot(component("UI", 46.4, 47.0), component("STT", 0.0, 228.0), component("Other", 9.0, 9.0))
    situation = RECORDING.model_changed(ModelChanged("stt", "moonshine", "Unloading", "Unloaded", "", 212.4))
    picture = MemoryPanel()._look(memory, situation)
    said = text_of(memory_rows(picture, 60)).splitlines()
    assert [line.split()[0] for line in said[1:7]] == ["UI", "Recorder", "STT", "LLM", "Other", "Total"]
    assert "46    47  ─ Stable" in said[1]
    assert "0   228  gave back 212 MB" in said[3]
    assert "8.0 of 16.0 GB available" in said[-2]
    assert said[-1] == "Pressure Medium"
    assert all(len(line) <= 60 for line in said)


def test_growth_is_told() -> None:
    picture = MemoryPanel()._look(snapshot(component("UI", 90.0, 90.0, Trend.GROWING)), Situation())
    assert "▲ Growing" in text_of(memory_rows(picture, 40))


def test_noise_does_not_change_the_picture() -> None:
    panel = MemoryPanel()
    first = panel._look(snapshot(component("UI", 46.0, 46.4)), Situation())
    second = panel._look(snapshot(component("UI", 46.9, 46.9)), Situation())
    assert first == second
    third = panel._look(snapshot(component("UI", 60.0, 60.0)), Situation())
    assert third != first
