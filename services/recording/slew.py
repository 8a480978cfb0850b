"""Sound made a little shorter or longer, so that a device whose clock is off stays beside the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.recording.ring import Samples

_HALF = 16
"""Samples on either side that a value between two samples is made of."""

_PHASES = 512
"""Steps between two samples for which the filter is kept; in between it is interpolated (error below -100 dB)."""

_BETA = 9.0
"""Kaiser window: ripple below -90 dB, flat up to 0.8 of half the sample rate."""


def _filters() -> Samples:
    """Windowed sinc, (steps, samples): row p gives the value p / _PHASES behind the sample number _HALF - 1."""
    shift = np.arange(_PHASES + 1)[:, None] / _PHASES
    distance = np.arange(1 - _HALF, _HALF + 1)[None, :] - shift
    window = np.i0(_BETA * np.sqrt(np.clip(1 - (distance / _HALF) ** 2, 0, None))) / np.i0(_BETA)
    table = np.sinc(distance) * window
    return np.asarray(table / table.sum(axis=1, keepdims=True), np.float32)


_TABLE: Samples = _filters()


class Slewer:
    """Reads a stream of one channel at a speed that differs from its own by a small `rate`, which may change any time.

    As long as no rate has been set, samples pass unchanged and at once. From then on they come `_HALF` samples late.

    Attributes:
        rate: 0.001: every 1000 samples become 999.
        removed: Samples that went in and did not come out, those that wait left aside; negative: that were added.
    """

    def __init__(self) -> None:
        self.rate = 0.0
        self.removed = 0.0
        self._reset()

    def _reset(self) -> None:
        self._kept: Samples = np.zeros((_HALF, 1), np.float32)
        self._at = float(_HALF)  # where in what is kept the next sample is read

    def process(self, samples: Samples) -> Samples:
        """What `samples`, float32 (frames, 1), become. The array may be `samples` itself."""
        whole = np.concatenate([self._kept, samples])
        if self.rate == 0.0 and self._at == len(self._kept):
            self._keep(whole, float(len(whole)))
            return samples
        return self._read(whole, len(whole) - _HALF)

    def flush(self) -> Samples:
        """The rest. What comes next begins afresh."""
        length = len(self._kept)
        rest = self._read(np.concatenate([self._kept, np.zeros((_HALF, 1), np.float32)]), length)
        self._reset()
        return rest

    def _read(self, whole: Samples, end: int) -> Samples:
        """Read on in `whole` as far as before `end`."""
        step = 1.0 + self.rate
        count = max(0, int(np.ceil((end - self._at) / step)))
        if not count:
            self._keep(whole, self._at)
            return np.zeros((0, 1), np.float32)
        places = self._at + step * np.arange(count)
        self._keep(whole, self._at + step * count)
        self.removed += self.rate * count
        return _between(whole[:, 0], places)[:, None]

    def _keep(self, whole: Samples, at: float) -> None:
        first = max(0, int(at) - _HALF)
        self._kept = whole[first:].copy()
        self._at = at - first


def _between(signal: NDArray[np.float32], places: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The values of `signal` at `places`, in samples, which may lie between two of them."""
    before = np.floor(places).astype(np.int64)
    phase = (places - before) * _PHASES
    row = phase.astype(np.int64)
    share = (phase - row).astype(np.float32)[:, None]
    weights = _TABLE[row] * (1 - share) + _TABLE[np.minimum(row + 1, _PHASES)] * share
    around = np.lib.stride_tricks.sliding_window_view(signal, 2 * _HALF)[before - (_HALF - 1)]
    values: NDArray[np.float32] = np.einsum("ij,ij->i", around, weights)
    return values
