"""Facts from services, through the one way in, to what a person sees."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import RenderableType
from textual.screen import Screen

from services.errors import CancelledError, DeviceError, RecorderError
from services.events import (
    CaptionChanged,
    Failed,
    MeetingFinished,
    ModelChanged,
    Progress,
    RecordingStarted,
    RecordingStopped,
    SegmentReady,
    StageChanged,
    SummaryDelta,
    SummaryReady,
)
from services.library.segments import Segment
from services.recording.messages import ChannelLevel, RecordingStatus
from tests.functional.app_driver import append, make_meeting, running, screen_text, shown, tick, toasts, until
from tui.situation import Figures, Phase


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))


def status(meeting: Path, seconds: float = 754.3, peak: float = -14.0) -> RecordingStatus:
    channels = (ChannelLevel("mic", "You", peak, -22.0), ChannelLevel("monitor", "Others", -31.0, -40.0))
    return RecordingStatus("recording", meeting, "Weekly", "", seconds, channels, bytes=24_100_000)


async def test_at_rest_the_screen_says_what_to_press() -> None:
    async with running() as (app, _):
        said = screen_text(app)
        assert "Press r to record, o to open a file" in said
        assert "○ Not recording" in said
        assert said.count("Unloaded") == 2


async def test_a_recording_is_seen_from_start_to_end(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        app.fetch = lambda: Figures(recording=status(meeting))
        await tick(app, pilot)
        said = screen_text(app)
        assert "● Recording   Weekly" in said
        assert "● REC 12:34" in said
        assert "-14 dB" in said
        assert "-31 dB" in said
        assert "23.0 MB" in said
        app.handle(RecordingStopped(meeting, 754.3))
        await tick(app, pilot)
        assert "○ Not recording" in screen_text(app)
        assert "✓ Record" in screen_text(app)


async def test_the_clock_moves_in_whole_seconds(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        for seconds, text in ((0.0, "REC 0:00"), (59.99, "REC 0:59"), (3600.0, "REC 1:00:00")):
            app.fetch = lambda seconds=seconds: Figures(recording=status(meeting, seconds))  # type: ignore[misc]
            await tick(app, pilot)
            assert text in screen_text(app)


async def test_captions_come_and_give_way_to_the_final_transcript(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        app.handle(CaptionChanged(meeting, "You", "good mor"))
        await tick(app, pilot)
        assert "good mor" in screen_text(app)
        first = Segment(0.0, 2.0, "Good morning [everyone].", "You")
        append(meeting / "live.jsonl", [first])
        app.handle(CaptionChanged(meeting, "You", ""))
        app.handle(SegmentReady(meeting, first, preview=True))
        await tick(app, pilot)
        assert "0:00  You  Good morning [everyone]." in screen_text(app)
        final = Segment(0.1, 2.0, "Good morning, everyone!", "You")
        append(meeting / "transcript.jsonl", [final])
        app.handle(SegmentReady(meeting, final, preview=False))
        await tick(app, pilot)
        assert "Good morning, everyone!" in screen_text(app)
        assert "[everyone]" not in screen_text(app)


async def test_another_meetings_words_are_not_mixed_in(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        other = tmp_path / "other"
        app.handle(CaptionChanged(other, "", "words of somebody else"))
        app.handle(SegmentReady(other, Segment(0, 1, "more of them"), preview=True))
        app.handle(SummaryDelta(other, "# Their summary"))
        app.handle(StageChanged(other, "transcribe", "running"))
        await tick(app, pilot)
        assert app.situation.meeting == meeting
        said = screen_text(app)
        assert "somebody else" not in said
        assert "Their summary" not in said


async def test_the_stages_the_summary_and_the_end(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(StageChanged(meeting, "transcribe", "running"))
        app.fetch = lambda: Figures(job=meeting, progress=Progress("transcribe", 43, 100), waiting=2)
        await tick(app, pilot)
        said = screen_text(app)
        assert "● Transcribe" in said
        assert "43%" in said
        assert "+2 waiting" in said
        app.handle(StageChanged(meeting, "transcribe", "done"))
        app.handle(StageChanged(meeting, "summarize", "running"))
        app.handle(SummaryDelta(meeting, "## Decisions\n\n- The release is on "))
        await tick(app, pilot)
        await shown(pilot, app, "The release is on")
        app.handle(SummaryDelta(meeting, "**Friday**.\n"))
        await tick(app, pilot)
        await shown(pilot, app, "The release is on Friday.")
        app.handle(SummaryReady(meeting, "## Decisions\n\n- The release is on **Friday**.\n- No more.\n"))
        app.handle(StageChanged(meeting, "summarize", "done"))
        app.handle(MeetingFinished(meeting, "Release planning", True))
        app.fetch = Figures
        await tick(app, pilot)
        await shown(pilot, app, "No more.")
        assert "Release planning is done." in toasts(app)


async def test_a_summary_that_is_there_already_is_shown(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    (meeting / "summary.md").write_text("An old \x1b[31msummary.\n")
    append(meeting / "transcript.jsonl", [Segment(0, 1, "old words")])
    async with running() as (app, pilot):
        app.handle(StageChanged(meeting, "archive", "running"))
        await tick(app, pilot)
        await shown(pilot, app, "An old summary.")
        assert "old words" in screen_text(app)


async def test_models_show_their_state_and_what_came_back() -> None:
    async with running() as (app, pilot):
        app.handle(ModelChanged("stt", "moonshine:tiny-en", "Unloaded", "Loading"))
        await pilot.pause()
        assert "moonshine:tiny-en ◌ Loading" in screen_text(app)
        app.handle(ModelChanged("stt", "moonshine:tiny-en", "Loading", "Ready"))
        await pilot.pause()
        assert "moonshine:tiny-en ● Ready" in screen_text(app)
        app.handle(ModelChanged("stt", "moonshine:tiny-en", "Ready", "Unloading"))
        app.handle(ModelChanged("stt", "moonshine:tiny-en", "Unloading", "Unloaded", "", 212.4))
        await shown(pilot, app, "gave back 212 MB")


async def test_an_error_is_told_and_stays_until_it_is_dismissed() -> None:
    async with running() as (app, pilot):
        app.handle(Failed(DeviceError("There is no [microphone].", "Plug one in, then press r.")))
        await pilot.pause()
        assert "No sound device: There is no [microphone]. Plug one in, then press r." in toasts(app)
        assert "No sound device: There is no [microphone].  Esc" in screen_text(app)
        await pilot.press("escape")
        assert app.situation.trouble is None
        assert not toasts(app)
        assert "microphone" not in screen_text(app).replace("Source   mic", "")


async def test_what_was_cancelled_is_no_error() -> None:
    async with running() as (app, pilot):
        app.handle(Failed(CancelledError("It was cancelled.")))
        await pilot.pause()
        assert app.situation.trouble is None
        assert "Cancelled. What was done stays." in toasts(app)


async def test_a_recording_that_broke_off_says_so_and_stays_listed(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        app.handle(RecordingStopped(meeting, 12.0, RecorderError("The disk is full.", "Free some space.")))
        await pilot.pause()
        assert app.situation.phase is Phase.IDLE
        assert "The disk is full. Free some space." in toasts(app)
        assert "✗ Record" in screen_text(app)


async def test_a_recording_that_was_found_running_is_announced(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly", attached=True))
        await pilot.pause()
        assert "A recording is at work" in toasts(app)
        assert app.situation.phase is Phase.RECORDING


async def test_facts_from_many_threads_arrive_in_order(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))

        def tell(speaker: str) -> None:
            for number in range(200):
                app._emit(CaptionChanged(meeting, speaker, f"{speaker} {number}"))

        threads = [threading.Thread(target=tell, args=(name,)) for name in ("one", "two", "three")]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            await pilot.pause(0.01)
        await pilot.pause()
        await tick(app, pilot)
        for name in ("one", "two", "three"):
            assert f"{name} 199" in screen_text(app)


async def test_a_fact_after_the_end_is_dropped_quietly(tmp_path: Path) -> None:
    async with running() as (app, _):
        pass
    told = threading.Thread(target=app._emit, args=(RecordingStarted(tmp_path, "late"),))
    told.start()
    told.join()
    assert app.situation.phase is Phase.IDLE


async def test_at_rest_figures_are_fetched_once_a_second() -> None:
    async with running() as (app, _):
        fetched = 0

        def fetch() -> Figures:
            nonlocal fetched
            fetched += 1
            return Figures(job=Path("a.wav") if fetched > 2 else None)

        app.fetch = fetch
        app._ticks = 0
        for _ in range(8):
            app.tick()
        assert fetched == 2
        for _ in range(8):
            app.tick()
        assert fetched == 2 + 5  # at work from the fourth tick on


async def test_at_rest_nothing_is_painted_again() -> None:
    async with running() as (app, pilot):
        figures = app.services.memory.sample()
        app.fetch = lambda: Figures(memory=figures)
        painted: list[object] = []
        display = app._display

        def count(screen: Screen[object], renderable: RenderableType | None) -> None:
            painted.extend([] if renderable is None else [renderable])
            display(screen, renderable)

        app._display = count  # type: ignore[method-assign]
        await tick(app, pilot)
        await until(pilot, lambda: bool(painted))
        while painted:  # the first pictures
            painted.clear()
            await pilot.pause(0.1)
        usage = replace(figures.total.usage, pss=figures.total.usage.pss + 0.4)
        noise = replace(figures, time=figures.time + 2, total=replace(figures.total, usage=usage))
        app.fetch = lambda: Figures(memory=noise)
        for _ in range(3):
            await tick(app, pilot)
            await pilot.pause(0.1)
        assert not painted
        app.fetch = lambda: Figures(memory=noise, job=Path("a.wav"))
        await tick(app, pilot)
        await until(pilot, lambda: bool(painted))
