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

SCREENS = (
    ("help", "palette", "models", "theme"),
    ("open", "export", "speakers"),
    ("finish", "settings", "memory_details"),
)
TIMES = 50
_HEAP_MB = {"memory_details": 15}
"""Its reports are made on threads, whose heaps keep pages; one that is kept takes a MB each time: 50 MB."""


def _measured(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.functional.screen_memory", *arguments],
        env=os.environ | {"SOTTO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_ten_thousand_lines_of_a_transcript_add_less_than_five_megabytes(tmp_path: Path) -> None:
    found = _measured(tmp_path, "transcript", "10000")
    assert found["height"] > 10_000
    assert found["mb"] < 5


@pytest.mark.timeout(300)  # a hundred and fifty screens, drawn in full
@pytest.mark.parametrize("screens", SCREENS, ids="-".join)
def test_screens_that_were_left_leave_nothing_behind(tmp_path: Path, screens: tuple[str, ...]) -> None:
    """A screen that is kept takes 100 KB to a MB each time: 5 to 50 MB."""
    found = _measured(tmp_path, "open", str(TIMES), *screens)
    assert tuple(found) == screens
    for action, grown in found.items():
        assert grown["drawn"] == 0, (action, grown)
        assert grown["mb"] < _HEAP_MB.get(action, 3), (action, grown)
