"""What the memory panel, the commands and the logs are told: one frozen picture of all components and the machine."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from services.memory.alert import MemoryAlert
from services.memory.leaks import leak
from services.memory.probe import Pressure, SystemMemory
from services.memory.trend import Trend, TrendWindow
from services.memory.usage import MemoryUsage

RECENT_SECONDS = 10.0
"""So much time each of `MemorySnapshot.recent` stands for."""
RECENT_FIGURES = 60


@dataclass(frozen=True, slots=True)
class ComponentMemory:
    """One component, or the total.

    Attributes:
        name: One of `services.memory.components.COMPONENTS`, `Total`, or the name of a process that is not ours.
        pids: Its processes that hold memory; empty when it does not run now.
        usage: What they hold now, in MB.
        peak: The most they held at one measurement, in MB of PSS.
        average: What they held on average while there were any, in MB of PSS.
        slope: Growth in MB an hour of what only ending the process gives back: pages of a mapped model that are read
            one after another are no growth.
        trend: What the slope means.
        limit: The most it may take, in MB; 0 where it has no limit.
        leak: MB an hour that it takes and never gives back (see `services.memory.leaks`); 0 where it does not.
    """

    name: str
    pids: tuple[int, ...]
    usage: MemoryUsage
    peak: float
    average: float
    slope: float = 0.0
    trend: Trend = Trend.STABLE
    limit: float = 0.0
    leak: float = 0.0

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
        recent: What all components held together in the last ten minutes, in MB, one figure for every ten seconds, the
            latest last.
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
        self._leak = 0.0

    def add(self, now: float, pids: tuple[int, ...], usage: MemoryUsage, limit: float = 0.0) -> ComponentMemory:
        """Take a measurement and tell how the component stands.

        Args:
            now: Seconds of a clock that does not go back.
            pids: The processes that were measured. Others than before: the trend begins anew.
            usage: What they hold together.
            limit: The most they may take, in MB; 0 for no limit.
        """
        if set(pids) != set(self._pids):
            self._window.clear()
            self._leak = 0.0
        self._pids = pids
        self._peak = max(self._peak, usage.pss)
        if pids:
            if self._last is not None:
                self._weigh(now, usage.pss)
            self._last = (now, usage.pss)
            if self._window.add(now, usage.private):
                self._leak = leak(self._window.points)
        else:
            self._last = None
        return ComponentMemory(
            self.name,
            pids,
            usage,
            self._peak,
            self._average(),
            self._window.slope,
            self._window.trend,
            limit,
            self._leak,
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


class Recent:
    """What all components held together in the last ten minutes: one figure for every ten seconds, the most of them.

    Where measurements are further apart, the last figure stands for the time between.
    """

    def __init__(self) -> None:
        self._figures: deque[float] = deque(maxlen=RECENT_FIGURES)
        self._slot: int | None = None

    def add(self, now: float, mb: float) -> tuple[float, ...]:
        """Take a measurement; returns the figures, the latest last. `now` is of a clock that does not go back."""
        slot = int(now // RECENT_SECONDS)
        if slot == self._slot:
            self._figures[-1] = max(self._figures[-1], mb)
        else:
            if self._slot is not None:
                missed = min(RECENT_FIGURES, slot - self._slot - 1)
                self._figures.extend([self._figures[-1]] * missed)
            self._figures.append(mb)
            self._slot = slot
        return tuple(self._figures)
