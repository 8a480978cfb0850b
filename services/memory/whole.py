"""All processes of one program, and what they hold at this moment, by component."""

from __future__ import annotations

import os
import time

from services.memory.components import RECORDER, Parts, detached_recorder, is_recorder, parts
from services.memory.probe import usage

_DETACHED_SECONDS = 60.0
"""A look through all processes for a recorder that outlived its app is dear, and rarely finds one."""


class Whole:
    """A program with all that it started, and the recorder that it controls though another app started it.

    Args:
        pid: The program; this one when not given.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._pid = os.getpid() if pid is None else pid
        self._recorder: int | None = None
        self._looked_at: float | None = None

    def held(self) -> dict[str, float]:
        """MB of PSS of each component that runs now."""
        return {name: sum(usage(pid).pss for pid in pids) for name, pids in self.parts().items()}

    def parts(self) -> Parts:
        """The processes of each component."""
        found = parts(self._pid)
        recorder = None if RECORDER in found else self._detached()
        return found if recorder is None else found | {RECORDER: (recorder,)}

    def _detached(self) -> int | None:
        if self._recorder is not None and not is_recorder(self._recorder):
            self._recorder = None
        now = time.monotonic()
        if self._recorder is None and (self._looked_at is None or now - self._looked_at >= _DETACHED_SECONDS):
            self._looked_at = now
            self._recorder = detached_recorder(self._pid)
        return self._recorder
