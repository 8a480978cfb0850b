"""Keys, panels and sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widget import Widget

from services.errors import DeviceError
from services.events import Failed, RecordingStarted, RecordingStopped
from tests.functional.app_driver import make_meeting, running, running_stage, screen_text, shown, tick, toasts
from tui.app import SottoApp
from tui.panels.panel import Panel


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))


def focused(app: SottoApp) -> int:
    """The number of the panel that has the focus."""
    assert app.focused is not None
    return next(node.NUMBER for node in app.focused.ancestors_with_self if isinstance(node, Panel))


def in_sight(widget: Widget) -> bool:
    return widget.region.area > 0


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_numbers_and_tab_go_from_panel_to_panel(size: tuple[int, int]) -> None:
    async with running(size) as (app, pilot):
        assert focused(app) == 1
        for key in ("3", "2", "4", "1"):
            await pilot.press(key)
            assert focused(app) == int(key)
        for expected in (2, 3, 4, 1):
            await pilot.press("tab")
            assert focused(app) == expected
        for expected in (4, 3, 2, 1):
            await pilot.press("shift+tab")
            assert focused(app) == expected


async def test_in_the_grid_all_panels_are_open() -> None:
    async with running((100, 30)) as (app, _):
        for panel in app.main.panels:
            assert in_sight(panel.target) or panel.has_class("-empty")
            assert panel.region.height > 5
        record, transcript, summary, memory = app.main.panels
        assert record.region.x == memory.region.x < transcript.region.x == summary.region.x
        assert transcript.region.bottom == summary.region.y


@pytest.mark.parametrize("size", [(99, 30), (80, 24), (60, 20)])
async def test_in_the_stack_the_focused_panel_is_open_and_the_others_are_one_line(size: tuple[int, int]) -> None:
    async with running(size) as (app, pilot):
        for number in (1, 2, 3, 4):
            await pilot.press(str(number))
            heights = [panel.region.height for panel in app.main.panels]
            assert heights == [size[1] - 6 if n == number else 1 for n in (1, 2, 3, 4)]
            lines = screen_text(app).splitlines()
            assert len(lines) == size[1]
            for panel in app.main.panels:
                assert f"{panel.NUMBER} {panel.TITLE}" in screen_text(app)


async def test_a_change_of_size_keeps_the_open_panel() -> None:
    async with running((120, 40)) as (app, pilot):
        await pilot.press("3")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert [panel.NUMBER for panel in app.main.panels if panel.region.height > 1] == [3]
        assert focused(app) == 3
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert all(panel.region.height > 5 for panel in app.main.panels)
        assert focused(app) == 3


@pytest.mark.parametrize("size", [(59, 30), (120, 19), (20, 5)])
async def test_a_terminal_that_is_too_small_is_told_so_calmly(size: tuple[int, int], tmp_path: Path) -> None:
    async with running(size) as (app, pilot):
        said = screen_text(app)
        assert "sotto needs 60 x 20" in said
        assert f"this is {size[0]} x {size[1]}" in said
        app.handle(RecordingStarted(make_meeting(tmp_path), "Weekly"))
        await tick(app, pilot)
        assert "REC 0:00" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "● Recording" in screen_text(app)
        assert "needs" not in screen_text(app)


async def test_in_the_stack_the_panel_where_something_happens_opens_by_itself(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await pilot.pause()
        assert focused(app) == 2
        app.handle(RecordingStopped(meeting, 5.0))
        app.handle(running_stage(meeting, "summarize"))
        await pilot.pause()
        assert focused(app) == 3


async def test_the_last_of_two_quick_steps_opens_its_panel(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        app.handle(RecordingStopped(meeting, 5.0))
        app.handle(running_stage(meeting, "transcribe"))
        app.handle(running_stage(meeting, "summarize"))
        for _ in range(5):
            await pilot.pause()
        assert focused(app) == 3
        assert app.main.opened.NUMBER == 3


async def test_a_panel_that_a_person_has_chosen_stays(tmp_path: Path) -> None:
    meeting = make_meeting(tmp_path)
    async with running((80, 24)) as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await pilot.press("4")
        app.handle(RecordingStopped(meeting, 5.0))
        app.handle(running_stage(meeting, "summarize"))
        await pilot.pause()
        assert focused(app) == 4


async def test_the_footer_dims_what_makes_no_sense_now() -> None:
    async with running() as (app, pilot):
        assert "Esc Cancel" in screen_text(app)
        assert app.check_action("escape", ()) is None
        app.handle(Failed(DeviceError("No microphone.")))
        await pilot.pause()
        assert app.check_action("escape", ()) is True


async def test_keys_of_ones_own_work_and_are_shown() -> None:
    async with running(overrides={"screen": {"keymap": {"memory_panel": "f4", "help": "h"}}}) as (app, pilot):
        await pilot.press("f4")
        assert focused(app) == 4
        await pilot.press("1", "4")
        assert focused(app) == 1
        assert "h Help" in screen_text(app)
        await pilot.press("h")
        await shown(pilot, app, "All keys and what they do.")


async def test_settings_that_cannot_be_used_are_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "themes"
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text("name = 3")
    screen = {"keymap": {"recrod": "x"}, "theme": "nosuch"}
    async with running(overrides={"screen": screen}) as (app, pilot):
        await pilot.pause()
        said = toasts(app)
        assert "There is no action recrod." in said
        assert "bad.toml" in said
        assert "There is no theme nosuch." in said
        assert len(app._notifications) == 1
        assert app.theme == "sotto-dark"


async def test_a_theme_of_ones_own_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "themes"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('name = "mine"\nprimary = "#ff0000"\nansi = true\n')
    async with running(overrides={"screen": {"theme": "mine"}}) as (app, _):
        assert app.theme == "mine"
        assert "Press r to record" in screen_text(app)


async def test_every_theme_can_be_put_on() -> None:
    async with running() as (app, pilot):
        for name in app.available_themes:
            app.theme = name
            await pilot.pause()
            assert "Press r to record" in screen_text(app)


async def test_q_leaves_when_nothing_is_at_work() -> None:
    async with running() as (app, pilot):
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value == 0


async def test_ctrl_c_says_how_to_leave() -> None:
    async with running() as (app, pilot):
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert "q leaves sotto." in toasts(app)
        assert app.return_value is None


async def test_record_takes_no_second_order_while_it_stops() -> None:
    async with running() as (app, pilot):
        asked: list[str] = []
        app.services.start_recording = lambda: asked.append("start")  # type: ignore[method-assign, misc, assignment]
        app.services.stop_recording = lambda: asked.append("stop")  # type: ignore[method-assign]
        await pilot.press("r", "r", "r", "r")
        assert asked == ["start", "stop"]


async def test_a_click_opens_a_panel() -> None:
    async with running((80, 24)) as (app, pilot):
        await pilot.click("#memory")
        await pilot.pause()
        assert focused(app) == 4
        assert [panel.NUMBER for panel in app.main.panels if panel.region.height > 1] == [4]


async def test_the_memory_is_watched_while_its_panel_is_open() -> None:
    async with running((80, 24)) as (app, pilot):
        watched: list[bool] = []

        def watch(on: bool) -> None:
            watched.append(on)

        app.services.memory.watch = watch  # type: ignore[method-assign]
        await pilot.press("4")
        await tick(app, pilot)
        await tick(app, pilot)
        await pilot.press("1")
        await tick(app, pilot)
        assert watched == [True, False]
