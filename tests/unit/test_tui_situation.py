"""What the app knows, as facts come in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from services.errors import CancelledError, DeviceError, ModelError, RecorderError, SottoError
from services.events import FellBack, ModelChanged, StageChanged
from services.library.unfinished import Unfinished
from services.lifecycle import ModelState
from services.memory.alert import MemoryAlert
from services.memory.alert import Severity as MemoryLevel
from services.recording.messages import Alert, AlertKind, ChannelLevel, RecordingStatus, Severity
from services.settings import RecordingSettings, Settings
from tests.unit.tui_pictures import component, snapshot, text_of
from tui.panels.record import level_rows, record_rows
from tui.panels.summary import stage_rows
from tui.situation import Figures, Phase, Situation, StageState, live_status, phase_of
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
    return status_rows(situation, figures, width, keymap={})[0].plain


def test_what_the_recorder_says_counts_whoever_told_it() -> None:
    for state, phase in (("recording", Phase.RECORDING), ("paused", Phase.PAUSED), ("finishing", Phase.STOPPING)):
        figures = Figures(recording=replace(STATUS, state=state))  # type: ignore[arg-type]
        assert phase_of(RECORDING, figures) is phase
    paused = Figures(recording=replace(STATUS, state="paused"))
    assert phase_of(replace(RECORDING, phase=Phase.STOPPING), paused) is Phase.STOPPING
    assert phase_of(Situation(), paused) is Phase.IDLE
    other = RECORDING.started(Path("/another"), "Another")
    assert phase_of(other, paused) is Phase.RECORDING
    assert live_status(other, paused) is None
    assert status_text(RECORDING, paused).startswith("║ Paused 12:34 ")
    assert status_text(Situation(phase=Phase.STARTING), Figures(recording=STATUS)).strip() == "◌ Starting"


SILENT = Alert("no_signal", "The microphone is silent.", "Is it muted?")
FULL = Alert("disk_low", "Only 300 MB are free.", "Free some space.", "critical")
SOON = Alert("stopping", "Stops in 60 s, after 2 h.")
FAR_SIDE = Alert("dead_channel", "The other side is silent.", "", "info", 1)


def alarmed(*alerts: Alert) -> Figures:
    return Figures(recording=replace(STATUS, alerts=alerts))


def test_the_worst_alert_stays_in_the_status_line() -> None:
    assert status_text(RECORDING, alarmed(SILENT)).endswith("  ! The microphone is silent. Is it muted?")
    assert status_text(RECORDING, alarmed(SILENT), 50).endswith("  ! The microphone is silent.")
    assert status_text(RECORDING, alarmed(FULL, SILENT)).endswith("! Only 300 MB are free. Free some space.  +1")
    assert status_text(RECORDING, alarmed(SOON), 46).endswith("  ! Stops in 60 s, after 2 h.  +")
    assert status_text(RECORDING, alarmed(SOON)).endswith("  ! Stops in 60 s, after 2 h.  + more time")
    assert status_text(RECORDING, alarmed(FAR_SIDE)).endswith("  The other side is silent.")
    assert status_text(Situation(), alarmed(SILENT)).strip() == "○ Not recording"


def test_an_alert_comes_before_the_last_error_unless_it_is_only_worth_knowing() -> None:
    failed = RECORDING.failed(ModelError("It did not load."))
    assert status_text(failed, alarmed(SILENT)).endswith("! The microphone is silent. Is it muted?  +1")
    assert status_text(failed, alarmed(FAR_SIDE)).endswith("The model did not load: It did not load.  Esc")


@given(
    st.lists(st.builds(Alert, st.sampled_from(get_args(AlertKind)), st.text(max_size=200), st.text(max_size=200),
                       st.sampled_from(get_args(Severity))), max_size=9),
    st.integers(60, 200),
)  # fmt: skip
def test_alerts_always_fit_the_line(alerts: list[Alert], width: int) -> None:
    """Feature: status-line, Property 2: whatever is wrong, the clock is there and the line fits."""
    [row] = status_rows(RECORDING, alarmed(*alerts), width, keymap={})
    assert row.cell_length <= width or not "".join(alert.message + alert.hint for alert in alerts).isascii()
    assert row.plain.startswith("● REC 12:34 ")


def test_the_status_line_shows_recording_work_and_trouble() -> None:
    assert status_text(Situation(), Figures()).strip() == "○ Not recording"
    said = status_text(RECORDING, Figures(recording=STATUS))
    assert said.startswith("● REC 12:34 ")
    assert said.endswith("Weekly")
    trouble = status_text(RECORDING.failed(DeviceError("There is no microphone.")), Figures(recording=STATUS))
    assert trouble.startswith("● REC 12:34 ")
    assert trouble.endswith("No sound device: There is no microphone.  Esc")
    starts = Figures(recording=RecordingStatus("starting", detail="waiting for sound from mic"))
    assert status_text(Situation(phase=Phase.STARTING), starts).endswith("  waiting for sound from mic")
    waits = replace(STATUS, detail="the second microphone is silent")
    assert status_text(RECORDING, Figures(recording=waits)).endswith("the second microphone is silent")
    work = status_text(Situation(), Figures(job=Path("a.wav"), waiting=2))
    assert work.endswith("Processing  +2 waiting")


@given(st.text(max_size=300), st.text(max_size=300), st.integers(60, 200))
def test_the_status_line_always_fits_and_always_shows_the_recording(title: str, message: str, width: int) -> None:
    """Feature: status-line, Property 1: one line of the terminal's width, the clock always in it."""
    situation = Situation().started(FOLDER, title).failed(SottoError(message))
    [row] = status_rows(situation, Figures(recording=STATUS), width)
    assert row.cell_length <= width or not (title + message).isascii()
    assert row.plain.startswith("● REC 12:34 ")


