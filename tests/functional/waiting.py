"""Waiting for a condition, as tests do: no pause is long enough to decide anything."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for a condition; the time is only there so that a failure does not hang."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
