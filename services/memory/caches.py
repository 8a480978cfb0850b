"""What the app's own process can let go of: registered caches, garbage, and pages of the heap that are free."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
from collections.abc import Callable
from functools import cache

from services.memory.probe import usage


class Caches:
    """The caches of one program. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drops: list[Callable[[], None]] = []

    def register(self, drop: Callable[[], None]) -> None:
        """From now on `drop` is called when memory is to be let go of, on any thread. It returns at once."""
        with self._lock:
            self._drops.append(drop)

    def drop(self) -> float:
        """Let go of everything; returns the MB of PSS that this process gave back."""
        before = usage(os.getpid()).pss
        with self._lock:
            drops = tuple(self._drops)
        for drop in drops:
            drop()
        gc.collect()
        _trim()
        return max(0.0, before - usage(os.getpid()).pss)


def _trim() -> None:
    """Give free pages of the heap back to the system (malloc_trim(3)); nothing where the C library has no such call."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


@cache
def _library() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