ENGINES = {"stt": "moonshine", "llm": "extractive"}
NOTHING = {"stt": 0.0, "llm": 0.0}


def test_exactly_five_names_of_states_reach_the_strip() -> None:
    for state in ModelState:
        models = RECORDING.model_changed(ModelChanged("stt", "moonshine:tiny-en", "Ready", state.value)).models
        for width in (60, 80, 120):
            [row] = model_rows(models, ENGINES, {"stt": 212.0, "llm": 0.0}, width)
            assert row.cell_length <= width
            assert state.value in row.plain
            assert "Unloaded" in row.plain


def test_a_short_strip_leaves_out_the_engines() -> None:
    [narrow] = model_rows({}, ENGINES, NOTHING, 53)
    [wide] = model_rows({}, ENGINES, NOTHING, 90)
    assert "moonshine" not in narrow.plain
    assert "moonshine" in wide.plain


def test_the_strip_tells_what_a_model_holds_and_what_it_gave_back() -> None:
    loaded = RECORDING.model_changed(ModelChanged("stt", "moonshine:tiny-en", "Loading", "Ready"))
    gone = loaded.model_changed(ModelChanged("stt", "moonshine:tiny-en", "Unloading", "Unloaded", "idle", 412.3))
    for width, whole in ((118, True), (78, False)):
        [row] = model_rows(loaded.models, ENGINES, {"stt": 212.4, "llm": 0.0}, width)
        assert ("moonshine:tiny-en ● Ready      212 MB" if whole else "tiny-en ● Ready      212 MB") in row.plain
        [row] = model_rows(gone.models, ENGINES, NOTHING, width)
        assert "tiny-en ○ Unloaded · gave back 412 MB" in row.plain
        assert "Summary extractive ○ Unloaded" in row.plain
        assert row.cell_length <= width


def test_the_strip_says_why_a_model_is_gone_that_nobody_unloaded() -> None:
    reason = "It took 812 MB, and 500 MB are allowed."
    models = RECORDING.model_changed(ModelChanged("stt", "whisper:small", "Processing", "Unloaded", reason)).models
    [row] = model_rows(models, ENGINES, NOTHING, 118)
    assert f"○ Unloaded · {reason}" in row.plain


def test_the_summary_stays_in_its_half_of_a_long_strip() -> None:
    places = set()
    for state in ModelState:
        models = RECORDING.model_changed(ModelChanged("stt", "moonshine:tiny-en", "Ready", state.value)).models
        [row] = model_rows(models, ENGINES, {"stt": 212.0, "llm": 0.0}, 118)
        places.add(row.plain.index("Summary"))
    assert places == {59}


