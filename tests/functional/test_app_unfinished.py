"""Meetings that were cut off: found at the start, offered without standing in the way, and finished."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services import settings
from services.library.meeting import Meeting
from services.plans import request_of
from services.recording import client
from services.recording.client import attach
from tests.functional.app_driver import AppPilot, running, screen_text, shown, toasts, until
from tests.functional.waiting import until as wait_until
from tui.app import SottoApp
from tui.screens.main import MainScreen
from tui.screens.unfinished import UnfinishedList
from tui.situation import Phase

SAMPLE = Path(__file__).parents[2] / "services" / "sample" / "meeting.opus"


@pytest.fixture(autouse=True)
def _home(home: Path) -> Iterator[None]:
    yield
    if (left := attach()) is not None:
        left.stop()


def overrides() -> dict[str, object]:
    return {"recording": {"sources": (f"file:{SAMPLE}",), "captions": False}, "screen": {}}


def cut_off(title: str) -> Path:
    """A recording whose recorder was killed."""
    request = request_of(settings.load(overrides()), title=title)
    with client.start(request) as recorder:
        wait_until(lambda: recorder.status().seconds > 2.0)
        status = recorder.status()
    assert status.meeting is not None
    os.kill(status.pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(status.pid))
    return status.meeting


async def opened(app: SottoApp, pilot: AppPilot) -> None:
    await pilot.press("f")
    await until(pilot, lambda: isinstance(app.screen, UnfinishedList))


async def test_nothing_is_offered_where_all_is_finished() -> None:
    async with running((80, 24), overrides()) as (app, pilot):
        await until(pilot, lambda: app._looks == 1)
        await pilot.press("f")
        assert isinstance(app.screen, MainScreen)
        assert "unfinished" not in screen_text(app)
        assert "f Finish" not in screen_text(app)


async def test_a_recording_that_was_cut_off_is_offered_and_stands_in_nobodys_way() -> None:
    cut_off("Weekly")
    async with running((80, 24), overrides()) as (app, pilot):
        await shown(pilot, app, "f to finish an unfinished meeting")
        assert "f Finish" in screen_text(app)
        assert "A meeting is not finished: f lists what can be done." in toasts(app)
        assert isinstance(app.screen, MainScreen)
        await pilot.press("r")
        await until(pilot, lambda: app.situation.phase is Phase.RECORDING)
        app.look_for_unfinished()
        await until(pilot, lambda: all(thread.name != "unfinished" for thread in threading.enumerate()))
        await pilot.pause()
        # What is being recorded is not among them.
        assert [each.title for each in app.situation.unfinished] == ["Weekly"]


async def test_the_list_says_what_each_is_and_esc_changes_nothing() -> None:
    cut_off("Weekly")
    cut_off("Budget")
    async with running((80, 24), overrides()) as (app, pilot):
        await shown(pilot, app, "f to finish 2 unfinished meetings")
        await opened(app, pilot)
        said = screen_text(app)
        assert "› Weekly" in said or "› Budget" in said
        assert said.count(" · cut off") == 2
        assert "0:02" in said or "0:03" in said
        await pilot.press("r", "escape")
        assert app.situation.phase is Phase.IDLE
        assert len(app.situation.unfinished) == 2
        assert app.services.jobs.current is None


async def test_enter_finishes_one_and_it_leaves_the_list() -> None:
    folder = cut_off("Weekly")
    other = cut_off("Budget")
    async with running((120, 40), overrides()) as (app, pilot):
        await shown(pilot, app, "f to finish 2 unfinished meetings")
        await opened(app, pilot)
        if app.situation.unfinished[0].meeting != folder:
            await pilot.press("down")
        await pilot.press("enter")
        await shown(pilot, app, "✓ Summarise")
        await shown(pilot, app, "Weekly is done.")
        assert Meeting(folder).stage("record") == "done"
        assert Meeting(folder).stage("summarize") == "done"
        await until(pilot, lambda: [each.meeting for each in app.situation.unfinished] == [other])
        await shown(pilot, app, "f to finish an unfinished meeting")


async def test_a_finishes_all() -> None:
    folders = {cut_off("Weekly"), cut_off("Budget")}
    async with running((80, 24), overrides()) as (app, pilot):
        submitted: list[Path] = []
        app.services.open_file = submitted.append  # type: ignore[method-assign, assignment]
        await shown(pilot, app, "f to finish 2 unfinished meetings")
        await opened(app, pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        assert set(submitted) == folders
        assert app.situation.unfinished == ()
