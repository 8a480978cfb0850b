"""One look at a program: its processes, what each holds, the machine. What cannot be read is tried again, then
estimated, and said."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import psutil

from services.memory.alert import MemoryAlert
from services.memory.components import COMPONENTS, SYSTEM, TOTAL, UI, Parts
from services.memory.probe import SystemMemory, resident, system, usage
from services.memory.recovery import RECOVERY, Trouble, alert_of
from services.memory.rules import limits, thresholds
from services.memory.snapshot import ComponentMemory, Ledger, MemorySnapshot, Recent
from services.memory.usage import MemoryUsage
from services.memory.whole import Whole
from services.settings import MemorySettings

_RETRIES = RECOVERY[Trouble.MONITORING].retries

_UNCHANGED_MB = 0.25
_BELIEVED_SECONDS = 30.0
"""The kernel walks through all pages of a process to tell its shares, 6 ms for each GB, but keeps count of how many are
resident. As long as that count is the same, so is the rest; after half a minute it is read again all the same."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Known:
    """What a process held when it was read last."""

    usage: MemoryUsage
    resident: float
    at: float


class Survey:
    """Measures one program again and again, and keeps the running figures of its components.

    Args:
        pid: The process to measure with all that it started.
        machine: Measures the machine.
    """

    def __init__(self, pid: int, machine: Callable[[], SystemMemory] = system) -> None:
        self._whole = Whole(pid)
        self._machine = machine
        self._ledgers: dict[str, Ledger] = {}
        self._total = Ledger(TOTAL)
        self._recent = Recent()
        self._parts: Parts = {UI: (pid,)} if pid == os.getpid() else {}
        self._known: dict[int, _Known] = {}
        self._pids: frozenset[int] = frozenset()
        self._system = SystemMemory(0.0, 0.0)
        self._latest: MemorySnapshot | None = None
        self.troubles: tuple[MemoryAlert, ...] = ()
        """What the last look could not read."""

    def look(self, settings: MemorySettings | None = None) -> MemorySnapshot:
        """Measure now.

        Args:
            settings: Give the limits and the thresholds of pressure; without them there are no limits.
        """
        now, troubles = time.monotonic(), list[MemoryAlert]()
        self._parts = self._try(self._whole.parts, self._parts, troubles, TOTAL, "The processes")
        self._system = self._try(self._machine, self._system, troubles, SYSTEM, "The machine's memory")
        for name in self._parts:
            self._ledgers.setdefault(name, Ledger(name))
        names = sorted(self._ledgers, key=lambda name: (*COMPONENTS, name).index(name))
        allowed = limits(settings) if settings else {}
        self._forget()
        components = tuple(self._measure(name, now, allowed.get(name, 0.0), troubles) for name in names)
        pids = tuple(pid for component in components for pid in component.pids)
        held = sum((component.usage for component in components), MemoryUsage())
        total = self._total.add(now, pids, held, allowed.get(TOTAL, 0.0))
        pressure = self._system.pressure(*thresholds(settings)) if settings else self._system.pressure()
        self.troubles = tuple(troubles)
        recent = self._recent.add(now, held.pss)
        self._latest = MemorySnapshot(time.time(), components, total, self._system, pressure, recent=recent)
        return self._latest

    def raise_peak(self, component: str, mb: float) -> None:
        """`component` held so many MB of PSS at a moment when nobody looked."""
        self._ledgers.setdefault(component, Ledger(component)).raise_peak(mb)
        if self._latest is not None:
            known = self._latest.component(component)
            self._total.raise_peak(self._latest.total.usage.pss - (known.usage.pss if known else 0.0) + mb)

    def _try(self, read: Callable[[], _T], known: _T, troubles: list[MemoryAlert], component: str, what: str) -> _T:
        """What `read` gives, tried as often as the table of recoveries says; else what was known."""
        why = ""
        for _ in range(_RETRIES + 1):
            try:
                return read()
            except (OSError, ValueError, psutil.Error) as error:
                why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        said = f"{what} cannot be read ({why}): what was known before stands in."
        troubles.append(alert_of(Trouble.MONITORING, component, said, tried=_RETRIES))
        return known

    def _forget(self) -> None:
        """A process that came or went shares pages with the others: all of them are read again."""
        pids = frozenset(pid for found in self._parts.values() for pid in found)
        if pids != self._pids:
            self._known = {pid: replace(self._known[pid], at=-math.inf) for pid in pids & self._known.keys()}
            self._pids = pids

    def _read(self, pid: int, now: float) -> MemoryUsage:
        """What process `pid` holds, from the kernel, or from the last time where nothing has changed."""
        known, count = self._known.get(pid), resident(pid)
        if known is not None and now - known.at < _BELIEVED_SECONDS and abs(count - known.resident) < _UNCHANGED_MB:
            return known.usage
        memory = usage(pid, _RETRIES)
        if not memory.estimated:
            self._known[pid] = _Known(memory, count, now)
        return memory

    def _measure(self, name: str, now: float, limit: float, troubles: list[MemoryAlert]) -> ComponentMemory:
        held: dict[int, MemoryUsage] = {}
        estimated = unreadable = False
        for pid in self._parts.get(name, ()):
            memory = self._read(pid, now)
            if memory.estimated and not memory.rss:
                unreadable = True
                memory = replace(self._known[pid].usage, estimated=True) if pid in self._known else memory
            if memory == MemoryUsage():
                continue  # it has ended, and nobody has reaped it yet
            estimated |= memory.estimated
            held[pid] = memory
        if unreadable:
            said = f"The memory of {name} cannot be read: what was known before stands in."
            troubles.append(alert_of(Trouble.MONITORING, name, said, tried=_RETRIES))
        elif estimated and _kernel_tells_shares():
            said = f"The memory of {name} cannot be read exactly: its resident set stands in."
            troubles.append(alert_of(Trouble.MONITORING, name, said))
        return self._ledgers[name].add(now, tuple(held), sum(held.values(), MemoryUsage()), limit)


@cache
def _kernel_tells_shares() -> bool:
    """Where it does not, estimates are the rule and no trouble."""
    return os.path.exists("/proc/self/smaps_rollup")
