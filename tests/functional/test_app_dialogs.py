"""Dialogs: opening a file, questions, help, commands and themes."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from services.events import RecordingStarted, RecordingStopped
from tests.functional.app_driver import AppPilot, make_meeting, running, screen_text, shown, tick, until
from tui.actions import ACTIONS
from tui.app import SottoApp
from tui.meeting import LEFT_RUNNING
from tui.screens.finder import Finder, Item
from tui.screens.finder import _rows as entry_rows
from tui.screens.main import MainScreen
from tui.situation import Figures, Phase
from tui.widgets.sheet import Sheet


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name in ("call one.wav", "call two.wav", "notes.txt", ".hidden.wav"):
        (folder / name).write_bytes(b"this is no sound")
    (folder / "empty.wav").touch()
    monkeypatch.chdir(folder)


def line(app: SottoApp) -> Input:
    return app.screen.query_one(Input)


async def listed(pilot: AppPilot, app: SottoApp, *names: str) -> None:
    """Wait until the list holds these entries."""

    def there() -> bool:
        screen = app.screen
        return isinstance(screen, Finder) and [item.title for item in screen.items] == list(names)

    await until(pilot, there)


async def test_a_file_is_found_with_tab_and_opened(tmp_path: Path) -> None:
    async with running() as (app, pilot):
        await pilot.press("o")
        await listed(pilot, app, "call one.wav", "call two.wav", "empty.wav", "notes.txt")
        await pilot.press("c", "tab")
        await until(pilot, lambda: line(app).value.endswith("/call "))
        await pilot.press("t", "tab")
        await until(pilot, lambda: line(app).value.endswith("/call two.wav"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        assert app.last_folder == tmp_path / "sounds"
        # The file holds no sound: the app says so, and the line below keeps it.
        await until(pilot, lambda: app.situation.trouble is not None)


async def test_keys_that_come_all_at_once_keep_their_order() -> None:
    async with running() as (app, pilot):
        await pilot.press("o")
        await listed(pilot, app, "call one.wav", "call two.wav", "empty.wav", "notes.txt")
        typed = [events.Key(key, character) for key, character in (("n", "n"), ("o", "o"), ("tab", None))]
        for event in typed:
            app.post_message(event)
        await until(pilot, lambda: line(app).value.endswith("/notes.txt"))


async def test_the_list_is_walked_with_the_arrows() -> None:
    async with running() as (app, pilot):
        await pilot.press("o")
        await listed(pilot, app, "call one.wav", "call two.wav", "empty.wav", "notes.txt")
        await pilot.press("down", "down", "tab")
        assert line(app).value.endswith("/call two.wav")
        await listed(pilot, app, "call two.wav")
        await pilot.press("up", "enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))


async def test_tab_marks_the_first_entry_where_it_can_add_nothing() -> None:
    async with running() as (app, pilot):
        await pilot.press("o", *"call ")
        await listed(pilot, app, "call one.wav", "call two.wav")
        await pilot.press("tab")
        await shown(pilot, app, "› call one.wav")
        await pilot.press("tab")
        await until(pilot, lambda: line(app).value.endswith("/call one.wav"))


async def test_hidden_files_are_listed_when_asked_for() -> None:
    async with running() as (app, pilot):
        await pilot.press("o", ".")
        await listed(pilot, app, ".hidden.wav")


@pytest.mark.parametrize(
    ("typed", "why"),
    [("nothing.wav", "There is no such file."), ("empty.wav", "That file is empty."), ("", "That is a folder.")],
)
async def test_a_bad_path_is_answered_in_the_dialog(typed: str, why: str) -> None:
    async with running((60, 20)) as (app, pilot):
        await pilot.press("o", *typed, "enter")
        await shown(pilot, app, why)
        assert not isinstance(app.screen, MainScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


async def test_the_last_folder_is_remembered(tmp_path: Path) -> None:
    async with running() as (app, pilot):
        other = tmp_path / "other"
        other.mkdir()
        (other / "x.wav").write_bytes(b"x")
        await pilot.press("o")
        line(app).value = str(other / "x.wav")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        await pilot.press("o")
        assert line(app).value == f"{other}/"


async def test_the_folder_of_a_meeting_can_be_opened(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        opened: list[Path] = []

        def open_file(path: Path) -> None:
            opened.append(path)

        app.services.open_file = open_file  # type: ignore[method-assign]
        await pilot.press("o")
        line(app).value = str(meeting)
        await pilot.press("enter")
        await until(pilot, lambda: bool(opened))
        assert opened == [meeting]


async def quit_while_recording(app: SottoApp, pilot: AppPilot, meeting: Path) -> list[str]:
    asked: list[str] = []
    app.services.stop_recording = lambda: asked.append("stop")  # type: ignore[method-assign]
    app.handle(RecordingStarted(meeting, "Weekly"))
    await pilot.press("q")
    await shown(pilot, app, "Stop and quit")
    assert "● REC" in screen_text(app)
    return asked


async def test_quit_while_recording_asks_and_esc_stays(tmp_path: Path) -> None:
    async with running((80, 24)) as (app, pilot):
        asked = await quit_while_recording(app, pilot, make_meeting(tmp_path))
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)
        assert app.return_value is None
        assert not asked


async def test_quit_can_leave_the_recording_running(tmp_path: Path) -> None:
    async with running((80, 24)) as (app, pilot):
        asked = await quit_while_recording(app, pilot, make_meeting(tmp_path))
        await pilot.press("enter")  # by accident, perhaps: what happens once must go on
        await pilot.pause()
        assert app.return_value == 0
        assert app.farewell == LEFT_RUNNING
        assert not asked


async def test_quit_can_stop_the_recording_and_leaves_when_it_is_safe(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        asked = await quit_while_recording(app, pilot, meeting)
        await pilot.press("s")
        await pilot.pause()
        assert asked == ["stop"]
        assert (app.situation.phase, app.return_value) == (Phase.STOPPING, None)
        app.handle(RecordingStopped(meeting, 3.0))
        await pilot.pause()
        assert (app.return_value, str(meeting) in app.farewell) == (0, True)


async def test_quit_while_processing_asks() -> None:
    async with running((80, 24)) as (app, pilot):
        app.fetch = lambda: Figures(job=Path("a.wav"))
        await tick(app, pilot)
        await pilot.press("q", "n")
        assert app.return_value is None
        await pilot.press("q", "y")
        await pilot.pause()
        assert app.return_value == 0


async def test_news_do_not_hurt_a_dialog_that_is_being_closed(tmp_path: Path) -> None:
    async with running((80, 24)) as (app, pilot):
        await quit_while_recording(app, pilot, make_meeting(tmp_path))
        await app.screen.remove_children()
        app.handle(RecordingStarted(tmp_path / "another", "Another"))  # it would raise in the app
        assert app.situation.title == "Another"
        await pilot.press("escape")


async def test_escape_cancels_the_processing_after_a_question() -> None:
    async with running((80, 24)) as (app, pilot):
        cancelled: list[bool] = []
        app.services.cancel = lambda: cancelled.append(True)  # type: ignore[method-assign]
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)
        app.fetch = lambda: Figures(job=Path("a.wav"))
        await tick(app, pilot)
        await pilot.press("escape")
        await shown(pilot, app, "Cancel the processing?")
        await pilot.press("k")
        assert not cancelled
        await pilot.press("escape", "enter")
        assert cancelled == [True]


def test_the_marked_entry_is_a_whole_bar_and_says_where_it_was_cut() -> None:
    items = [Item("a", "Record", "r          Start recording; the same key stops it."), Item("b", "Later", "short")]
    for marked, cut in ((0, True), (1, False)):
        row = entry_rows(items, marked, "", 40)[marked]
        assert (row.cell_length, row.plain.endswith("…")) == (40, cut)
        assert all((span.start, span.end) == (0, len(row.plain)) for span in row.spans)


async def test_help_lists_every_action() -> None:
    async with running((120, 70)) as (app, pilot):
        await pilot.press("question_mark")
        await shown(pilot, app, "Start recording; the same key stops it.")
        assert "Unloaded, Loading, Ready, Processing, Unloading" in screen_text(app)
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


async def test_help_is_whole_on_a_small_screen() -> None:
    async with running((60, 20)) as (app, pilot):
        await pilot.press("question_mark")
        await shown(pilot, app, "Start recording; the same key stops")
        table = app.screen.query_one(".keys-table", Sheet)
        assert max(map(len, table.text.splitlines())) <= table.content_size.width
        told = " ".join(table.text.split())
        assert all(action.help in told for action in ACTIONS)


async def test_an_action_is_found_by_a_part_of_its_name() -> None:
    async with running((80, 24)) as (app, pilot):
        await pilot.press("ctrl+p")
        await shown(pilot, app, "Transcribe and summarise")
        await pilot.press(*"memory", "space", *"panel")
        await until(pilot, lambda: isinstance(app.screen, Finder) and len(app.screen.items) == 1)
        await pilot.press("enter")
        await pilot.pause()
        assert app.main.opened.NUMBER == 4
        await pilot.press("ctrl+p", *"zzz", "enter")
        await shown(pilot, app, "There is nothing like zzz.")


async def test_the_commands_are_those_that_make_sense_now() -> None:
    async with running() as (app, pilot):
        await pilot.press("ctrl+p")
        await shown(pilot, app, "Record")
        assert isinstance(app.screen, Finder)
        titles = [item.title for item in app.screen.items]
        assert "Unload" not in titles
        assert "Cancel" not in titles


async def test_a_theme_is_put_on_while_one_looks_and_esc_takes_it_back() -> None:
    async with running((80, 24)) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Finder) and len(app.screen.items) > 4)
        await pilot.press("down")
        assert app.theme != "sotto-dark"
        await pilot.press("escape")
        assert app.theme == "sotto-dark"
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Finder) and len(app.screen.items) > 4)
        await pilot.press(*"light")
        await until(pilot, lambda: isinstance(app.screen, Finder) and app.screen.items[0].title == "sotto-light")
        await pilot.press("enter")
        await pilot.pause()
        assert app.theme == "sotto-light"


async def test_the_recording_stays_in_sight_in_every_dialog(tmp_path: Path) -> None:
    async with running((60, 20)) as (app, pilot):
        app.handle(RecordingStarted(make_meeting(tmp_path), "Weekly"))
        for key in ("o", "question_mark", "ctrl+p", "t", "q"):
            await pilot.press(key)
            await until(pilot, lambda: not isinstance(app.screen, MainScreen))
            await shown(pilot, app, "● REC 0:00")
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, MainScreen))
