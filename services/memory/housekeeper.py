"""The thread that looks after the memory: it sleeps, and now and then tidies up and lets the optimizer look."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from services.lasting import Lasting
from services.memory.optimizer import Optimizer

_JOIN_SECONDS = 5.0
_AGAIN_SECONDS = 10.0
"""After a look that failed, the optimizer looks again."""


class Housekeeper:
    """Ticks an optimizer, and tidies at intervals.

    Args:
        optimizer: Says itself when it wants to look again.
        tidy: Lets go of what has been idle for too long; called on the thread.
        seconds: Time between two calls of `tidy`.
    """

    def __init__(self, optimizer: Optimizer, tidy: Callable[[], None], seconds: float) -> None:
        self._optimizer = optimizer
        self._tidy = tidy
        self._seconds = seconds
        self._wake = threading.Event()
        self._closing = False
        self._steps = Lasting("the housekeeper")
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def every(self, seconds: float) -> None:
        """Tidy at another interval from now on; the optimizer looks at once."""
        self._seconds = seconds
        self._wake.set()

    def close(self) -> None:
        """End the thread. Nothing happens when it was never started."""
        self._closing = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        tidied_at = time.monotonic()
        while not self._closing:
            pause = self._steps.do(self._optimizer.tick)
            left = tidied_at + self._seconds - time.monotonic()
            if left <= 0:
                self._steps.do(self._tidy)
                tidied_at, left = time.monotonic(), self._seconds
            self._wake.wait(min(_AGAIN_SECONDS if pause is None else pause, left))
            self._wake.clear()
