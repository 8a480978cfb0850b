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
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from services.errors import UsageError
from services.events import (
    Emit,
    Event,
    FellBack,
    MeetingFinished,
    MemoryAlerted,
    ModelChanged,
    Optimized,
    RecordingStarted,
    RecordingStopped,
    StageChanged,
)
from services.lasting import Lasting
from services.memory.account import Facts, MemoryReport, account
from services.memory.alert import MemoryAlert
from services.memory.alerts import AlertBook
from services.memory.diary import CAPTIONS, MODELS, PROCESSING, READY, RECORD, UNLOADED, Diary, Fallback
from services.memory.document import report_json, sections, title
from services.memory.history import History
from services.memory.optimizer import ALERT
from services.memory.probe import Pressure, SystemMemory, peak_rss, system
from services.memory.published import Publisher
from services.memory.recovery import Trouble, alert_of, trouble_of
from services.memory.rules import findings
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.survey import Survey
from services.settings import MemorySettings

__all__ = ["MemoryMonitor", "MemorySnapshot", "Peak", "look"]

_log = logging.getLogger("sotto.memory")

_WATCHED_SECONDS = 2.0
_MOST_OF_A_CORE = 0.004
"""The kernel walks through all pages of a process to tell what it holds: 6 ms for each GB. Where that is much, it is
measured less often."""
_PEAK_SECONDS = 0.25
_MOST_FOR_A_PEAK = 0.02
"""The same while only the peak of a job is sought: that is over soon, and a look too few would miss it."""
_JOIN_SECONDS = 5.0
_PROCESS, _TRANSCRIBE = "process", "transcribe"


