"""The keys of a meeting: pause, mark, note, more time, detach. The real app with the real recorder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Input

from services.library.meeting import Meeting
from services.library.moments import read_moments
from services.recording.client import attach
from services.recording.messages import Order
from tests.functional.app_driver import AppPilot, running, screen_text, shown, toasts, until
from tui.app import SottoApp
from tui.meeting import LEFT_RUNNING
from tui.screens.main import MainScreen
from tui.screens.note import NoteLine
from tui.situation import Phase, live_status, phase_of

SAMPLE = Path(__file__).parents[2] / "services" / "sample" / "meeting.opus"


@pytest.fixture(autouse=True)
def _home(home: Path) -> Iterator[None]:
    yield
    if (left := attach()) is not None:
        left.stop()


def settings(**recording: object) -> dict[str, object]:
    return {"recording": {"sources": (f"file:{SAMPLE}",), "captions": False, **recording}, "screen": {}}


async def record(app: SottoApp, pilot: AppPilot) -> Meeting:
    await pilot.press("r")
    await until(pilot, lambda: phase(app) is Phase.RECORDING and live_status(app.situation, app.figures) is not None)
    assert app.situation.recording is not None
    return Meeting(app.situation.recording)


def phase(app: SottoApp) -> Phase:
    return phase_of(app.situation, app.figures)


def seconds(app: SottoApp) -> float:
    latest = app.services.recording.latest
    return latest.seconds if latest is not None else 0.0


async def told_again(app: SottoApp, pilot: AppPilot) -> None:
    """Wait for the recorder's next word."""
    before = app.services.recording.latest
    await until(pilot, lambda: app.services.recording.latest is not before)


async def test_p_pauses_the_same_key_goes_on_and_r_stops_a_paused_recording() -> None:
    async with running((80, 24), settings()) as (app, pilot):
        await record(app, pilot)
        await until(pilot, lambda: seconds(app) > 1)
        await pilot.press("p")
        await shown(pilot, app, "║ Paused 0:0")
        await shown(pilot, app, "p Resume")
        stood = seconds(app)
        for _ in range(5):
            await told_again(app, pilot)
            assert seconds(app) == stood
        await pilot.press("p")
        await shown(pilot, app, "● REC")
        await until(pilot, lambda: seconds(app) > stood + 0.5)
        await pilot.press("p")
        await until(pilot, lambda: phase(app) is Phase.PAUSED)
        await pilot.press("r")
        await until(pilot, lambda: app.situation.phase is Phase.IDLE)
        assert attach() is None


async def test_a_pause_from_another_shell_is_seen() -> None:
    async with running((120, 40), settings()) as (app, pilot):
        await record(app, pilot)
        other = attach()
        assert other is not None
        other.order(Order("pause"))
        await shown(pilot, app, "║ Paused   Meeting")
        other.order(Order("resume"))
        await shown(pilot, app, "● Recording")


async def test_m_marks_the_moment() -> None:
    async with running((120, 40), settings()) as (app, pilot):
        meeting = await record(app, pilot)
        await until(pilot, lambda: seconds(app) > 1)
        await pilot.press("m")
        await until(pilot, lambda: "Marked 0:0" in toasts(app))
        [moment] = read_moments(meeting)
        assert (moment.kind, moment.text) == ("mark", "")
        assert 1 <= moment.at_s <= seconds(app)


async def test_a_note_is_of_the_moment_in_which_its_line_was_opened() -> None:
    async with running((80, 24), settings()) as (app, pilot):
        meeting = await record(app, pilot)
        await until(pilot, lambda: seconds(app) > 1)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NoteLine))
        opened = int(seconds(app))
        await shown(pilot, app, "Note at 0:0")
        await pilot.press(*"pour d [x]q")
        await until(pilot, lambda: seconds(app) > opened + 2)
        assert (phase(app), app.return_value) == (Phase.RECORDING, None)  # no key of the app fires while one types
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        [moment] = read_moments(meeting)
        assert (moment.kind, moment.text) == ("note", "pour d [x]q")
        assert opened - 1 <= moment.at_s <= opened
        assert "Noted 0:0" in toasts(app)


@pytest.mark.parametrize("keys", [("w", "escape"), ("enter",), ("space", "enter")])
async def test_a_note_that_is_dropped_or_empty_leaves_nothing(keys: tuple[str, ...]) -> None:
    async with running((60, 20), settings()) as (app, pilot):
        meeting = await record(app, pilot)
        await pilot.press("n", *keys)
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        assert not meeting.notes.exists()
        assert phase(app) is Phase.RECORDING


async def test_a_note_that_the_disk_refuses_stays_in_its_line() -> None:
    async with running((80, 24), settings()) as (app, pilot):
        meeting = await record(app, pilot)
        meeting.notes.mkdir()
        await pilot.press("m")
        await until(pilot, lambda: app.situation.trouble is not None)
        await pilot.press("n", *"precious", "enter")
        await shown(pilot, app, "notes.md")
        assert app.screen.query_one(Input).value == "precious"
        meeting.notes.rmdir()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        assert [moment.text for moment in read_moments(meeting)] == ["precious"]


async def test_keys_of_a_meeting_do_nothing_without_one() -> None:
    async with running((80, 24), settings()) as (app, pilot):
        await pilot.press("p", "m", "n", "d", "+")
        await pilot.pause()
        assert isinstance(app.screen, MainScreen)
        assert app.return_value is None


async def test_plus_lets_an_automatic_stop_come_later() -> None:
    async with running((120, 40), settings(stop_after_minutes=2)) as (app, pilot):
        await record(app, pilot)
        await shown(pilot, app, "Stops in 1:5")
        assert "+ More time" in screen_text(app)
        await pilot.press("+")
        await shown(pilot, app, "Stops in 16:5")
        assert "15 minutes more." in toasts(app)


async def test_d_while_it_starts_detaches_as_soon_as_it_records() -> None:
    async with running((80, 24), settings()) as (app, pilot):
        app.action_record()
        assert phase(app) is Phase.STARTING
        app.action_detach()
        assert app.leave_when_started
        await until(pilot, lambda: app.return_value == 0)
        assert app.farewell == LEFT_RUNNING
    left = attach()
    assert left is not None
    assert left.status().state == "recording"


async def test_d_detaches_and_the_recording_goes_on() -> None:
    async with running((80, 24), settings()) as (app, pilot):
        await record(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: app.return_value == 0)
        assert app.farewell == LEFT_RUNNING
    left = attach()
    assert left is not None
    assert left.status().state == "recording"
