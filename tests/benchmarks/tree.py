"""The memory of a process and all that it started, for benchmarks."""

from __future__ import annotations

import os
import threading

import psutil

from services.memory.probe import usage
from services.memory.usage import MemoryUsage

LOOK_SECONDS = 0.25


def tree(pid: int | None = None) -> MemoryUsage:
    """What process `pid`, or this one, and everything below it hold; nothing when it has ended."""
    try:
        process = psutil.Process(pid or os.getpid())
        pids = [process.pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return MemoryUsage()
    return sum(map(usage, pids), MemoryUsage())


class TreePeak:
    """The largest PSS of a process and all below it during a `with` block, looked at four times a second.

    Args:
        pid: The process; this one when not given.
    """

    def __init__(self, pid: int | None = None) -> None:
        self.mb = 0.0
        self._pid = pid or os.getpid()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            self.mb = max(self.mb, tree(self._pid).pss)

    def __enter__(self) -> TreePeak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
