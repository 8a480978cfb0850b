"""The settings screen: what it shows, what it writes, and that it holds at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from services import paths, settings
from tests.functional.app_driver import AppPilot, running, screen_text, shown, until
from tui.app import SottoApp
from tui.screens.settings import SettingsScreen


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))


async def opened(app: SottoApp, pilot: AppPilot, key: str) -> SettingsScreen:
    """The screen with the setting `key` marked."""
    await pilot.press("comma")
    await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
    assert isinstance(app.screen, SettingsScreen)
    while app.screen.entry.key != key:
        await pilot.press("down")
    return app.screen


def written() -> str:
    file = paths.config_file()
    return file.read_text() if file.exists() else ""


async def test_a_number_is_typed_kept_in_the_file_and_holds_at_once() -> None:
    async with running() as (app, pilot):
        await opened(app, pilot, "screen.refresh_seconds")
        await pilot.press("enter", *"0.7", "enter")
        await shown(pilot, app, "It is in config.toml, and holds.")
        assert "refresh_seconds = 0.7" in written()
        assert app.services.settings.screen.refresh_seconds == 0.7
        await until(pilot, lambda: app._every == 0.7)
        assert settings.load().screen.refresh_seconds == 0.7


async def test_what_is_not_allowed_is_said_and_nothing_is_written() -> None:
    async with running() as (app, pilot):
        await opened(app, pilot, "memory.max_stt_mb")
        await pilot.press("enter", *"much", "enter")
        await shown(pilot, app, "Correct it.")
        assert written() == ""
        assert app.services.settings.memory.max_stt_mb == 0.0
        await pilot.press("escape")  # leaves the line
        assert isinstance(app.screen, SettingsScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, SettingsScreen)


async def test_what_does_not_fit_the_other_settings_is_said_and_taken_back() -> None:
    async with running() as (app, pilot):
        await opened(app, pilot, "transcription.language")
        await pilot.press("enter", "backspace", "backspace", *"de", "enter")
        await shown(pilot, app, "moonshine:tiny-en does not understand the language 'de'.")
        assert "de" not in written()
        assert app.services.settings.transcription.language == "en"
        assert settings.load().transcription.language == "en"


async def test_a_switch_is_turned_and_a_value_is_taken_out_again() -> None:
    async with running() as (app, pilot):
        screen = await opened(app, pilot, "memory.auto_fallback")
        await pilot.press("enter")
        await until(pilot, lambda: not app.services.settings.memory.auto_fallback)
        await until(pilot, lambda: screen.entry.origin == "file")
        assert "auto_fallback = false" in written()
        await pilot.press("x")
        await until(pilot, lambda: app.services.settings.memory.auto_fallback)
        assert "auto_fallback" not in written()
        await until(pilot, lambda: screen.entry.origin == "default")


async def test_one_of_a_few_words_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOTTO_MEMORY_PRESET")
    async with running(overrides={"screen": {"theme": "sotto-16"}}) as (app, pilot):
        await opened(app, pilot, "memory.preset")
        await pilot.press("enter")
        await shown(pilot, app, "conservative")
        await pilot.press("2")
        await until(pilot, lambda: app.services.settings.preset.name == "conservative")
        assert app.services.settings.summary.max_context == 2048
        assert 'preset = "conservative"' in written()


async def test_a_variable_wins_over_what_is_written_and_the_screen_says_so() -> None:
    async with running() as (app, pilot):
        await opened(app, pilot, "memory.preset")  # the environment of the tests names it
        assert "from SOTTO_MEMORY_PRESET" in screen_text(app)
        await pilot.press("enter", "2")
        await shown(pilot, app, "What holds is SOTTO_MEMORY_PRESET")
        assert app.services.settings.preset.name == "balanced"


async def test_other_colours_and_keys_are_on_at_once() -> None:
    async with running() as (app, pilot):
        await opened(app, pilot, "screen.theme")
        await pilot.press("enter", *"sotto-contrast", "enter")
        await until(pilot, lambda: app.theme == "sotto-contrast")
        await pilot.press("down", "down")
        await pilot.press("enter", *'{ "help" = "h" }', "enter")
        await until(pilot, lambda: app.keys == {"help": "h"})
        await pilot.press("escape", "h")
        await shown(pilot, app, "All keys and what they do.")


async def test_a_comment_in_the_file_stays() -> None:
    paths.private(paths.config_file().parent)
    paths.config_file().write_text("# mine\n[screen]\nrefresh_seconds = 1.0  # slow line\n")
    async with running() as (app, pilot):
        await opened(app, pilot, "screen.notify")
        await pilot.press("enter")
        await shown(pilot, app, "osc777")
        await pilot.press("5")
        await until(pilot, lambda: app.notify_by == "off")
        assert "# mine" in written()
        assert "# slow line" in written()


async def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_TRANSCRIPTION_API_KEY", "sk-secret")
    async with running() as (app, pilot):
        await opened(app, pilot, "transcription.api_key")
        assert "(set)" in screen_text(app)
        await pilot.press("enter", *"other")
        assert "sk-secret" not in screen_text(app)
        assert "other" not in screen_text(app)
