"""A meeting that has been written up: exporting it, and giving its speakers names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Input

from services.errors import StorageError
from services.events import MeetingFinished, StageChanged
from services.library.export import export_beside
from services.library.meeting import Meeting
from services.library.names import names_of
from services.library.segments import Segment
from tests.functional.app_driver import AppPilot, append, make_meeting, running, screen_text, shown, toasts, until
from tui.app import SottoApp

SAID = [Segment(0.0, 2.0, "Good morning, everyone.", "You"), Segment(2.5, 4.0, "Good morning.", "Others")]


@pytest.fixture
def meeting(home: Path) -> Meeting:
    meeting = Meeting(make_meeting(home))
    append(meeting.transcript, SAID)
    meeting.set_stage("transcribe", "done")
    return meeting


async def written_up(app: SottoApp, pilot: AppPilot, meeting: Meeting) -> None:
    """Show a meeting as it is when its work has been done."""
    app.handle(StageChanged(meeting.folder, "transcribe", "running"))
    app.handle(StageChanged(meeting.folder, "transcribe", "done"))
    app.handle(MeetingFinished(meeting.folder, meeting.title, True))
    await shown(pilot, app, "Good morning, everyone.")


@pytest.mark.parametrize(
    ("key", "kind", "holds"),
    [("m", "md", "# Release planning"), ("t", "txt", "[0:00] You: Good"), ("s", "srt", "00:00:00,000 -->"),
     ("v", "vtt", "WEBVTT"), ("j", "json", '"version": 1')],
)  # fmt: skip
async def test_a_meeting_is_exported_in_a_format_of_choice(meeting: Meeting, key: str, kind: str, holds: str) -> None:
    async with running((80, 24)) as (app, pilot):
        await written_up(app, pilot, meeting)
        await pilot.press("e")
        await shown(pilot, app, "Export as")
        await pilot.press(key)
        path = meeting.folder / f"{meeting.folder.name}.{kind}"
        await until(pilot, lambda: str(path) in toasts(app))
        assert holds in path.read_text()


async def test_an_export_never_takes_the_place_of_a_file(meeting: Meeting) -> None:
    there = meeting.folder / f"{meeting.folder.name}.md"
    there.write_text("mine")
    async with running((60, 20)) as (app, pilot):
        await written_up(app, pilot, meeting)
        await pilot.press("e", "enter")
        await until(pilot, lambda: f"{meeting.folder.name}-2.md" in toasts(app))
        await pilot.press("e", "enter")
        await until(pilot, lambda: f"{meeting.folder.name}-3.md" in toasts(app))
    assert there.read_text() == "mine"
    assert there.with_name(f"{there.stem}-2.md").read_text() == there.with_name(f"{there.stem}-3.md").read_text()


async def test_there_is_nothing_to_export_before_a_meeting_was_transcribed(meeting: Meeting) -> None:
    async with running((80, 24)) as (app, pilot):
        assert "e Export" not in screen_text(app)
        await pilot.press("e")
        assert "Export as" not in screen_text(app)
        await written_up(app, pilot, meeting)
        await shown(pilot, app, "e Export")


async def test_a_transcription_that_came_to_nothing_says_so(meeting: Meeting) -> None:
    async with running((80, 24)) as (app, pilot):
        await written_up(app, pilot, meeting)
        meeting.transcript.write_text("")
        await pilot.press("e", "enter")
        await until(pilot, lambda: "has no transcript yet" in toasts(app))
    assert not list(meeting.folder.glob("*.md"))


async def test_a_summary_that_cannot_be_read_is_told(meeting: Meeting) -> None:
    meeting.summary.symlink_to("/proc/self/mem")  # what lies at its beginning is nobody's to read
    async with running((80, 24)) as (app, pilot):
        await written_up(app, pilot, meeting)
        await pilot.press("e", "enter")
        await until(pilot, lambda: "summary.md cannot be read" in toasts(app))


def test_a_file_that_is_nobodys_is_kept(meeting: Meeting) -> None:
    link = meeting.folder / f"{meeting.folder.name}.json"
    link.symlink_to(meeting.folder / "nowhere")
    path = export_beside(meeting, "json")
    assert path.name == f"{meeting.folder.name}-2.json"
    assert [each["text"] for each in json.loads(path.read_text())["segments"]] == [said.text for said in SAID]
    meeting.transcript.unlink()
    with pytest.raises(StorageError, match="no transcript"):
        export_beside(meeting, "json")


async def test_a_meeting_that_was_written_up_before_is_shown_when_its_folder_is_opened(meeting: Meeting) -> None:
    meeting.set_stage("summarize", "done")
    meeting.summary.write_text("# Release planning\n\nThey greeted each other.\n")
    async with running((120, 40)) as (app, pilot):
        await pilot.press("o")
        app.screen.query_one(Input).value = str(meeting.folder)
        await pilot.press("enter")
        await shown(pilot, app, "Good morning, everyone.")
        await shown(pilot, app, "They greeted each other.")
        await shown(pilot, app, "e Export")
        await pilot.press("s")
        await shown(pilot, app, "› You")


async def naming(app: SottoApp, pilot: AppPilot, meeting: Meeting) -> None:
    await written_up(app, pilot, meeting)
    await pilot.press("s")
    await shown(pilot, app, "› You")


def transcript(app: SottoApp) -> str:
    """The lines of the transcript's panel."""
    view = app.transcript.view
    return "\n".join(view.render_line(y).text for y in range(view.size.height))


