"""The memory monitor: a thread that measures every component of a sotto and keeps the latest picture.

Measuring costs about a millisecond. Nothing here grows with time: a component's past is a peak, a mean and at most 180
points.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from services.errors import StorageError, UsageError
from services.files import JsonLines
from services.library.meeting import Meeting
from services.memory.components import COMPONENTS, RECORDER, Parts, detached_recorder, is_recorder, parts
from services.memory.probe import peak_rss, system, usage
from services.memory.report import log_record
from services.memory.snapshot import ComponentMemory, Ledger, MemorySnapshot
from services.memory.usage import MemoryUsage

__all__ = ["MemoryMonitor", "MemorySnapshot", "Peak", "look"]

_log = logging.getLogger("sotto.memory")

TOTAL = "Total"
_WATCHED_SECONDS = 2.0
_PEAK_SECONDS = 0.25
_DETACHED_SECONDS = 60.0
"""A look through all processes for a recorder that outlived its app is dear, and rarely finds one."""
_JOIN_SECONDS = 5.0


class MemoryMonitor:
    """Measures a program, once at the start and then again and again, on a thread of its own.

    Args:
        interval: Seconds between two measurements.
        pid: The process to measure with all that it started; this one when not given.
    """

    def __init__(self, interval: float = 10.0, pid: int | None = None) -> None:
        self._interval = interval
        self._every = interval
        self._pid = os.getpid() if pid is None else pid
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._ledgers: dict[str, Ledger] = {}
        self._total = Ledger(TOTAL)
        self._recorder: int | None = None
        self._looked_at: float | None = None
        self._file: JsonLines | None = None
        self.latest: MemorySnapshot | None = None
        """The latest picture; None until the first measurement is done."""

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Measure a last time and end the thread. Nothing happens when it was never started."""
        if self._thread.ident is not None:
            self._orders.put(self._stop)
            self._thread.join(_JOIN_SECONDS)

    def watch(self, on: bool) -> None:
        """Measure every two seconds while somebody looks."""

        def order() -> None:
            self._every = min(self._interval, _WATCHED_SECONDS) if on else self._interval

        self._orders.put(order)

    def follow(self, meeting: Path | None) -> None:
        """Write every measurement to memory.jsonl in the folder `meeting` from now on; None ends it."""
        self._orders.put(lambda: self._follow(meeting))

    def saw(self, component: str, mb: float) -> None:
        """Somebody else measured `component` at a moment that counts: just before it was unloaded, say.

        Its peak is at least so many MB of PSS then, though no measurement of the monitor fell on it.
        """

        def order() -> None:
            self._ledgers.setdefault(component, Ledger(component)).raise_peak(mb)
            if self.latest is not None:
                known = self.latest.component(component)
                self._total.raise_peak(self.latest.total.usage.pss - (known.usage.pss if known else 0.0) + mb)

        self._orders.put(order)

    def sample(self) -> MemorySnapshot:
        """Measure now. Called by the thread; a program that has none calls it itself."""
        now = time.monotonic()
        found = parts(self._pid)
        if RECORDER not in found and (recorder := self._detached(now)) is not None:
            found |= {RECORDER: (recorder,)}
        for name in found:
            self._ledgers.setdefault(name, Ledger(name))
        names = sorted(self._ledgers, key=lambda name: (*COMPONENTS, name).index(name))
        components = tuple(self._measure(name, found, now) for name in names)
        pids = tuple(pid for component in components for pid in component.pids)
        total = self._total.add(now, pids, sum((c.usage for c in components), MemoryUsage()))
        machine = system()
        self.latest = MemorySnapshot(time.time(), components, total, machine, machine.pressure())
        return self.latest

    def _measure(self, name: str, found: Parts, now: float) -> ComponentMemory:
        held = {pid: usage(pid) for pid in found.get(name, ())}
        # What has ended and nobody has reaped yet is no longer running.
        pids = tuple(pid for pid, memory in held.items() if memory != MemoryUsage())
        return self._ledgers[name].add(now, pids, sum(held.values(), MemoryUsage()))

    def _detached(self, now: float) -> int | None:
        if self._recorder is not None and not is_recorder(self._recorder):
            self._recorder = None
        if self._recorder is None and (self._looked_at is None or now - self._looked_at >= _DETACHED_SECONDS):
            self._looked_at = now
            self._recorder = detached_recorder(self._pid)
        return self._recorder

    def _run(self) -> None:
        while not self._stopping:
            self._append(self.sample())
            try:
                order = self._orders.get(timeout=self._every)
            except queue.Empty:
                continue
            order()
        self._end_file()

    def _stop(self) -> None:
        self._append(self.sample())
        self._stopping = True

    def _follow(self, meeting: Path | None) -> None:
        self._append(self.sample())
        self._end_file()
        if meeting is not None:
            try:
                self._file = JsonLines(Meeting(meeting).memory)
            except StorageError as error:
                _log.warning("%s", error)

    def _append(self, snapshot: MemorySnapshot) -> None:
        if self._file is None:
            return
        try:
            self._file.append(log_record(snapshot))
        except StorageError as error:
            # The figures are not worth a failed meeting; the recorder will say that the disk is full.
            _log.warning("%s", error)
            self._end_file()

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Peak:
    """The most that this process and all it started hold together during a `with` block, measured four times a second.

    with Peak() as peak:
        work()
    peak.pss_mb
    """

    def __init__(self) -> None:
        self._monitor = MemoryMonitor(_PEAK_SECONDS)

    @property
    def snapshot(self) -> MemorySnapshot | None:
        """The latest picture, its peaks being those of the block; None before the first measurement."""
        return self._monitor.latest

    @property
    def pss_mb(self) -> float:
        return self.snapshot.total.peak if self.snapshot else 0.0

    def __enter__(self) -> Peak:
        self._monitor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._monitor.close()


def look(pid: int) -> MemorySnapshot:
    """One picture of a program that was not watched. Its peaks are the sums of what the kernel remembers of each
    process (VmHWM: the largest resident set, shared pages in full).

    Raises:
        UsageError: There is no such process.
    """
    possible = 0 < pid < 1 << 31  # psutil refuses other numbers
    snapshot = MemoryMonitor(pid=pid).sample() if possible else None
    if snapshot is None or not snapshot.components:
        raise UsageError(f"There is no process {pid}.", "`sotto monitor` without a number finds the running sotto.")
    components = tuple(_with_kernel_peak(component) for component in snapshot.components)
    return replace(snapshot, components=components, total=_with_kernel_peak(snapshot.total))


def _with_kernel_peak(component: ComponentMemory) -> ComponentMemory:
    return replace(component, peak=sum(map(peak_rss, component.pids)))
