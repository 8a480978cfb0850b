"""Pictures of the screen. A picture that changed is looked at before it is taken over (`pytest --snapshot-update`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from services import settings
from tests.functional.app_driver import make_meeting
from tests.snapshots import scenes
from tests.snapshots.scenes import Scene
from tui.app import SottoApp

Compare = Callable[..., bool]
Look = Callable[..., bool]
SIZES = [(60, 20), (80, 24), (120, 40)]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Compare) -> Iterator[Look]:
    """Compare the app after a scene and some keys with its picture; `wait` is for what the first key opens, `wait_last`
    for the last."""
    # Paths below the home folder are shown with a tilde: the same in every run.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    monkeypatch.setattr(SottoApp, "NOTIFICATION_TIMEOUT", 600)
    (tmp_path / "sounds" / "archive").mkdir(parents=True)
    for name in ("call.wav", "interview.mp3", "notes.txt"):
        (tmp_path / "sounds" / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path / "sounds")
    meeting = make_meeting(tmp_path)
    apps: list[SottoApp] = []

    def compare(
        scene: Scene,
        size: tuple[int, int],
        *keys: str,
        theme: str = "",
        wait: Callable[[SottoApp], bool] | None = None,
        wait_last: Callable[[SottoApp], bool] | None = None,
    ) -> bool:
        app = SottoApp(settings.load({"screen": {"theme": theme}}))
        apps.append(app)

        async def play(pilot: Pilot[int]) -> None:
            await pilot.pause()
            await scene(app, meeting)
            await scenes.settle(app, pilot)
            await pilot.press(*keys[:1])
            while wait is not None and not wait(app):
                await pilot.pause(0.02)
            await pilot.press(*keys[1:])
            while wait_last is not None and not wait_last(app):
                await pilot.pause(0.02)
            await scenes.settle(app, pilot)

        return snap_compare(app, terminal_size=size, run_before=play)

    yield compare
    for app in apps:
        app.services.close()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "scene", [scenes.rest, scenes.recording, scenes.transcribing, scenes.finished], ids=lambda scene: scene.__name__
)
def test_main_screen(look: Look, scene: Scene, size: tuple[int, int]) -> None:
    assert look(scene, size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "scene", [scenes.paused, scenes.alarmed, scenes.about_to_stop], ids=lambda scene: scene.__name__
)
def test_a_recording_that_needs_attention(look: Look, scene: Scene, size: tuple[int, int]) -> None:
    assert look(scene, size, "1")


@pytest.mark.parametrize("scene", [scenes.paused, scenes.alarmed], ids=lambda scene: scene.__name__)
def test_attention_with_sixteen_colours(look: Look, scene: Scene) -> None:
    assert look(scene, (80, 24), "1", theme="sotto-16")


@pytest.mark.parametrize("scene", [scenes.paused, scenes.alarmed], ids=lambda scene: scene.__name__)
def test_attention_without_colours(look: Look, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert look(scene, (80, 24), "1")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_captions_that_skipped_ahead(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.behind, size)


def test_captions_that_skipped_ahead_with_sixteen_colours(look: Look) -> None:
    assert look(scenes.behind, (80, 24), theme="sotto-16")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_unfinished_meetings_are_offered(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.unfinished, size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_list_of_unfinished_meetings(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.unfinished, size, "f")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_note(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.recording, size, "n", *"Ask Ana")


def test_a_failure(look: Look) -> None:
    assert look(scenes.failed, (80, 24))


def test_a_terminal_that_is_too_small(look: Look) -> None:
    assert look(scenes.alarmed, (50, 15))


@pytest.mark.parametrize("panel", ["1", "4"])
def test_an_open_panel_of_the_stack(look: Look, panel: str) -> None:
    assert look(scenes.recording, (80, 24), panel)


@pytest.mark.parametrize("theme", ["sotto-16", "sotto-light", "sotto-contrast"])
def test_a_theme(look: Look, theme: str) -> None:
    assert look(scenes.recording, (120, 40), theme=theme)


def test_sixteen_colours_in_a_dialog(look: Look) -> None:
    assert look(scenes.recording, (80, 24), "q", theme="sotto-16")


def test_no_color(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert look(scenes.recording, (80, 24))


def offered(app: SottoApp) -> bool:
    from tui.screens.models import Models

    return isinstance(app.screen, Models) and bool(app.screen.offers)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_models(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.rest, size, "M", wait=offered)


@pytest.mark.parametrize("size", [(60, 20), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_model_that_is_downloaded(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.downloading, size, "M", *["down"] * 3, wait=offered)


def test_a_model_that_cannot_be_chosen_yet(look: Look) -> None:
    assert look(scenes.recording, (60, 20), "M", *["down"] * 5, "enter", wait=offered)


@pytest.mark.parametrize("colours", ["16", "none"])
def test_the_models_with_few_colours(look: Look, colours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theme = with_few_colours(colours, monkeypatch)
    assert look(scenes.downloading, (80, 24), "M", *["down"] * 3, theme=theme, wait=offered)


def listed(app: SottoApp) -> bool:
    from tui.screens.finder import Finder

    return isinstance(app.screen, Finder) and bool(app.screen.items)


@pytest.mark.parametrize("key", ["o", "ctrl+p"])
def test_a_list(look: Look, key: str) -> None:
    assert look(scenes.recording, (80, 24), key, wait=listed)


@pytest.mark.parametrize("key", ["q", "question_mark"])
def test_a_dialog(look: Look, key: str) -> None:
    assert look(scenes.recording, (60, 20), key)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_formats_of_an_export(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.summarized, size, "e")


def named(app: SottoApp) -> bool:
    from tui.screens.speakers import Speakers

    return isinstance(app.screen, Speakers) and bool(app.screen.speakers)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_speakers(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.summarized, size, "s", "down", *"Ann", wait=named)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_question_before_leaving_a_recording(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.recording, size, "q")


def with_few_colours(colours: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The theme for `16` colours, or for `none`, which a variable asks for."""
    if colours == "none":
        monkeypatch.setenv("NO_COLOR", "1")
    return "" if colours == "none" else "sotto-16"


@pytest.mark.parametrize("size", [*SIZES, (100, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_memory_that_is_short(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.short_of_memory, size, "4")


@pytest.mark.parametrize("colours", ["16", "none"])
def test_memory_that_is_short_with_few_colours(look: Look, colours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(scenes.short_of_memory, (80, 24), "4", theme=with_few_colours(colours, monkeypatch))


def test_what_was_done_about_memory(look: Look) -> None:
    assert look(scenes.optimized, (80, 24))


def reported(app: SottoApp) -> bool:
    from tui.screens.memory import MemoryDetails
    from tui.widgets.sheet import SheetView

    return isinstance(app.screen, MemoryDetails) and app.screen.query_one(SheetView).virtual_size.height > 1


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_memory_report(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.short_of_memory, size, "4", "enter", wait_last=reported)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_settings(look: Look, size: tuple[int, int]) -> None:
    assert look(scenes.rest, size, "comma", *["down"] * 5)


def test_a_setting_that_is_typed(look: Look) -> None:
    assert look(scenes.rest, (80, 24), "comma", *["down"] * 5, "enter", *"90")


@pytest.mark.parametrize("colours", ["16", "none"])
def test_the_settings_with_few_colours(look: Look, colours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(scenes.rest, (80, 24), "comma", *["down"] * 5, theme=with_few_colours(colours, monkeypatch))
