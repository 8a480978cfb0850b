"""The memory on the screen: limits, alerts, keys, and what is told of it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from services import paths, sample
from services.events import FellBack, MemoryAlerted, ModelChanged, Optimized, RecordingStarted, SettingsChanged
from services.lifecycle import ModelState
from services.memory.alert import MemoryAlert, Severity
from services.memory.optimization import Optimization
from services.relief import Relief
from tests.functional.app_driver import make_meeting, running, screen_text, shown, tick, toasts, until
from tests.snapshots.scenes import limited
from tui.app import SottoApp
from tui.screens.memory import MemoryDetails
from tui.situation import Figures

ALERT = MemoryAlert(
    "pressure", Severity.CRITICAL, "System", "0.4 of 3.9 GB are available.", "End other programs.", "low_memory"
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))


async def test_the_app_shows_what_it_holds_itself() -> None:
    async with running() as (app, pilot):
        await until(pilot, lambda: app.services.memory.latest is not None)
        await tick(app, pilot)
        assert any(line.lstrip("│ ").startswith("Total") for line in screen_text(app).splitlines())
        assert "Balanced" in screen_text(app)


async def test_limits_alerts_and_the_key_that_helps_are_shown() -> None:
    async with running() as (app, pilot):
        app.fetch = lambda: Figures(memory=limited(), preset="balanced")
        await tick(app, pilot)
        said = screen_text(app)
        assert "379   379   400" in said
        assert "! STT takes 379 of 400 MB." in said
        assert "L Low memory" in said
        assert "! 0.4 of 3.9 GB are available." in said.splitlines()[-2]


async def test_an_alert_is_told_with_its_key_and_its_end_is_not() -> None:
    async with running() as (app, pilot):
        app.handle(MemoryAlerted(ALERT))
        await pilot.pause()
        assert "0.4 of 3.9 GB are available.: End other programs. L: Low memory." in toasts(app)
        app.clear_notifications()
        app.handle(MemoryAlerted(replace(ALERT, resolved=True)))
        await pilot.pause()
        assert toasts(app) == ""


async def test_what_was_done_about_a_shortage_is_told_in_few_words() -> None:
    async with running() as (app, pilot):
        done = Optimization("Idle models unloaded", "Total", 512.0, 100.0)
        app.handle(Optimized(done))
        app.handle(Optimized(replace(done, step="Live captions off", after_mb=512.0, undone=True)))
        app.handle(Optimized(replace(done, success=False, error="It is at work.")))
        await pilot.pause()
        assert "Memory is short. Idle models unloaded. 412 MB came back." in toasts(app)
        assert "There is memory again. Taken back: live captions off." in toasts(app)
        assert "Idle models unloaded: that failed. It is at work." in toasts(app)


async def test_what_is_given_up_stays_in_the_status_line_as_long_as_it_lasts(tmp_path: Path) -> None:
    async with running() as (app, pilot):
        app.handle(RecordingStarted(make_meeting(tmp_path), "Weekly"))
        app.fetch = lambda: Figures(relief=Relief(no_captions=True, smaller=True))
        await tick(app, pilot)
        assert "! Memory is short: captions off, smaller models" in screen_text(app).splitlines()[-2]
        app.fetch = Figures
        await tick(app, pilot)
        assert "Memory is short" not in screen_text(app)


async def test_a_smaller_model_is_told_and_says_for_which_it_stands(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running() as (app, pilot):
        app.handle(FellBack("stt", "faster-whisper:small", "moonshine:tiny-en", "It took 812 MB.", meeting))
        for old, new in (("Unloaded", "Loading"), ("Loading", "Ready"), ("Ready", "Processing")):
            app.handle(ModelChanged("stt", "moonshine:tiny-en", old, new))
        await pilot.pause()
        assert "moonshine:tiny-en goes on.: It took 812 MB." in toasts(app)
        assert "moonshine:tiny-en ● Processing · for small" in screen_text(app).splitlines()[0]
        app.handle(ModelChanged("stt", "moonshine:tiny-en", "Ready", "Unloaded"))
        app.handle(ModelChanged("stt", "faster-whisper:small", "Unloaded", "Loading"))
        await pilot.pause()
        assert "for small" not in screen_text(app)


async def test_keys_go_through_the_presets_and_switch_low_memory() -> None:
    async with running() as (app, pilot):
        seen = []
        for _ in range(3):
            await pilot.press("P")
            await pilot.pause()
            seen.append(app.services.settings.preset.name)
        assert seen == ["performance", "conservative", "balanced"]
        await until(pilot, lambda: "Balanced: " in toasts(app))
        await pilot.press("L")
        await tick(app, pilot)
        assert app.services.in_force.memory.max_total_mb == 500.0
        told = screen_text(app).splitlines()[-2]
        # The process of the tests may be larger than that, and what is wrong comes first.
        assert "Low memory" in told or "500 MB are allowed" in told
        await pilot.press("L")
        await tick(app, pilot)
        assert app.services.settings.preset.name == "balanced"
        assert "Low memory" not in screen_text(app).splitlines()[-2]


async def test_of_presets_that_are_gone_through_the_last_one_is_told() -> None:
    async with running() as (app, pilot):
        for title in ("Performance", "Conservative", "Performance"):
            app.settings_changed(SettingsChanged(title, ("memory.preset",)))
        await until(pilot, lambda: "Balanced: " in toasts(app))
        assert toasts(app).count("Balanced: ") == 1


async def test_unload_gives_back_what_nobody_uses(tmp_path: Path) -> None:
    async with running() as (app, pilot):
        assert app.check_action("unload", ()) is None  # nothing is loaded
        app.services.open_file(sample.MEETING)
        await until(pilot, lambda: app.services.stt.state is ModelState.PROCESSING)
        app.services.cancel()
        await until(pilot, lambda: app.services.jobs.current is None)
        await until(pilot, lambda: app.services.stt.state in (ModelState.READY, ModelState.UNLOADED))
        if app.services.stt.state is ModelState.READY:
            await until(pilot, lambda: app.check_action("unload", ()) is True)
            await pilot.press("u")
        await until(pilot, lambda: app.services.stt.state is ModelState.UNLOADED)
        await shown(pilot, app, "gave back")


async def test_enter_in_the_memory_panel_opens_the_report_and_nowhere_else() -> None:
    async with running() as (app, pilot):
        await until(pilot, lambda: app.services.memory.latest is not None)
        await pilot.press("1", "enter")
        assert not isinstance(app.screen, MemoryDetails)
        await pilot.press("4", "enter")
        await shown(pilot, app, "Next steps")
        assert "Components" in screen_text(app)
        await pilot.press("escape")
        assert not isinstance(app.screen, MemoryDetails)


async def test_the_first_start_tells_the_preset_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOTTO_MEMORY_PRESET")

    def told(app: SottoApp) -> bool:
        return "for a machine like this" in toasts(app)

    async with running() as (app, pilot):
        await until(pilot, lambda: told(app))
        assert "P takes another preset, L low memory." in toasts(app)
    assert (paths.state() / "preset").exists()
    async with running() as (app, pilot):
        begun = time.monotonic()
        await until(pilot, lambda: app.services.memory.latest is not None or time.monotonic() - begun > 5)
        assert not told(app)
