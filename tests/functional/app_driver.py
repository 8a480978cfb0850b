"""Driving the real app: what a person presses, and what stands on the screen."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from services import settings
from services.events import StageChanged
from services.library.segments import Segment
from tui.app import SottoApp

AppPilot = Pilot[int]


@asynccontextmanager
async def running(
    size: tuple[int, int] = (120, 40), overrides: dict[str, Any] | None = None
) -> AsyncIterator[tuple[SottoApp, AppPilot]]:
    """The app with its real services, in the SOTTO_HOME of the test."""
    app = SottoApp(settings.load(overrides))
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            yield app, pilot
    finally:
        app.services.close()


def screen_text(app: SottoApp) -> str:
    """What stands on the screen, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def until(pilot: AppPilot, condition: Callable[[], bool]) -> None:
    """Wait for a condition; the test's time-out is the limit."""
    while not condition():
        await pilot.pause(0.02)


async def shown(pilot: AppPilot, app: SottoApp, text: str) -> None:
    """Wait until `text` stands on the screen."""
    await until(pilot, lambda: text in screen_text(app))


async def tick(app: SottoApp, pilot: AppPilot) -> None:
    """Let the screen's timer strike once, also while nothing is at work."""
    app._ticks = -1
    app.tick()
    await pilot.pause()


def toasts(app: SottoApp) -> str:
    """All toasts in sight."""
    return "\n".join(f"{toast.title}: {toast.message}" for toast in app._notifications)


def make_meeting(root: Path, title: str = "Release planning") -> Path:
    """A meeting's folder as a recorder leaves it."""
    folder = root / "recordings" / "2026-03-14_1030_release-planning"
    folder.mkdir(parents=True)
    (folder / "meeting.json").write_text(json.dumps({"title": title, "stages": {}}))
    return folder


def append(path: Path, segments: Sequence[Segment]) -> None:
    """Segments as they come, at the end of a transcript."""
    with path.open("a", encoding="utf-8") as file:
        for segment in segments:
            file.write(json.dumps(segment.to_dict(), ensure_ascii=False) + "\n")


def running_stage(meeting: Path, stage: str) -> StageChanged:
    return StageChanged(meeting, stage, "running")  # type: ignore[arg-type]
