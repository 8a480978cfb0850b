"""What the screen holds: long transcripts, and screens that come and go, in an app that has a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.functional.screen_memory import SCREENS, measured

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")

TIMES = 12
"""As often as tells a screen that is kept from one that is not; `make bench BENCH_ARGS=screens` opens each 50 times."""
_SECONDS = 110
_HEAP_MB = {"memory_details": 10}
"""Its reports are made on threads, whose heaps keep pages; one that is kept takes a MB each time."""


def test_ten_thousand_lines_of_a_transcript_add_less_than_five_megabytes(tmp_path: Path) -> None:
    found = measured(tmp_path, "transcript", "10000", seconds=_SECONDS)
    assert found["height"] > 10_000
    assert found["mb"] < 5


@pytest.mark.parametrize("screens", SCREENS, ids="-".join)
def test_screens_that_were_left_leave_nothing_behind(tmp_path: Path, screens: tuple[str, ...]) -> None:
    """A screen that is kept takes 100 KB to a MB each time: 1 to 12 MB."""
    found = measured(tmp_path, "open", str(TIMES), *screens, seconds=_SECONDS)
    assert tuple(found) == screens
    for action, grown in found.items():
        assert grown["drawn"] <= 0, (action, grown)  # one that was left before may have gone meanwhile
        assert grown["mb"] < _HEAP_MB.get(action, 3), (action, grown)
