"""The transcript on the screen: following the end, letting go, long meetings."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from services.events import CaptionChanged, RecordingStarted, SegmentReady
from services.library.meeting import Meeting
from services.library.moments import Journal, add_note
from services.library.segments import Segment
from tests.functional.app_driver import AppPilot, append, make_meeting, running, screen_text, tick
from tui.app import SottoApp

TEXT = "These are the words that somebody says at a quite usual length in a meeting about money."


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))


def segments(first: int, last: int) -> list[Segment]:
    speakers = ("You", "Others")
    return [Segment(n * 5.0, n * 5.0 + 4, f"Number {n}. {TEXT}", speakers[n % 2]) for n in range(first, last)]


async def say(app: SottoApp, pilot: AppPilot, meeting: Path, first: int, last: int) -> None:
    """Segments `first` to `last` come in."""
    spoken = segments(first, last)
    append(meeting / "live.jsonl", spoken)
    app.handle(SegmentReady(meeting, spoken[-1], preview=True))
    await tick(app, pilot)


async def test_the_end_is_followed_until_the_reader_scrolls_up(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 40)
        view, panel = app.transcript.view, app.transcript
        assert "Number 39." in screen_text(app)
        await pilot.press("up")
        await pilot.pause()
        following = view.following
        assert not following
        top = view.scroll_offset.y
        await say(app, pilot, meeting, 40, 43)
        assert view.scroll_offset.y == top
        assert "Number 42." not in screen_text(app)
        assert panel.border_subtitle == "6 new lines · End follows"
        await pilot.press("end")
        await pilot.pause()
        following = view.following
        assert following
        assert "Number 42." in screen_text(app)
        assert panel.border_subtitle == ""
        await say(app, pilot, meeting, 43, 44)
        assert "Number 43." in screen_text(app)


async def test_no_letter_is_behind_the_scrollbar_when_it_comes(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 1)
        view = app.transcript.view
        for number in range(1, view.size.height):
            long = Segment(number * 5.0, number * 5.0 + 4, "x" * view.size.width, "You")  # fills its first line
            append(meeting / "live.jsonl", [long])
            app.handle(SegmentReady(meeting, long, preview=True))
            await tick(app, pilot)
        assert view.max_scroll_y > 0
        index = view._index
        assert index is not None
        for y in range(view.size.height):
            assert index.line(y + view.scroll_offset.y).text in view.render_line(y).text


@pytest.mark.parametrize("key", ["pageup", "home", "k", "g"])
async def test_every_way_up_lets_go(tmp_path: Path, key: str) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 40)
        await pilot.press(key)
        await pilot.pause()
        assert not app.transcript.view.following
        await pilot.press("G")
        await pilot.pause()
        assert app.transcript.view.following


async def test_scrolling_down_to_the_end_follows_again(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 40)
        await pilot.press("pageup", "up")
        await pilot.pause()
        await pilot.press("pagedown", "down", "down")
        await pilot.pause()
        assert app.transcript.view.following
        await say(app, pilot, meeting, 40, 41)
        assert "Number 40." in screen_text(app)


async def test_a_growing_caption_stays_in_sight_and_goes_when_it_is_over(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 40)
        for words in range(1, 30):
            app.handle(CaptionChanged(meeting, "You", " ".join(f"word{n}" for n in range(words))))
            await tick(app, pilot)
            assert f"word{words - 1}" in screen_text(app)
        app.handle(CaptionChanged(meeting, "You", ""))
        await tick(app, pilot)
        assert "word" not in screen_text(app).replace("words", "")
        assert "Number 39." in screen_text(app)


async def test_both_sides_may_speak_at_once(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        app.handle(CaptionChanged(meeting, "You", "what I say"))
        app.handle(CaptionChanged(meeting, "Others", "what they say"))
        await tick(app, pilot)
        assert "You     what I say" in screen_text(app)
        assert "Others  what they say" in screen_text(app)


async def test_a_new_width_wraps_anew_and_keeps_following(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 60)
        before = app.transcript.view.virtual_size.height
        for width in (60, 140, 80):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            await tick(app, pilot)
            assert "Number 59." in screen_text(app)
            assert "money." in screen_text(app)
        assert app.transcript.view.virtual_size.height == before


async def test_a_theme_repaints_the_lines(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 3)
        before = app.transcript.view.render_line(0)
        app.theme = "sotto-light"
        await pilot.pause()
        after = app.transcript.view.render_line(0)
        assert after.text == before.text
        assert [segment.style for segment in after] != [segment.style for segment in before]


@pytest.mark.parametrize("theme", ["sotto-dark", "sotto-light", "sotto-16", "sotto-contrast"])
async def test_every_speaker_has_a_colour(tmp_path: Path, theme: str) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 40), {"screen": {"theme": theme}}) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        spoken = [Segment(n, n + 1, "Words.", f"Speaker {n}") for n in range(6)]
        append(meeting / "live.jsonl", spoken)
        app.handle(SegmentReady(meeting, spoken[-1], preview=True))
        await tick(app, pilot)
        rows = [list(app.transcript.view.render_line(y)) for y in range(6)]
        colours = {row[1].style.color for row in rows if row[1].style is not None}
        text = {row[2].style.color for row in rows if row[2].style is not None}
        assert len(colours) == 6
        assert len(text) == 1
        assert not colours & text


def rows(app: SottoApp) -> list[str]:
    """The lines of the transcript in sight, without what frames them."""
    view = app.transcript.view
    return [view.render_line(y).text.strip() for y in range(min(view.size.height, view.virtual_size.height))]


async def test_notes_and_pauses_stand_between_the_segments_and_the_open_caption_stays_last(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 40)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        add_note(Meeting(meeting), 1, "before anybody spoke")
        await tick(app, pilot)
        assert rows(app) == ["0:01  ► before anybody spoke"]
        await say(app, pilot, meeting, 0, 2)
        app.handle(CaptionChanged(meeting, "You", "and while I speak"))
        add_note(Meeting(meeting), 6, "buy [red]milk[/red]")
        app.transcript.moments_changed()
        journal = Journal(Meeting(meeting))
        journal.add("pause", 9.5, "Paused at 14:03:10")
        journal.add("warning", 9.5, "this is for the status line")
        await tick(app, pilot)
        said = [row[:36] for row in rows(app) if "meeting about money." not in row]
        assert said == [
            "0:00  You     Number 0. These are th",
            "0:01          ► before anybody spoke",
            "0:05  Others  Number 1. These are th",
            "0:06          ► buy [red]milk[/red]",
            "0:09          Paused at 14:03:10",
            "···  You     and while I speak",
        ]
        journal.add("resume", 9.5, "Resumed at 14:08:08, after 4:58")
        journal.close()
        app.handle(CaptionChanged(meeting, "You", ""))
        await say(app, pilot, meeting, 2, 3)
        assert [row[:21] for row in rows(app)[-3:-1]] == ["0:09          Resumed", "0:10  You     Number "]
        append(meeting / "transcript.jsonl", segments(0, 3))
        app.handle(SegmentReady(meeting, segments(2, 3)[0], preview=False))
        await tick(app, pilot)
        assert [row for row in rows(app) if "►" in row] == ["0:01          ► before anybody spoke", said[3]]


async def test_notes_count_as_lines_that_wait_and_do_not_move_the_reader(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 40)
        await pilot.press("up")
        await pilot.pause()
        before = rows(app)
        add_note(Meeting(meeting), 300, "noted")
        await tick(app, pilot)
        assert rows(app) == before
        assert app.transcript.border_subtitle == "1 new line · End follows"
        await pilot.press("end")
        await pilot.pause()
        assert rows(app)[-1] == "5:00          ► noted"
        add_note(Meeting(meeting), 301, "and more")
        await tick(app, pilot)
        assert rows(app)[-1] == "5:01          ► and more"
        for width in (60, 140, 80):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            await tick(app, pilot)
            assert rows(app)[-1] == "5:01          ► and more"


async def test_notes_that_are_edited_in_another_window_are_shown(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        append(meeting / "transcript.jsonl", segments(0, 3))
        add_note(Meeting(meeting), 6, "as it was")
        app.situation = app.situation.showing(meeting)
        await pilot.press("2")
        await tick(app, pilot)
        assert "► as it was" in screen_text(app)
        (meeting / "notes.md").write_text("# Mine\n\n- 0:06 as it is now\n- 0:00 and\x1b]0;x\x07 one more")
        await tick(app, pilot)
        assert "as it was" not in screen_text(app)
        assert [row for row in rows(app) if "►" in row] == [
            "0:00          ► and one more",
            "0:06          ► as it is now",
        ]


@pytest.mark.parametrize("theme", ["sotto-dark", "sotto-light", "sotto-16", "sotto-contrast"])
async def test_a_note_stands_out_and_a_pause_does_not(tmp_path: Path, theme: str) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24), {"screen": {"theme": theme}}) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        append(meeting / "live.jsonl", [Segment(0, 1, "Words.")])
        add_note(Meeting(meeting), 1, "noted")
        journal = Journal(Meeting(meeting))
        journal.add("pause", 5, "Paused")
        journal.close()
        await tick(app, pilot)
        await pilot.press("2")
        words, note, pause = [list(app.transcript.view.render_line(y))[1].style for y in range(3)]
        time = next(iter(app.transcript.view.render_line(0))).style
        assert words is not None and note is not None and pause is not None and time is not None
        assert note.color != words.color
        assert (pause.color, pause.dim) == (time.color, time.dim) != (words.color, words.dim)


async def test_ten_thousand_segments_are_cheap_and_all_there(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((120, 40)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await say(app, pilot, meeting, 0, 10)
        tracemalloc.start()
        try:
            for first in range(10, 10_000, 999):
                await say(app, pilot, meeting, first, min(first + 999, 10_000))
            await pilot.resize_terminal(100, 30)
            await pilot.pause()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert "Number 9999." in screen_text(app)
        await pilot.press("2", "home")
        await pilot.pause()
        assert "Number 0." in screen_text(app)
        assert held < 3_000_000


async def test_the_end_key_scrolls_the_summary_when_that_is_open(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    (meeting / "summary.md").write_text("\n\n".join(f"Paragraph {n}." for n in range(60)))
    async with running((80, 24)) as (app, pilot):
        app.situation = app.situation.showing(meeting)
        await pilot.press("3")
        await tick(app, pilot)
        await pilot.pause()
        await pilot.press("G")
        await pilot.pause()
        assert "Paragraph 59." in screen_text(app)
        await pilot.press("home")
        await pilot.pause()
        assert "Paragraph 0." in screen_text(app)
