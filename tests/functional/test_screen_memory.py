"""What the screen holds: long transcripts, and screens that come and go, in an app that has a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")

SCREENS = ("help", "palette", "models", "theme", "open", "export", "speakers", "finish", "settings")
TIMES = 50


def _measured(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.functional.screen_memory", *arguments],
        env=os.environ | {"SOTTO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_ten_thousand_lines_of_a_transcript_add_less_than_five_megabytes(tmp_path: Path) -> None:
    found = _measured(tmp_path, "transcript", "10000")
    assert found["height"] > 10_000
    assert found["mb"] < 5


def test_screens_that_were_left_leave_nothing_behind(tmp_path: Path) -> None:
    """A screen that is kept takes 100 KB to a MB each time."""
    found = _measured(tmp_path, "open", str(TIMES), *SCREENS)
    assert list(found) == list(SCREENS)
    for action, grown in found.items():
        assert grown["mb"] < 2, (action, grown)
        assert grown["drawn"] < TIMES, (action, grown)