async def test_a_speaker_gets_a_name_and_the_transcript_shows_it_at_once(meeting: Meeting) -> None:
    async with running((120, 40)) as (app, pilot):
        await naming(app, pilot, meeting)
        assert "0:02" in screen_text(app)
        await pilot.press(*"Anna", "enter")
        await shown(pilot, app, "› Others")  # the next one is next
        assert names_of(meeting) == {"You": "Anna"}
        assert "Anna" in transcript(app)
        assert "You" not in transcript(app)
        await pilot.press(*"Ben", "enter", "escape")
        assert names_of(meeting) == {"You": "Anna", "Others": "Ben"}
        await shown(pilot, app, "Ben")


async def test_an_empty_line_takes_a_name_away_and_an_unchanged_one_leaves_it(meeting: Meeting) -> None:
    async with running((60, 20)) as (app, pilot):
        await naming(app, pilot, meeting)
        await pilot.press("enter")  # nothing was typed
        await shown(pilot, app, "› Others")
        assert names_of(meeting) == {}
        await pilot.press(*"Bo", "enter", "up")
        await shown(pilot, app, "› Bo")
        await pilot.press("enter")  # it stays as it is
        await shown(pilot, app, "› You")
        assert names_of(meeting) == {"Others": "Bo"}
        await pilot.press("up", "backspace", "backspace", "enter")
        await until(pilot, lambda: names_of(meeting) == {})


async def test_names_are_safe_for_a_terminal_and_are_exported(meeting: Meeting) -> None:
    async with running((80, 24)) as (app, pilot):
        await naming(app, pilot, meeting)
        await pilot.press(*"[red]x[/]", "enter")
        await shown(pilot, app, "› Others")
        await pilot.press("escape", "e", "t")
        await until(pilot, lambda: ".txt" in toasts(app))
        assert "[red]x[/]: Good morning, everyone." in export_beside(meeting, "txt").read_text()


async def test_a_meeting_whose_speakers_nobody_can_tell_apart_says_so(meeting: Meeting) -> None:
    meeting.transcript.unlink()
    append(meeting.transcript, [Segment(0.0, 2.0, "Good morning, everyone.")])
    async with running((60, 20)) as (app, pilot):
        await written_up(app, pilot, meeting)
        await pilot.press("s")
        await shown(pilot, app, "Nobody can tell the speakers")
        await pilot.press("x", "enter", "down", "escape")
        assert names_of(meeting) == {}


async def test_a_name_that_cannot_be_written_is_told_in_the_dialog_and_can_be_tried_again(meeting: Meeting) -> None:
    async with running((80, 24)) as (app, pilot):
        await naming(app, pilot, meeting)
        whole = meeting.info_file.read_text()
        meeting.info_file.write_text("{")
        await pilot.press(*"Anna", "enter")
        await shown(pilot, app, "cannot be read")
        meeting.info_file.write_text(whole)
        await pilot.press("enter")
        await shown(pilot, app, "› Others")
        assert names_of(meeting) == {"You": "Anna"}