class MemoryMonitor:
    """Measures a program, once at the start and then again and again, on a thread of its own.

    Args:
        interval: Seconds between two measurements.
        pid: The process to measure with all that it started; this one when not given.
        emit: Receives a `MemoryAlerted` for each alert that is raised, gets worse or is over, on the monitor's thread.
        machine: Measures the machine.
        facts: What the engines told of the models that are loaded, by job; for the report.
        next_steps: What would be done if memory were short, as sentences; for the report.
        publish: Let other terminals see the report (`sotto monitor`, `sotto report`).
    """

    def __init__(
        self,
        interval: float = 10.0,
        pid: int | None = None,
        emit: Emit | None = None,
        machine: Callable[[], SystemMemory] = system,
        facts: Callable[[], Facts] = dict,
        next_steps: Callable[[], Sequence[str]] = tuple,
        publish: bool = False,
    ) -> None:
        self._interval = interval
        self._emit = emit
        self._facts = facts
        self._next_steps = next_steps
        self._publisher = Publisher() if publish else None
        self._settings: MemorySettings | None = None
        self._watched = False
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = False
        self._steps = Lasting("the memory monitor")
        self._costs = (0.0, 0.0)
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._pid = os.getpid() if pid is None else pid
        self._survey = Survey(self._pid, machine)
        self._alerts = AlertBook()
        self._advised: dict[str, MemoryAlert] = {}
        self.diary = Diary()
        """What happened to the memory since the start. Read by anybody, written by the monitor."""
        self._history = History()
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
        self._wake()  # it measures at once, by what is new

    def watch(self, on: bool) -> None:
        """Measure every two seconds while somebody looks."""
        self._watched = on
        self._wake()

    def _wake(self) -> None:
        """Let the thread measure, where there is one: without it orders would only pile up."""
        if self._thread.is_alive():
            self._orders.put(_nothing)

    def follow(self, meeting: Path | None) -> None:
        """Write every measurement to memory.jsonl in the folder `meeting` from now on; None ends it."""
        self._orders.put(lambda: self._follow(RECORD, meeting))

    def checkpoint(self, name: str) -> None:
        """Measure now, and keep it under a name: in the report, and in memory.jsonl of the meeting in work."""
        self._orders.put(lambda: self._checkpoint(name))

    def saw(self, component: str, mb: float) -> None:
        """Somebody else measured `component` at a moment that counts: just before it was unloaded, say.

        Its peak is at least so many MB of PSS then, though no measurement of the monitor fell on it.
        """
        self._orders.put(lambda: self._saw(component, mb))

    def tell(self, event: Event) -> None:
        """Take note of what happens to models, recordings and meetings. Returns at once."""
        match event:
            case ModelChanged():
                self._orders.put(lambda: self._model_changed(event))
            case RecordingStarted(meeting=meeting):
                self._orders.put(lambda: self._begin(RECORD, RECORD, meeting))
            case RecordingStopped():
                self._orders.put(lambda: self._end(RECORD, RECORD))
                self._orders.put(self._forget_fallbacks)
            case StageChanged(meeting=meeting, stage=stage, status="running"):
                self._orders.put(lambda: self._begin(_PROCESS, stage, meeting))
            case StageChanged(stage=stage, status="done" | "failed" | "skipped"):
                self._orders.put(lambda: self._end("", stage))
            case MeetingFinished():
                self._orders.put(lambda: self._follow(_PROCESS, None))
                self._orders.put(self._forget_fallbacks)
            case FellBack(model=job, old=old, new=new, reason=reason):
                fallback = Fallback(job, old, new, reason, time.time())
                self._orders.put(lambda: self._fell_back(fallback))
            case Optimized(result=result):
                self._orders.put(lambda: self.diary.optimized(result))
            case MemoryAlerted(alert=alert) if alert.key == ALERT:
                self.advise(alert)
            case _:
                pass

    def advise(self, alert: MemoryAlert) -> None:
        """Show an alert that somebody else raised and told, until it is advised again as resolved."""

        def order() -> None:
            if alert.resolved:
                self._advised.pop(alert.key, None)
            else:
                self._advised[alert.key] = alert

        self._orders.put(order)

    def report(self) -> MemoryReport | None:
        """All that is known now; None before the first measurement. Any thread."""
        snapshot = self.latest
        if snapshot is None:
            return None
        return account(self._pid, snapshot, self.diary, self._alerts.past, self._facts(), self._next_steps())

    def sample(self) -> MemorySnapshot:
        """Measure now. Called by the thread; a program that has none calls it itself."""
        settings = self._settings
        snapshot = self._survey.look(settings)
        self.diary.see(snapshot)
        told: list[MemoryAlert] = []
        if settings is not None:
            found = [*findings(snapshot, settings, self._alerts.severities), *self._survey.troubles]
            told = self._alerts.look(snapshot.time, [*found, *self.diary.lingering(snapshot)])
            advised = {key: alert for key, alert in self._advised.items() if key not in self._alerts.severities}
            snapshot = replace(snapshot, alerts=(*self._alerts.open, *advised.values()))
        self.latest = snapshot  # before anybody is told, so that who is told finds it
        for alert in told:
            self._warn(alert)
        return snapshot

    def _warn(self, alert: MemoryAlert) -> None:
        said = "over" if alert.resolved else alert.severity.value
        _log.log(logging.INFO if alert.resolved else logging.WARNING, "%s: %s %s", said, alert.key, alert.message)
        if self._emit is not None:
            self._emit(MemoryAlerted(alert))

    def _run(self) -> None:
        while not self._stopping:
            self._steps.do(self._measure)
            try:
                order = self._orders.get(timeout=self._every())
            except queue.Empty:
                continue
            self._steps.do(order)
        self._history.close()
        if self._publisher is not None:
            self._publisher.close()

    def _measure(self, at_once: bool = False) -> MemorySnapshot:
        begun = time.thread_time()
        snapshot = self.sample()
        self._history.measured(snapshot, time.monotonic(), at_once)
        self._publish()
        self._costs = (self._costs[1], time.thread_time() - begun)
        return snapshot

    def _publish(self) -> None:
        report, settings = self.report(), self._settings
        if self._publisher is not None and report is not None and settings is not None:
            parts = [{"title": part.title, "rows": part.rows, "lines": part.lines} for part in sections(report)]
            told = {"report": report_json(report), "title": title(report), "sections": parts}
            self._publisher.publish(told | {"settings": settings.model_dump()})

    def _every(self) -> float | None:
        """Seconds to the next measurement; None where the settings want none before something happens."""
        settings = self._settings
        if settings is None:
            wanted = min(self._interval, _WATCHED_SECONDS) if self._watched else self._interval
            return max(wanted, min(self._costs) / _MOST_FOR_A_PEAK)
        if not settings.enable_monitoring and not self.diary.loaded:
            return None
        pressed = self.latest is not None and self.latest.pressure in (Pressure.HIGH, Pressure.CRITICAL)
        quick = self._watched or pressed or self.diary.busy
        wanted = min(self._interval, _WATCHED_SECONDS) if quick else self._interval
        return max(wanted, min(self._costs) / _MOST_OF_A_CORE)  # one that was dear by chance changes nothing

    def _stop(self) -> None:
        self._stopping = True
        self._measure(at_once=True)

    def _follow(self, work: str, meeting: Path | None) -> None:
        settings = self._settings
        wanted = meeting if settings is None or settings.memory_report else None
        if self._history.follows(work, wanted):
            return
        self._measure(at_once=True)
        self._history.follow(work, wanted)
        if wanted is not None and self.latest is not None:
            self._history.measured(self.latest, time.monotonic(), at_once=True)

    def _begin(self, work: str, operation: str, meeting: Path) -> None:
        self._follow(work, meeting)
        self.diary.begin(time.time(), operation, meeting.name)

    def _end(self, work: str, operation: str) -> None:
        if self.diary.running(operation):
            self._measure(at_once=True)
            over = self.diary.end(time.time(), operation)
            if over is not None:
                self._history.operation(over)
        if work:
            self._follow(work, None)

    def _checkpoint(self, name: str) -> None:
        snapshot = self.sample()
        self._history.checkpoint(self.diary.checkpoint(name, snapshot), snapshot)

    def _saw(self, component: str, mb: float) -> None:
        self._survey.raise_peak(component, mb)
        if self.latest is not None:
            known = self.latest.component(component)
            rest = self.latest.total.usage.pss - (known.usage.pss if known else 0.0)
            self.diary.saw(component, mb, rest + mb)

    def _model_changed(self, event: ModelChanged) -> None:
        now, job = time.time(), event.model
        if event.freed_mb is not None:
            self._saw(MODELS[job], event.freed_mb)
        point = self.diary.model(now, job, event.engine, event.new, event.reason, event.freed_mb)
        if event.old == UNLOADED:
            self.diary.begin(now, f"load {job}", event.engine)
        elif event.new in (READY, UNLOADED):
            self._end("", f"load {job}")
        if job == "stt" and event.new == PROCESSING and not self.diary.running(_TRANSCRIBE):
            self.diary.begin(now, CAPTIONS, event.engine)
        elif job == "stt" and event.new != PROCESSING:
            self._end("", CAPTIONS)
        if point:
            self._checkpoint(point)

    def _fell_back(self, fallback: Fallback) -> None:
        """Show it as long as the work goes on; `FellBack` has told it already."""
        self.diary.fell_back(fallback)
        said = f"{fallback.old} was short of memory; {fallback.new} goes on."
        alert = alert_of(Trouble.ALLOCATION, MODELS[fallback.job], said)
        self._advised[alert.key] = replace(alert, time=fallback.time)

    def _forget_fallbacks(self) -> None:
        self._advised = {
            key: alert for key, alert in self._advised.items() if trouble_of(alert) is not Trouble.ALLOCATION
        }


def _nothing() -> None:
    """An order after which the monitor measures, as after any."""


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


def look(pid: int, settings: MemorySettings | None = None) -> MemorySnapshot:
    """One picture of a program that was not watched. Its peaks are the sums of what the kernel remembers of each
    process (VmHWM: the largest resident set, shared pages in full).

    Args:
        pid: Of the program.
        settings: Limits and thresholds; without them there are no limits and no alerts.

    Raises:
        UsageError: There is no such process.
    """
    possible = 0 < pid < 1 << 31  # psutil refuses other numbers
    monitor = MemoryMonitor(pid=pid)
    if settings is not None:
        monitor.configure(settings)
    snapshot = monitor.sample() if possible else None
    if snapshot is None or not snapshot.components:
        raise UsageError(f"There is no process {pid}.", "Leave the number out: the sotto that runs is found.")
    components = tuple(_with_kernel_peak(component) for component in snapshot.components)
    return replace(snapshot, components=components, total=_with_kernel_peak(snapshot.total))


def _with_kernel_peak(component: ComponentMemory) -> ComponentMemory:
    return replace(component, peak=sum(map(peak_rss, component.pids)))
