"""How much memory a process and the machine hold, read from the kernel. Needs no library but psutil.

On Linux a process is read from `/proc/PID/smaps_rollup` (proc_pid_smaps(5)), whose proportional set size (PSS) divides
shared pages among their users. Elsewhere, and for processes of other users, psutil's resident set stands in for it.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from services.memory.cgroup import ContainerMemory, container
from services.memory.usage import MemoryUsage

_MB = 1024 * 1024
_KB_PER_MB = 1024

WARNING_PERCENT = 80.0
"""From this share of the memory in use on, pressure is High."""
CRITICAL_PERCENT = 90.0
"""From this share on, it is Critical."""
_MEDIUM_BELOW_WARNING = 15.0
"""Medium begins this many points before High: time to be told before it hurts."""
_STALL_PERCENT = 10.0
"""Share of the last ten seconds spent waiting for memory from which on the machine is short of it, whatever is free."""


class Pressure(Enum):
    """How short the memory is, from little to much; exactly these four names reach the screen."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"


@dataclass(frozen=True, slots=True)
class SystemMemory:
    """The machine's memory in MB, and the container's where there is one with a limit.

    Attributes:
        total: What there is: the machine's memory, or the container's limit where that is less.
        available: What can be had without swapping, as the kernel estimates it; in a container at most what its
            limit leaves.
        swap_total: Swap space of the machine.
        swap_used: Swap space in use.
        stall_some: Percent of the last 10 s in which at least one task waited for memory; None where not offered.
        stall_full: Percent of the last 10 s in which all tasks waited for memory; None where not offered.
        container: The limit that counts, if the machine's memory is not the limit.
    """

    total: float
    available: float
    swap_total: float = 0.0
    swap_used: float = 0.0
    stall_some: float | None = None
    stall_full: float | None = None
    container: ContainerMemory | None = None

    @property
    def used_percent(self) -> float:
        return 100.0 * (1.0 - self.available / self.total) if self.total > 0 else 0.0

    def pressure(self, warning: float = WARNING_PERCENT, critical: float = CRITICAL_PERCENT) -> Pressure:
        """How short the memory is.

        Args:
            warning: Percent in use from which on it is High; Medium begins 15 points earlier.
            critical: Percent in use from which on it is Critical.

        Returns:
            The worse of two views: the share in use, and the time lost by waiting (10% of it by some tasks is High,
            by all tasks Critical).
        """
        used = self.used_percent
        if used >= critical or (self.stall_full or 0.0) >= _STALL_PERCENT:
            return Pressure.CRITICAL
        if used >= warning or (self.stall_some or 0.0) >= _STALL_PERCENT:
            return Pressure.HIGH
        return Pressure.MEDIUM if used >= warning - _MEDIUM_BELOW_WARNING else Pressure.LOW


@cache
def machine_mb() -> float:
    """The machine's memory in MB."""
    return psutil.virtual_memory().total / _MB


def usage(pid: int, retries: int = 0) -> MemoryUsage:
    """What process `pid` holds now.

    Args:
        pid: The process.
        retries: So often it is tried again where the kernel refuses: for a moment it does while a program is started.

    Returns:
        All zero for a process that has ended: what is gone holds nothing. `estimated` where the kernel does not tell
        its PSS; a process that cannot be read at all is zero and `estimated`.
    """
    for _ in range(retries + 1):
        try:
            return _from_rollup(pid)
        except (FileNotFoundError, ProcessLookupError):
            break  # it has ended; or the system is not Linux, or one before 4.14
        except (OSError, KeyError, ValueError):
            continue  # it is another user's, or a kernel before 5.3, which does not split, or we have no file left
    return _estimate(pid)


def _from_rollup(pid: int) -> MemoryUsage:
    with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        kb = {name: int(value) for name, value, *_ in (line.split() for line in file.read().splitlines()[1:])}
    pages = _pages(pid)
    pss = kb[b"Pss:"] / _KB_PER_MB
    return MemoryUsage(
        rss=kb[b"Rss:"] / _KB_PER_MB,
        pss=pss,
        anonymous=kb[b"Pss_Anon:"] / _KB_PER_MB,
        file=(kb[b"Pss_File:"] + kb[b"Pss_Shmem:"]) / _KB_PER_MB,
        vms=pages[0] * os.sysconf("SC_PAGE_SIZE") / _MB,
        swap=kb.get(b"SwapPss:", 0) / _KB_PER_MB,
        percent=100.0 * pss / machine_mb(),
    )


def _pages(pid: int) -> list[int]:
    """All pages of process `pid`, and those that are resident (proc_pid_statm(5))."""
    with open(f"/proc/{pid}/statm", "rb") as file:
        return [int(pages) for pages in file.read().split()[:2]]


def resident(pid: int) -> float:
    """How much of process `pid` is resident, in MB, by the kernel's own count: cheap, and good to some dozens of pages.
    NaN where that is not told."""
    try:
        return _pages(pid)[1] * os.sysconf("SC_PAGE_SIZE") / _MB
    except (OSError, ValueError, IndexError):
        return math.nan


def _estimate(pid: int) -> MemoryUsage:
    try:
        process = psutil.Process(pid)
        info = process.memory_info()
    except psutil.NoSuchProcess:
        return MemoryUsage()
    except (psutil.Error, OSError):
        return MemoryUsage(estimated=True)
    if not info.rss:  # it has ended, and nobody has asked how yet
        return MemoryUsage()
    shared = min(max(0, _shared(process, info)), info.rss)
    return MemoryUsage(
        rss=info.rss / _MB,
        pss=info.rss / _MB,
        anonymous=(info.rss - shared) / _MB,
        file=shared / _MB,
        vms=info.vms / _MB,
        percent=100.0 * info.rss / _MB / machine_mb(),
        estimated=True,
    )


def _shared(process: psutil.Process, info: Any) -> int:
    """Bytes of the resident set that other processes may have as well. 0 where the system refuses to tell."""
    try:
        return int(info.shared if sys.platform == "linux" else info.rss - process.memory_full_info().uss)
    except (psutil.Error, OSError):
        return 0


def peak_rss(pid: int) -> float:
    """The most that process `pid` ever held resident, in MB (VmHWM); where the kernel does not tell, what it holds
    now; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) / _KB_PER_MB
    except (FileNotFoundError, ProcessLookupError):
        pass
    return usage(pid).rss


def system() -> SystemMemory:
    """The machine's memory now, and what a container leaves of it."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    total, available = memory.total / _MB, memory.available / _MB
    around = container(total)
    some, full = _stalls()
    return SystemMemory(
        total=around.limit if around else total,
        available=min(available, around.available) if around else available,
        swap_total=swap.total / _MB,
        swap_used=swap.used / _MB,
        stall_some=some,
        stall_full=full,
        container=around,
    )


def _stalls(file: Path = Path("/proc/pressure/memory")) -> tuple[float | None, float | None]:
    """Pressure stall information, avg10 of `some` and `full` in percent (the kernel's accounting/psi.rst)."""
    try:
        text = file.read_text()
    except OSError:  # a kernel without it, or one that forbids it
        return None, None
    found = {line.split()[0]: float(line.split()[1].partition("=")[2]) for line in text.splitlines() if line}
    return found.get("some"), found.get("full")
