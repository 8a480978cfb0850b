"""The watchdog: ends a model that takes more than it may, and knows the most that each one took."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from services.errors import MemoryLimitError
from services.hosted import HostedModel
from services.lasting import Lasting
from services.lifecycle import ModelState
from services.memory.admission import Caps, raise_hint
from services.memory.whole import Whole
from services.residency import Residency

_log = logging.getLogger("sotto.memory")

_LOOK_SECONDS = 0.25
_STRIKES = 2
"""So many looks in a row have to find too much: what is let go of at once is not worth a model."""
_TOTAL = "total"
_JOIN_SECONDS = 5.0
_MB = 1024 * 1024


class Guard:
    """Looks at the models four times a second while one is loaded, on a thread that lives as long.

    The resident set, which is told at once, is never less than the PSS, for which the kernel walks through all pages:
    that is asked for only where it can matter.

    Args:
        models: All models there are.
        residency: Ends them: in order where nobody uses them.
        caps: What they may take now.
        whole: What all of sotto holds.
    """

    def __init__(
        self, models: Sequence[HostedModel], residency: Residency, caps: Callable[[], Caps], whole: Whole
    ) -> None:
        self._models = tuple(models)
        self._residency = residency
        self._caps = caps
        self._whole = whole
        self._strikes: Counter[str] = Counter()
        self._highest: dict[int, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._steps = Lasting("the memory guard")

    def watch(self) -> None:
        """Look from now on until no model is loaded. More than once does no harm."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                thread = threading.Thread(target=self._run, name="memory guard", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no room for a thread; the next call may find some
                    _log.warning("limits are not watched yet: %s", error)
                else:
                    self._thread = thread

    def close(self) -> None:
        """Look no more; returns when the thread has ended."""
        self._stop.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_JOIN_SECONDS)

    def look(self) -> None:
        """Look once."""
        caps = self._caps()
        pids = {model.pid for model in self._models}
        self._highest = {pid: mb for pid, mb in self._highest.items() if pid in pids}
        for model in self._models:
            self._look_at(model, caps.of(model.name))
        self._look_at_all(caps.total)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            self._steps.do(self.look)
            with self._lock:
                if not any(model.state is not ModelState.UNLOADED for model in self._models):
                    self._thread = None
                    self._strikes.clear()
                    return

    def _look_at(self, model: HostedModel, cap: float) -> None:
        pid = model.pid
        if pid is None:
            self._strikes[model.name] = 0
            return
        if not model.alive:
            self._residency.bury(model)
            return
        resident = _resident(pid)
        if resident <= self._highest.get(pid, 0.0) and (not cap or resident <= cap):
            self._strikes[model.name] = 0
            return
        self._highest[pid] = max(resident, self._highest.get(pid, 0.0))
        held = model.measure().pss
        if self._too_often(model.name, bool(cap) and held > cap):
            words = f"{model.status.engine} took {held:.0f} MB, and {cap:.0f} MB are allowed."
            self._residency.end(model, MemoryLimitError(words, raise_hint(model.name)))

    def _look_at_all(self, cap: float) -> None:
        if not cap:
            return
        resident = sum(_resident(pid) for pids in self._whole.parts().values() for pid in pids)
        held = sum(self._whole.held().values()) if resident > cap else 0.0
        if self._too_often(_TOTAL, held > cap):
            victim = next(iter((*self._residency.idle, *(model for model in self._models if model.alive))), None)
            if victim is not None:
                words = f"All of sotto took {held:.0f} MB, and {cap:.0f} MB are allowed."
                self._residency.end(victim, MemoryLimitError(words, raise_hint(_TOTAL)))

    def _too_often(self, what: str, over: bool) -> bool:
        """Whether `what` has been over its limit so often in a row that something is to be done."""
        self._strikes[what] = self._strikes[what] + 1 if over else 0
        if self._strikes[what] < _STRIKES:
            return False
        self._strikes[what] = 0
        return True


def _resident(pid: int) -> float:
    """The resident set of process `pid` in MB; 0 when it has ended; where only a costly look can tell, without end."""
    if sys.platform != "linux":
        return float("inf")
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MB
    except OSError:
        return 0.0
