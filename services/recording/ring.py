"""A ring buffer between a sound callback, which must never wait, and the thread that writes to disk."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Samples (frames, channels), full scale -1 to 1."""


class Ring:
    """Frames in a buffer made once. One thread writes, one reads; neither waits for the other, and there is no lock.

    Safe because each side changes only its own counter, after it has touched the samples, and reads the other's once.

    Args:
        frames: How many frames it holds.
        channels: Number of channels.
        now: The clock, in seconds.
        proof: Asked by the reading thread whether what has been written until now is what it should be. Until it says
            so, the reader does not get to see it. None: everything is.

    Attributes:
        overflows: Frames that came while it was full. They are lost; the older ones stay.
    """

    def __init__(
        self,
        frames: int,
        channels: int,
        now: Callable[[], float] = time.monotonic,
        proof: Callable[[], bool] | None = None,
    ) -> None:
        self._data: Samples = np.empty((frames, channels), np.float32)
        self._data.fill(0)  # touches every page now, so that no callback has to wait for the kernel
        self._size = frames
        self._now = now
        self._proof = proof
        self._written = 0
        self._last_write = 0.0
        self._read = 0
        self._proven = 0
        self._proven_at = 0.0
        self._void = 0
        self._trusted = (0, 0.0)
        self._holes: deque[tuple[int, int]] = deque()
        self.overflows = 0

    @property
    def free(self) -> int:
        """Frames that can be written."""
        return self._size - (self._written - self._read)

    @property
    def filled(self) -> int:
        """Frames that can be read. The reading thread's."""
        self._prove()
        return self._proven - self._read - sum(end - begin for begin, end in self._holes)

    @property
    def written_at(self) -> float:
        """When the last of the frames was written that can be read, or were read. The reading thread's."""
        return self._proven_at

    def write(self, samples: Samples) -> None:
        """Copy `samples` in, as many as fit. Allocates no buffer, takes no lock. The writing thread's."""
        count = len(samples)
        fit = min(count, self._size - (self._written - self._read))
        start = self._written % self._size
        before_end = min(fit, self._size - start)
        self._data[start : start + before_end] = samples[:before_end]
        self._data[: fit - before_end] = samples[before_end:fit]
        self._last_write = self._now()
        self._written += fit
        self.overflows += count - fit

    def views(self) -> tuple[Samples, Samples]:
        """What can be read, oldest first, as two views (the second one often empty). The reading thread's.

        It is everything, unless something was made `void` in between: then it is what came before that. The views are
        valid until `consume`.
        """
        self._prove()
        end = self._holes[0][0] if self._holes else self._proven
        start, count = self._read % self._size, end - self._read
        before_end = min(count, self._size - start)
        return self._data[start : start + before_end], self._data[: count - before_end]

    def consume(self, frames: int) -> None:
        """Give back the oldest `frames` of those that can be read to the writing thread."""
        while self._holes and self._read + frames >= self._holes[0][0]:
            begin, end = self._holes.popleft()
            frames -= begin - self._read
            self._read = end
        self._read += frames

    def void(self) -> None:
        """What nobody has been let read until now is not what it should be, and never will be read. Any one thread."""
        self._void = self._written

    def mark(self) -> tuple[int, float]:
        """How far it is written, for `trust`."""
        return self._written, self._last_write

    def trust(self, mark: tuple[int, float]) -> None:
        """Up to that mark everything is what it should be, whatever the proof says now. The thread of `void`."""
        self._trusted = mark

    def _prove(self) -> None:
        # In this order: what the proof does not know of yet is not covered by it.
        written, at = self._written, self._last_write
        good = self._proof is None or self._proof()
        if self._void > self._proven:
            self._holes.append((self._proven, self._void))
            self._proven = self._void
        if not good:
            written, at = self._trusted
        if written > self._proven:
            self._proven, self._proven_at = written, at
        if self._holes and self._holes[0][0] == self._read:
            self._read = self._holes.popleft()[1]
