"""What the system offers to keep a child in order: death with its parent, priority, a look at what it does."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

import psutil

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_MODEL_OOM_SCORE = 500  # of 1000: when memory runs out, a model goes before the recorder and the user's programs
_MODEL_NICE = 5


def die_with_parent() -> None:
    """Called in the child: on Linux the kernel ends it when the thread that started it ends."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the request reached the kernel
            os._exit(1)


def make_expendable(pid: int) -> None:
    """Let the system prefer everything else to process `pid`: for memory (Linux) and for the processor."""
    try:
        if sys.platform == "linux":
            with open(f"/proc/{pid}/oom_score_adj", "w") as file:
                file.write(str(_MODEL_OOM_SCORE))
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + _MODEL_NICE)
    except OSError:
        # It ended already, or a container forbids it: the work goes on without the preference.
        return


@dataclass(frozen=True, slots=True)
class Effort:
    """What a process has done so far: seconds of processor time and major page faults (reads from disk)."""

    cpu_s: float = 0.0
    faults: int = 0


def effort(pid: int) -> Effort:
    """The effort of process `pid`; nothing when it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return Effort()
    return Effort(times.user + times.system, _major_faults(pid))


def _major_faults(pid: int) -> int:
    if sys.platform != "linux":
        return 0
    try:
        with open(f"/proc/{pid}/stat") as file:
            # The name in field 2 may hold blanks; what follows its bracket begins with field 3. majflt is field 12.
            return int(file.read().rpartition(")")[2].split()[9])
    except OSError:
        return 0
