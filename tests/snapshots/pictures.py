"""The pictures of the README, taken from the real app at work: `python -m tests.snapshots.pictures`.

The sample meeting is recorded in real time with captions, and then written up. Takes about two minutes.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from services import sample
from tests.functional.app_driver import running, until
from tests.functional.pty_screen import ROOT

_SIZE = (112, 32)
_CAPTIONS_SECONDS = 48.0


async def take(folder: Path) -> None:
    overrides = {"recording": {"sources": (f"file:{sample.MEETING}",)}, "screen": {"theme": "sotto-dark"}}
    async with running(_SIZE, overrides) as (app, pilot):

        def recorded() -> float:
            latest = app.services.recording.latest
            return latest.seconds if latest else 0.0

        await pilot.press("r")
        await until(pilot, lambda: recorded() > _CAPTIONS_SECONDS)
        app.save_screenshot(str(folder / "recording.svg"))
        await until(pilot, lambda: app.situation.meeting is not None and app.situation.recording is None)
        await until(pilot, lambda: app.services.jobs.current is None and not app.services.jobs.waiting)
        await pilot.pause(8.0)  # the toast has gone, the memory is back
        app.save_screenshot(str(folder / "finished.svg"))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as home:
        os.environ |= {"SOTTO_HOME": str(Path(home)), "HOME": home}
        asyncio.run(take(ROOT / "docs"))


if __name__ == "__main__":
    main()
