"""Ctrl-C and SIGTERM: the first one asks for an orderly end, the second one ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def interrupted_by(ask: Callable[[], object]) -> Iterator[None]:
    """While the block runs, the first SIGINT or SIGTERM calls `ask`; the next one of its kind does what it always does.

    `ask` runs on a thread of its own: the main thread may hold the very lock that it needs.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def handle(number: int, _: FrameType | None) -> None:
        signal.signal(number, previous[number])
        threading.Thread(target=ask, name="interrupt").start()

    for number in numbers:
        previous[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, previous[number])