def test_the_record_panel_shows_levels_size_and_losses() -> None:
    settings = Settings(folder=Path("/recordings"))
    figures = Figures(recording=STATUS)
    said = text_of(record_rows(RECORDING, figures, (-12.0,), settings, {}, 60))
    assert "● Recording   Weekly" in said
    assert "microphone" in said
    assert "-14 dB" in said
    assert "23.0 MB" in said
    assert "Lost" not in said
    lossy = RecordingStatus("recording", FOLDER, seconds=1, overflows=1920, lost_s=0.12, detail="the second microphone")
    said = text_of(record_rows(RECORDING, Figures(recording=lossy), (), settings, {}, 60))
    assert "0.12 s of sound" in said
    assert "the second microphone" in said
    told = replace(lossy, detail="", alerts=(Alert("overflow", "Sound is being lost."),))
    said = text_of(record_rows(RECORDING, Figures(recording=told), (), settings, {}, 60))
    assert "Sound is being lost." in said
    assert "12 frames" not in said


def panel_text(figures: Figures, width: int = 40, keymap: dict[str, str] | None = None) -> str:
    settings = Settings(folder=Path("/recordings"))
    return text_of(record_rows(RECORDING, figures, (-12.0, -12.0), settings, keymap or {}, width))


def test_the_record_panel_lists_all_that_is_wrong_and_what_helps() -> None:
    said = panel_text(alarmed(FULL, SILENT, FAR_SIDE), 30)
    for words in ("! Only 300 MB are free.", "  Free some space.", "! The microphone is silent.", "  Is it muted?"):
        assert f"\n{words}\n" in said
    assert "\nThe other side is silent.\n" in said
    assert all(len(line) <= 30 for line in said.splitlines()[6:])


def test_the_record_panel_of_a_paused_recording_says_how_to_go_on() -> None:
    paused = Figures(recording=replace(STATUS, state="paused"))
    assert "║ Paused   Weekly" in panel_text(paused)
    assert "p goes on, r stops and transcribes" in panel_text(paused)
    assert "F5 goes on, x stops and transcribes" in panel_text(paused, keymap={"pause": "F5", "record": "x"})


def test_an_automatic_stop_is_announced() -> None:
    soon = replace(STATUS, stops_in=42.0, alerts=(SOON,))
    assert "! Stops in 60 s, after 2 h.\n  + more time" in panel_text(Figures(recording=soon))
    assert "0:42" not in panel_text(Figures(recording=soon))
    assert "Stops in" not in panel_text(Figures(recording=STATUS))
    assert "Stops in 12:00   + more time" in panel_text(Figures(recording=replace(STATUS, stops_in=720.4)))


def test_meters_are_named_by_who_speaks_and_through_what() -> None:
    mic = ChannelLevel("mic", "You", -14.0, -22.0, "Built-in Microphone")
    far = ChannelLevel("system", "Others", -31.0, -40.0, "Monitor of Built-in Speakers")
    narrow = text_of(level_rows((mic, far), (-14.0, -31.0), 40)).splitlines()
    assert [line.split()[0] for line in narrow] == ["You", "Built-in", "Others", "Monitor"]
    assert len({line.index(word) for line, word in zip(narrow[1::2], ("Built-in", "Monitor"), strict=True)}) == 1
    wide = text_of(level_rows((mic, far), (-14.0, -31.0), 70)).splitlines()
    assert len(wide) == 2
    assert wide[0].startswith("You     Built-in Microphone ")
    assert len({line.rindex(" dB") for line in wide}) == 1


def test_two_meters_of_one_file_are_not_labelled_alike() -> None:
    channels = (ChannelLevel("file:/a/call.wav"), ChannelLevel("file:/a/call.wav"))
    labels = [line.split("  ")[0] for line in text_of(level_rows(channels, (-9.0, -9.0), 60)).splitlines()]
    assert labels == ["1 call.wav", "2 call.wav"]
    spoken = tuple(replace(channel, speaker=who) for channel, who in zip(channels, ("You", "Others"), strict=True))
    said = panel_text(Figures(recording=replace(STATUS, channels=spoken)))
    assert said.count("call.wav") == 1
    assert "\nSource   call.wav\n" in said


