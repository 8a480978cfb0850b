"""What the memory panel, the commands and the logs are told: one frozen picture of all components and the machine."""

from __future__ import annotations

from dataclasses import dataclass

from services.memory.alert import MemoryAlert
from services.memory.probe import Pressure, SystemMemory
from services.memory.trend import Trend, TrendWindow
from services.memory.usage import MemoryUsage


@dataclass(frozen=True, slots=True)
class ComponentMemory:
    """One component, or the total.

    Attributes:
        name: One of `services.memory.components.COMPONENTS`, `Total`, or the name of a process that is not ours.
        pids: Its processes that hold memory; empty when it does not run now.
        usage: What they hold now, in MB.
        peak: The most they held at one measurement, in MB of PSS.
        average: What they held on average while there were any, in MB of PSS.
        slope: Growth in MB an hour.
        trend: What the slope means.
        limit: The most it may take, in MB; 0 where it has no limit.
    """

    name: str
    pids: tuple[int, ...]
    usage: MemoryUsage
    peak: float
    average: float
    slope: float = 0.0
    trend: Trend = Trend.STABLE
    limit: float = 0.0

    @property
    def running(self) -> bool:
        return bool(self.pids)


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """All components at one moment.

    Attributes:
        time: Seconds since the epoch.
        components: Those that run, and those that did.
        total: Their sum. Its peak is the peak of the sum, not the sum of the peaks.
        system: The machine.
        pressure: How short the machine's memory is.
        alerts: What is wrong now, the worst first.
        recent: What all components held together in the last minutes, in MB, the latest last.
    """

    time: float
    components: tuple[ComponentMemory, ...]
    total: ComponentMemory
    system: SystemMemory
    pressure: Pressure
    alerts: tuple[MemoryAlert, ...] = ()
    recent: tuple[float, ...] = ()

    def component(self, name: str) -> ComponentMemory | None:
        return next((component for component in self.components if component.name == name), None)


class Ledger:
    """The running figures of one component. Of constant size."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pids: tuple[int, ...] = ()
        self._peak = 0.0
        self._seconds = 0.0
        self._mb_seconds = 0.0
        self._last: tuple[float, float] | None = None
        self._window = TrendWindow()

    def add(self, now: float, pids: tuple[int, ...], usage: MemoryUsage) -> ComponentMemory:
        """Take a measurement and tell how the component stands.

        Args:
            now: Seconds of a clock that does not go back.
            pids: The processes that were measured. Others than before: the trend begins anew.
            usage: What they hold together.
        """
        if set(pids) != set(self._pids):
            self._window.clear()
        self._pids = pids
        self._peak = max(self._peak, usage.pss)
        if pids:
            if self._last is not None:
                self._weigh(now, usage.pss)
            self._last = (now, usage.pss)
            self._window.add(now, usage.pss)
        else:
            self._last = None
        return ComponentMemory(
            self.name, pids, usage, self._peak, self._average(), self._window.slope, self._window.trend
        )

    def raise_peak(self, mb: float) -> None:
        """The component held at least so many MB of PSS once."""
        self._peak = max(self._peak, mb)

    def _weigh(self, now: float, mb: float) -> None:
        """Measurements are not evenly spaced, so each stretch counts by its length, at the mean of its two ends."""
        then, before = self._last or (now, mb)
        self._seconds += now - then
        self._mb_seconds += (now - then) * (mb + before) / 2

    def _average(self) -> float:
        if self._seconds > 0:
            return self._mb_seconds / self._seconds
        return self._last[1] if self._last else self._peak
