"""The real app in a process of its own, so that what its screen holds can be measured from nothing else's memory.

    python -m tests.functional.screen_memory transcript LINES
    python -m tests.functional.screen_memory open TIMES ACTION...

Prints JSON: how much more it holds at the end, in MB of anonymous memory and in widgets, with what they drew.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

from textual.widget import Widget

from services.events import RecordingStarted, SegmentReady, StageChanged
from services.library.segments import Segment
from services.memory.probe import usage
from tests.functional.app_driver import AppPilot, append, make_meeting, running, screen_text, tick, until
from tests.unit.left_meetings import cut_off
from tui.actions import BY_ID
from tui.app import SottoApp

SCREENS = (
    ("help", "palette", "models", "theme"),
    ("open", "export", "speakers"),
    ("finish", "settings", "memory_details"),
)
"""All screens there are beside the main one, by the actions that open them; each group fits one process."""

_WARM_LINES = 500
_BATCH = 50
_WARM_TIMES = 5
"""What is made once and stays is there by then: styles, bytecode, caches with a limit."""

_MOMENT_SECONDS, _LINGER_SECONDS = 1.0, 10.0

_WORDS = "These are the words that somebody says at a quite usual length in a meeting about money."


_drawn: WeakSet[object] = WeakSet()
"""The widgets of all screens that were opened, and what keeps their lines, as long as anything holds them."""


def measured(home: Path, *arguments: str, seconds: float) -> dict[str, Any]:
    """Run this module as a program whose data lie in `home`, for so long at most; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.functional.screen_memory", *arguments],
        env=os.environ | {"SOTTO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def held() -> dict[str, float]:
    """What this process holds now that nothing else needs."""
    gc.collect()
    return {"mb": usage(os.getpid()).private, "drawn": len(_drawn)}


def spoken(first: int, last: int) -> list[Segment]:
    return [
        Segment(n * 5.0, n * 5.0 + 4, f"Number {n}. {_WORDS}", ("You", "Others")[n % 2]) for n in range(first, last)
    ]


async def _say(app: SottoApp, pilot: AppPilot, meeting: Path, first: int, last: int) -> None:
    for begin in range(first, last, _BATCH):
        said = spoken(begin, min(last, begin + _BATCH))
        append(meeting / "live.jsonl", said)
        app.handle(SegmentReady(meeting, said[-1], preview=True))
        await tick(app, pilot)


async def transcript(lines: int) -> dict[str, Any]:
    """A recording of so many lines on the screen; then the reader goes through all of it."""
    meeting = make_meeting(Path(os.environ["SOTTO_HOME"]))
    async with running() as (app, pilot):
        app.handle(RecordingStarted(meeting, "Weekly"))
        await _say(app, pilot, meeting, 0, _WARM_LINES)
        before = held()
        await _say(app, pilot, meeting, _WARM_LINES, _WARM_LINES + lines)
        view = app.transcript.view
        for y in range(0, view.virtual_size.height, view.virtual_size.height // 50):
            view.scroll_to(y=y, animate=False)
            await pilot.pause()
        return _grown(before) | {"height": view.virtual_size.height}


async def opening(times: int, actions: Sequence[str]) -> dict[str, Any]:
    """Screens that are opened by their actions and left by Esc again and again. Returns the figures of each."""
    home = Path(os.environ["SOTTO_HOME"])
    meeting = make_meeting(home)
    append(meeting / "transcript.jsonl", spoken(0, 200))
    cut_off(home / "recordings", title="Another")
    grown = {}
    async with running() as (app, pilot):
        app.handle(StageChanged(meeting, "transcribe", "running"))
        app.handle(StageChanged(meeting, "transcribe", "done"))
        await until(pilot, lambda: bool(app.situation.unfinished))
        for action in actions:
            await _open(app, action, _WARM_TIMES)
        for action in actions:
            before = await _settled(app, pilot, 0, _MOMENT_SECONDS)
            await _open(app, action, times)
            after = await _settled(app, pilot, before["drawn"], _LINGER_SECONDS)
            grown[action] = {what: after[what] - before[what] for what in after}
    return grown


async def _open(app: SottoApp, action: str, times: int) -> None:
    for _ in range(times):
        await app.run_action(BY_ID[action].call)
        await _met(lambda: len(app.screen_stack) == 2 and app.screen.is_mounted)
        await _met(lambda: all(worker.is_finished for worker in app.workers))
        screen_text(app)  # draws all of it
        opened = app.screen
        for widget in (opened, *opened.walk_children(Widget)):
            _drawn.update((widget, widget._styles_cache))
        app.simulate_key("escape")
        await _met(lambda: len(app.screen_stack) == 1 and not opened.is_running)  # noqa: B023 - called here only


async def _settled(app: SottoApp, pilot: AppPilot, left: float, seconds: float) -> dict[str, float]:
    """Let everything come to an end, and the main screen be drawn: what it keeps of that counts each time.

    The last screen with a line to type in lives on until there is another one, and one that has sent something to a
    thread until that is done; what is kept for good is not waited for longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        await pilot.pause()
        screen_text(app)
        drawn = held()["drawn"]
        if drawn <= left or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    app.services.caches.drop()  # free pages of the heap are nobody's
    return held() | {"drawn": drawn}


async def _met(condition: Callable[[], bool]) -> None:
    """Wait for a condition. A pilot would wait for a processor that rests, too, which takes long where others work."""
    while not condition():
        await _moment()


async def _moment() -> None:
    await asyncio.sleep(0.001)


def _grown(before: dict[str, float]) -> dict[str, float]:
    return {what: now - before[what] for what, now in held().items()}


def main(what: str, *arguments: str) -> int:
    if what == "transcript":
        found = asyncio.run(transcript(int(arguments[0])))
    else:
        found = asyncio.run(opening(int(arguments[0]), arguments[1:]))
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
