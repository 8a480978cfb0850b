"""A sound that tells its own position, so that a recording can be compared with what was played.

Noise never repeats itself: a tenth of a second of it is found in the whole by cross-correlation, and there is one place
only where it fits. `Beacon` is such a noise, `found` says which stretch of a recording is which stretch of it. So a
test can say of a recording: everything between two moments is there, once, in order, and nothing has moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

Signal = NDArray[np.float64]
"""Samples of one channel, full scale 1."""

RATE = 16000
"""Of recordings, in Hz."""

EDGE = 0.02
"""So exactly `found` tells where a stretch begins and ends, in seconds: two frames of it."""

_PLAYED_RATE = 48000
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 3000.0
_LEVEL = 0.1

_ANCHOR = round(0.1 * RATE)
_FRAME = round(0.01 * RATE)
_HOP = _FRAME // 2
_SLACK = 3
"""Between two frames the clocks of two devices do not move further apart than so many samples."""
_ANCHORED, _ALIKE = 0.8, 0.6
"""Correlations. 2700 Hz of band give 54 independent values in a frame: chance seldom makes more than 0.4 of them."""
_SILENCE = 1e-3


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a recording that is a stretch of what was played. All in seconds.

    Attributes:
        at: Where it begins in the recording.
        of: Where it begins in what was played.
        seconds: How long it is.
        slip: How much later its end is than its beginning, measured against what was played.
    """

    at: float
    of: float
    seconds: float
    slip: float = 0.0

    @property
    def end(self) -> float:
        """Where it ends in the recording."""
        return self.at + self.seconds

    @property
    def of_end(self) -> float:
        """Where it ends in what was played."""
        return self.of + self.seconds - self.slip

    @property
    def shift(self) -> float:
        """How much later it is in the recording."""
        return self.at - self.of


class Beacon:
    """A noise between 300 and 3000 Hz, at -20 dB of full scale: loud enough not to count as silence, never clipping.

    Args:
        seconds: How long it is.
        seed: Another one gives another noise, which is never found in this one.
    """

    def __init__(self, seconds: float, seed: int = 1) -> None:
        self.seconds = seconds
        self._seed = seed

    def at(self, rate: int) -> Signal:
        """Its samples at `rate` Hz. The spectrum is the same at any rate, so they are the same sound."""
        count = round(self.seconds * rate)
        bins = np.fft.rfftfreq(count, 1 / rate)
        inside = np.flatnonzero((bins >= _LOWEST_HZ) & (bins <= _HIGHEST_HZ))
        phases = np.random.default_rng(self._seed).uniform(0, 2 * np.pi, len(inside))
        spectrum = np.zeros(len(bins), np.complex128)
        spectrum[inside] = np.exp(1j * phases)
        signal = np.fft.irfft(spectrum, count)
        return np.asarray(signal * (_LEVEL / np.sqrt(np.mean(signal**2))), np.float64)

    @cached_property
    def samples(self) -> Signal:
        """At the rate of recordings."""
        return self.at(RATE)

    @cached_property
    def spectrum(self) -> NDArray[np.complex128]:
        """Of `samples`."""
        return np.asarray(np.fft.rfft(self.samples), np.complex128)

    def size_of_pieces(self, length: int) -> Signal:
        """The norm of every piece of `samples` that is so long."""
        energy = np.concatenate([[0.0], np.cumsum(self.samples**2)])
        return np.asarray(np.sqrt(energy[length:] - energy[:-length]), np.float64)

    def save(self, path: Path) -> Path:
        """Write it as a WAV file for players."""
        soundfile.write(path, self.at(_PLAYED_RATE), _PLAYED_RATE, subtype="PCM_16")
        return path


