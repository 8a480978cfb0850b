"""The pictures of the README, taken from the real app at work: `python -m tests.snapshots.pictures`.

The sample meeting is recorded in real time with captions, and then written up. Takes about two minutes.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from pathlib import Path

from services import sample
from tests.functional.app_driver import running, until
from tests.functional.pty_screen import ROOT
from tui.app import SottoApp

_SIZE = (112, 32)
_CAPTIONS_SECONDS = 48.0


async def take(folder: Path) -> None:
    overrides = {
        "recording": {"sources": ("file:meeting.opus",)},
        "screen": {"theme": "sotto-dark"},
        "memory": {"preset": "conservative"},  # of the machines that most of our readers have
    }
    async with running(_SIZE, overrides) as (app, pilot):

        def recorded() -> float:
            latest = app.services.recording.latest
            return latest.seconds if latest else 0.0

        await pilot.press("r")
        await until(pilot, lambda: recorded() > _CAPTIONS_SECONDS)
        save(app, folder / "recording.svg")
        await until(pilot, lambda: app.situation.meeting is not None and app.situation.recording is None)
        await until(pilot, lambda: app.services.jobs.current is None and not app.services.jobs.waiting)
        await pilot.pause(8.0)  # the toast has gone, the memory is back
        save(app, folder / "finished.svg")


def save(app: SottoApp, file: Path) -> None:
    """What the app exports, with the reader's own fixed-width font in place of one from the network."""
    picture = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(), flags=re.DOTALL)
    file.write_text(picture.replace("Fira Code", "monospace"), encoding="utf-8")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as home:
        os.environ |= {"SOTTO_HOME": home, "HOME": home}
        shutil.copy(sample.MEETING, home)
        os.chdir(home)
        asyncio.run(take(ROOT / "docs"))


if __name__ == "__main__":
    main()
