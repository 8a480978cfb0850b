"""A ring buffer between a sound callback, which must never wait, and the thread that writes to disk."""

from __future__ import annotations

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

    Attributes:
        overflows: Frames that came while it was full. They are lost; the older ones stay.
    """

    def __init__(self, frames: int, channels: int) -> None:
        self._data: Samples = np.empty((frames, channels), np.float32)
        self._data.fill(0)  # touches every page now, so that no callback has to wait for the kernel
        self._size = frames
        self._written = 0
        self._read = 0
        self.overflows = 0

    @property
    def free(self) -> int:
        """Frames that can be written."""
        return self._size - (self._written - self._read)

    @property
    def filled(self) -> int:
        """Frames that can be read."""
        return self._written - self._read

    def write(self, samples: Samples) -> None:
        """Copy `samples` in, as many as fit. Allocates no buffer, takes no lock. The writing thread's."""
        count = len(samples)
        fit = min(count, self._size - (self._written - self._read))
        start = self._written % self._size
        before_end = min(fit, self._size - start)
        self._data[start : start + before_end] = samples[:before_end]
        self._data[: fit - before_end] = samples[before_end:fit]
        self._written += fit
        self.overflows += count - fit

    def views(self) -> tuple[Samples, Samples]:
        """Everything that can be read, oldest first, as two views (the second one often empty). The reading thread's.

        They are valid until `consume`.
        """
        start, filled = self._read % self._size, self.filled
        before_end = min(filled, self._size - start)
        return self._data[start : start + before_end], self._data[: filled - before_end]

    def consume(self, frames: int) -> None:
        """Give back the oldest `frames` to the writing thread."""
        self._read += frames