def found(recorded: Signal, beacon: Beacon) -> list[Stretch]:
    """The stretches of `recorded`, in order, that are stretches of `beacon`. What is neither is passed over.

    Args:
        recorded: One channel at `RATE`.
        beacon: What was played.
    """
    played = beacon.samples
    stretches: list[Stretch] = []
    position = done = 0
    while position + _ANCHOR <= len(recorded):
        place = _locate(recorded[position : position + _ANCHOR], beacon)
        if place is None:
            position += _ANCHOR // 2
            continue
        begin, first = _follow(recorded, played, position, place, -1, done)
        end, last = _follow(recorded, played, position, place, 1, len(recorded))
        if end - begin < _ANCHOR // 2:  # only a part of the anchor is in it: the next one will be better
            position += _ANCHOR // 2
            continue
        stretches.append(Stretch(begin / RATE, (begin + first) / RATE, (end - begin) / RATE, (first - last) / RATE))
        position = done = end
    return stretches


def _locate(piece: Signal, beacon: Beacon) -> int | None:
    """Where in `beacon` a piece is, in samples; None where it is not."""
    size = np.linalg.norm(piece)
    if size < _SILENCE * np.sqrt(len(piece)):
        return None
    count = len(beacon.samples)
    # A circle as long as the beacon: only places are looked at from which the piece does not reach over its end.
    product = np.fft.irfft(beacon.spectrum * np.fft.rfft(piece, count).conj(), count)[: count - len(piece) + 1]
    alike = product / (beacon.size_of_pieces(len(piece)) * size)
    at = int(np.argmax(alike))
    return at if alike[at] > _ANCHORED else None


def _follow(recorded: Signal, played: Signal, position: int, place: int, step: int, limit: int) -> tuple[int, int]:
    """Go on from `position`, which is `place` in `played`, as far as both stay alike.

    Returns where that ends, and how much later that is in `played`.
    """
    lag = place - position
    edge = position
    at = position if step > 0 else position - _HOP
    while (at + _FRAME <= limit) if step > 0 else (at >= limit):
        frame = recorded[at : at + _FRAME]
        scores = [_alike(frame, played, at + lag + shift) for shift in range(-_SLACK, _SLACK + 1)]
        best = int(np.argmax(scores))
        if scores[best] < _ALIKE:
            break
        # Only a whole step pulls it along: the best of nearly equal ones is chance.
        if scores[best] > scores[_SLACK] + 0.02:
            lag += best - _SLACK
        edge = at + _FRAME if step > 0 else at
        at += step * _HOP
    return edge, lag


def _alike(frame: Signal, played: Signal, at: int) -> float:
    there = played[max(at, 0) : at + len(frame)]
    if len(there) < len(frame) or at < 0:
        return -1.0
    size = np.linalg.norm(frame)
    return float(frame @ there / (size * np.linalg.norm(there) + 1e-12)) if size > 1e-6 else 0.0


def whole(recorded: Signal, beacon: Beacon, until: float | None = None) -> Stretch:
    """Assert that `beacon` is in `recorded` from its beginning on, once and without a seam; returns where.

    Args:
        recorded: One channel at `RATE`.
        beacon: What was played.
        until: So far at least, in seconds of the beacon; None: to its end.
    """
    stretches = found(recorded, beacon)
    assert len(stretches) == 1, stretches
    (stretch,) = stretches
    assert stretch.of <= EDGE, stretch
    assert stretch.of_end >= (beacon.seconds if until is None else until) - EDGE, (stretch, until)
    assert abs(stretch.slip) <= EDGE, stretch
    return stretch


def in_place(recorded: Signal, beacon: Beacon, gaps: Sequence[tuple[float, float]], tolerance: float) -> list[Stretch]:
    """Assert that all of `beacon` is at its place in `recorded`, save for what is marked as missing.

    Args:
        recorded: One channel at `RATE`.
        beacon: What was played.
        gaps: What is marked: where in the recording, and how long, in seconds.
        tolerance: So far may something be from its place, in seconds.

    Returns:
        The stretches; between each two of them something is missing.
    """
    stretches = found(recorded, beacon)
    assert stretches, "nothing of it is there"
    for before, after in pairwise(stretches):
        assert abs(after.shift - before.shift) <= tolerance, (before, after)
        hole = after.at - before.end
        told = sum(max(0.0, min(after.at, at + long) - max(before.end, at)) for at, long in gaps)
        assert told >= hole - 2 * tolerance, (before, after, gaps)
    return stretches
