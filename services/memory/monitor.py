"""The memory monitor: a thread that measures every component of a sotto and keeps the latest picture.

Measuring costs about a millisecond. Nothing here grows with time: a component's past is a peak, a mean and at most 180
points, and of alerts that are over the last fifty are kept.
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
from services.events import Emit, MemoryAlerted
from services.files import JsonLines
from services.library.meeting import Meeting
from services.memory.alert import MemoryAlert
from services.memory.alerts import AlertBook
from services.memory.components import COMPONENTS, RECORDER, TOTAL, Parts, detached_recorder, is_recorder, parts
from services.memory.probe import Pressure, SystemMemory, peak_rss, system, usage
from services.memory.report import log_record
from services.memory.rules import findings, limits, thresholds
from services.memory.snapshot import ComponentMemory, Ledger, MemorySnapshot, Recent
from services.memory.usage import MemoryUsage
from services.settings import MemorySettings

__all__ = ["MemoryMonitor", "MemorySnapshot", "Peak", "look"]

_log = logging.getLogger("sotto.memory")

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
        emit: Receives a `MemoryAlerted` for each alert that is raised, gets worse or is over, on the monitor's thread.
        machine: Measures the machine.
    """

    def __init__(
        self,
        interval: float = 10.0,
        pid: int | None = None,
        emit: Emit | None = None,
        machine: Callable[[], SystemMemory] = system,
    ) -> None:
        self._interval = interval
        self._emit = emit
        self._machine = machine
        self._settings: MemorySettings | None = None
        self._watched = False
        self._pid = os.getpid() if pid is None else pid
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._ledgers: dict[str, Ledger] = {}
        self._total = Ledger(TOTAL)
        self._recorder: int | None = None
        self._looked_at: float | None = None
        self._file: JsonLines | None = None
        self._alerts = AlertBook()
        self._recent = Recent()
        self.latest: MemorySnapshot | None = None
        """The latest picture; None until the first measurement is done."""

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Measure a last time and end the thread. Nothing happens when it was never started."""
        if self._thread.ident is not None:
            self._orders.put(self._stop)
            self._thread.join(_JOIN_SECONDS)

    def configure(self, settings: MemorySettings) -> None:
        """Measure, limit and warn by these settings from now on; without them there are no limits and no alerts."""
        self._settings, self._interval = settings, settings.sample_seconds
        self._orders.put(lambda: None)  # it measures at once, by what is new

    def watch(self, on: bool) -> None:
        """Measure every two seconds while somebody looks."""
        self._watched = on
        self._orders.put(lambda: None)

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
        settings = self._settings
        allowed = limits(settings) if settings else {}
        components = tuple(self._measure(name, found, now, allowed.get(name, 0.0)) for name in names)
        pids = tuple(pid for component in components for pid in component.pids)
        held = sum((c.usage for c in components), MemoryUsage())
        total = self._total.add(now, pids, held, allowed.get(TOTAL, 0.0))
        machine = self._machine()
        snapshot = MemorySnapshot(
            time.time(),
            components,
            total,
            machine,
            machine.pressure(*thresholds(settings)) if settings else machine.pressure(),
            recent=self._recent.add(now, held.pss),
        )
        if settings:
            told = self._alerts.look(snapshot.time, findings(snapshot, settings, self._alerts.severities))
            snapshot = replace(snapshot, alerts=self._alerts.open)
        self.latest = snapshot  # before anybody is told, so that who is told finds it
        for alert in told if settings else ():
            self._tell(alert)
        return snapshot

    def _tell(self, alert: MemoryAlert) -> None:
        said = "over" if alert.resolved else alert.severity.value
        _log.log(logging.INFO if alert.resolved else logging.WARNING, "%s: %s %s", said, alert.key, alert.message)
        if self._emit is not None:
            self._emit(MemoryAlerted(alert))

    def _measure(self, name: str, found: Parts, now: float, limit: float) -> ComponentMemory:
        held = {pid: usage(pid) for pid in found.get(name, ())}
        # What has ended and nobody has reaped yet is no longer running.
        pids = tuple(pid for pid, memory in held.items() if memory != MemoryUsage())
        return self._ledgers[name].add(now, pids, sum(held.values(), MemoryUsage()), limit)

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
                order = self._orders.get(timeout=self._every())
            except queue.Empty:
                continue
            order()
        self._end_file()

    def _every(self) -> float:
        """Seconds to the next measurement: two while somebody looks, or while memory is short."""
        pressed = self.latest is not None and self.latest.pressure in (Pressure.HIGH, Pressure.CRITICAL)
        return min(self._interval, _WATCHED_SECONDS) if self._watched or pressed else self._interval

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