@given(
    st.lists(st.builds(ChannelLevel, st.sampled_from(("mic", "system", "file:/a.wav")), st.text(max_size=8),
                       st.floats(-96, 0), st.floats(-96, 0), st.text(max_size=80)), min_size=1, max_size=2),
    st.integers(36, 120),
)  # fmt: skip
def test_meters_fit_the_panel(channels: list[ChannelLevel], width: int) -> None:
    """Feature: level-meter, Property 2: each row fits, whatever the devices are called."""
    for row in level_rows(channels, [-10.0] * len(channels), width):
        assert len(row.plain) <= width


def test_the_record_panel_says_what_to_press_and_what_will_be_recorded() -> None:
    settings = Settings(folder=Path("/recordings"))
    said = text_of(record_rows(Situation(), Figures(), (), settings, {}, 60))
    assert "Press r to record, o to open a file" in said
    assert "Source   Microphone\n" in said
    played = Settings(folder=Path("/recordings"), recording=RecordingSettings(sources=("file:/a/call.wav",)))
    assert "Source   call.wav\n" in text_of(record_rows(Situation(), Figures(), (), played, {}, 60))
    both = Settings(folder=Path("/recordings"), recording=RecordingSettings(sources=("mic", "system")))
    said = text_of(record_rows(Situation(), Figures(), (), both, {"record": "f5", "open": "ctrl+o"}, 60))
    assert "Press f5 to record, ^o to open a file" in said
    assert "Source   Microphone + speakers" in said


def test_unfinished_meetings_are_offered_where_one_starts() -> None:
    one = Unfinished(FOLDER, "Weekly", datetime.now().astimezone(), 754.0, 24_000_000, "cut off")
    settings = Settings(folder=Path("/recordings"))
    for meetings, words in (((one,), "an unfinished meeting"), ((one, one), "2 unfinished meetings")):
        rows = record_rows(Situation(unfinished=meetings), Figures(), (), settings, {}, 40)
        said = text_of(rows).splitlines()
        assert f"      f to finish {words}" in said
        assert all(len(line) <= 40 for line in said)


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


def test_the_deputy_of_a_deputy_stands_for_the_one_that_was_chosen() -> None:
    situation = Situation()
    for old, new in (("whisper:small", "whisper:tiny"), ("whisper:tiny", "moonshine:tiny-en")):
        situation = situation.model_changed(ModelChanged("stt", old, "Unloaded", "Loading"))
        situation = situation.fell_back(FellBack("stt", old, new, "It took too much.", Path("/m")))
    situation = situation.model_changed(ModelChanged("stt", "moonshine:tiny-en", "Unloaded", "Loading"))
    assert situation.replaced == {"stt": "whisper:small"}


def test_an_engine_of_other_work_replaces_nobody() -> None:
    """The captions fell back; the transcript has an engine of its own."""
    situation = Situation().fell_back(
        FellBack("stt", "moonshine:tiny-en", "whisper:tiny", "It was killed.", Path("/m"))
    )
    captions = situation.model_changed(ModelChanged("stt", "whisper:tiny", "Unloaded", "Loading"))
    assert captions.replaced == {"stt": "moonshine:tiny-en"}
    transcript = captions.model_changed(ModelChanged("stt", "whisper:small", "Unloaded", "Loading"))
    assert transcript.replaced == {}


def test_a_model_that_was_replaced_is_named_until_it_is_back() -> None:
    fallen = Situation().fell_back(FellBack("stt", "whisper:small", "moonshine", "It took too much.", FOLDER))
    smaller = fallen.model_changed(ModelChanged("stt", "moonshine", "Unloaded", "Loading"))
    assert smaller.replaced == {"stt": "whisper:small"}
    assert smaller.model_changed(ModelChanged("stt", "whisper:small", "Unloaded", "Loading")).replaced == {}


def test_critical_memory_is_in_the_status_line_but_never_before_the_recording() -> None:
    alert = MemoryAlert("pressure", MemoryLevel.CRITICAL, "System", "Memory is short.", "Less.")
    memory = replace(snapshot(component("UI", 50.0, 50.0)), alerts=(alert,))
    [row] = status_rows(RECORDING, Figures(recording=STATUS, memory=memory), 78)
    assert row.plain.startswith("● REC 12:34 ")
    assert row.plain.endswith("! Memory is short.")
    [row] = status_rows(RECORDING.failed(SottoError("The disk is full.")), Figures(memory=memory), 78)
    assert "The disk is full." in row.plain
