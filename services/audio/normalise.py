"""From any rate, level and number of channels to 16 kHz mono, in two passes that both only stream.

The first pass measures and keeps nothing but sums; from them follows a `ChannelPlan`. The second pass removes the
constant offset, mixes, sets the level and resamples, block by block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from services.audio.vad import RATE
from services.library.segments import SPEAKERS

Block = NDArray[np.float32]
Samples = NDArray[np.float32]

_PEAK = 0.9
"""Peak that the loudest sample is brought to; the rest of the scale is room for what resampling overshoots."""

_MAX_GAIN = 10 ** (30 / 20)
"""30 dB: enough for a voice at -55 dBFS, too little to make speech of hiss."""

_SILENT = 10 ** (-80 / 20)
"""A channel whose peak is below -80 dBFS holds nothing: this is the last bits of 16."""

_UNUSED = 10 ** (-50 / 20)
"""A channel whose peak is 50 dB below the loudest one holds its noise or crosstalk."""

_SAME_WAVE = 0.5
"""From this correlation on, of the samples, two channels hold the same sound."""

_SAME_SHAPE = 0.7
"""From this correlation on, of the levels, two channels hold the same sound through two microphones."""

_LEVEL_SECONDS = 0.1
_STRETCH_VALUES = 1 << 16
"""A stretch holds at most so many values (256 KB), whatever rate and channels a header claims."""

_LEVEL_FLOOR_DB = -50.0


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels that become one stream.

    Attributes:
        weights: Factor for each channel of the file; a negative one turns a phase round. The gain is in them.
        offset: What the weighted constant offsets of the channels add up to.
        speaker: Label of what is said in it; empty when there is only one group.
    """

    weights: tuple[float, ...]
    offset: float
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """How a file's channels are used.

    Attributes:
        rate: Of the file, in Hz.
        frames: Of the file, as counted.
        groups: One stream, or two where two people (or sides) were recorded apart.
        peak: The loudest sample of the file, offsets removed.
    """

    rate: int
    frames: int
    groups: tuple[ChannelGroup, ...]
    peak: float

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


class Survey:
    """The first pass: what the channels hold, in sums over stretches of a tenth of a second.

    The stretches do not depend on the blocks that it is fed, so neither does the plan.

    Args:
        rate: Hz.
        channels: Number of channels.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._channels = channels
        self._size = max(1, min(round(_LEVEL_SECONDS * rate), _STRETCH_VALUES // channels))
        self._rate = rate
        self._frames = 0
        self._rest = np.zeros((0, channels), np.float32)  # behind the last whole stretch
        self._pivot: Samples | None = None  # first stretch's mean: sums near 0 lose no digits to an offset
        self._scratch = np.zeros(0, np.float32)
        self._low = np.full(channels, np.inf)
        self._high = np.full(channels, -np.inf)
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))
        self._levels = 0
        self._level_sum = np.zeros(channels)
        self._level_products = np.zeros((channels, channels))

    def feed(self, block: Block) -> None:
        """Take in a block, float32 (frames, channels)."""
        if len(self._rest):
            block = np.concatenate([self._rest, block])
        whole = len(block) // self._size * self._size
        self._rest = block[whole:].copy()
        if whole:
            self._measure(block[:whole], self._size)

    def _measure(self, block: Block, size: int) -> None:
        """Take in a block of whole stretches of `size` frames."""
        if self._pivot is None:
            self._pivot = block[:size].mean(axis=0, dtype=np.float64).astype(np.float32)
        if len(self._scratch) < block.size:
            self._scratch = np.empty(block.size, np.float32)
        # Each channel for itself and in one piece: NumPy is several times faster than with channels side by side.
        shifted = self._scratch[: block.size].reshape(self._channels, -1, size)
        for channel, pivot in enumerate(self._pivot):
            np.subtract(block[:, channel], pivot, out=shifted[channel].reshape(-1))
        self._frames += len(block)
        self._low = np.minimum(self._low, shifted.min(axis=(1, 2)))
        self._high = np.maximum(self._high, shifted.max(axis=(1, 2)))
        self._sum += shifted.sum(axis=2).sum(axis=1, dtype=np.float64)
        products = np.vecdot(shifted[:, None], shifted[None]).astype(np.float64)
        self._products += products.sum(axis=2)
        self._add_levels(np.diagonal(products) / size)

    def _add_levels(self, power: NDArray[np.float64]) -> None:
        """Take in the mean squares of stretches, (stretches, channels)."""
        levels = 10 * np.log10(power + 10 ** (_LEVEL_FLOOR_DB / 10))
        # Where nobody speaks all channels agree, which says nothing about who speaks.
        levels = levels[levels.max(axis=1) > _LEVEL_FLOOR_DB + 10]
        self._levels += len(levels)
        self._level_sum += levels.sum(axis=0)
        self._level_products += levels.T @ levels

    def plan(self, apart: tuple[str, ...] = ()) -> ChannelPlan:
        """What to do with the channels.

        Args:
            apart: Labels of the channels where they are known to hold different people: then each is a group of its
                own, whatever it holds.
        """
        if len(self._rest):
            self._measure(self._rest, len(self._rest))
            self._rest = self._rest[:0]
        if self._pivot is None:
            return ChannelPlan(self._rate, 0, (), 0.0)
        mean = self._sum / self._frames
        peaks = np.maximum(self._high - mean, mean - self._low)
        offsets = self._pivot + mean
        groups: list[ChannelGroup]
        if apart:
            groups = [_group([c], [1.0], peaks, offsets, label) for c, label in enumerate(apart)]
        else:
            groups = self._grouped(peaks, offsets)
        return ChannelPlan(self._rate, self._frames, tuple(groups), float(peaks.max()))

    def _grouped(self, peaks: NDArray[np.float64], offsets: NDArray[np.float64]) -> list[ChannelGroup]:
        live = [c for c in range(len(peaks)) if peaks[c] > max(_SILENT, _UNUSED * peaks.max())] or [0]
        wave = _correlation(self._sum, self._products, self._frames)
        shape = _correlation(self._level_sum, self._level_products, self._levels)
        families: list[list[int]] = []
        for c in live:
            for family in families:
                if abs(wave[family[0], c]) >= _SAME_WAVE or shape[family[0], c] >= _SAME_SHAPE:
                    family.append(c)
                    break
            else:
                families.append([c])
        if len(families) != 2:
            families = [live]
        labels = SPEAKERS if len(families) == 2 else ("",)
        groups = []
        for family, label in zip(families, labels, strict=True):
            loudest = max(family, key=lambda c: peaks[c])
            signs = [-1.0 if wave[loudest, c] < -_SAME_WAVE else 1.0 for c in family]
            groups.append(_group(family, signs, peaks, offsets, label))
        return groups


class Resampler:
    """One channel from any rate to 16 kHz, fed in pieces.

    For n samples in, ceil(n * 16000 / rate) come out: the last instant is kept.

    Args:
        rate: Of what is fed, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._in = self._out = 0
        self._stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="VHQ") if rate != RATE else None

    def feed(self, samples: Samples) -> Samples:
        """Take in float32 (n,); returns float32 (m,), what is ready of it."""
        self._in += len(samples)
        ready: Samples = samples if self._stream is None else self._stream.resample_chunk(samples)
        self._out += len(ready)
        return ready

    def flush(self) -> Samples:
        """The tail that was still held."""
        nothing = np.zeros(0, np.float32)
        if self._stream is None:
            return nothing
        tail = self._stream.resample_chunk(nothing, last=True)
        missing = -(-self._in * RATE // self._rate) - self._out
        self._out += missing
        return np.concatenate([tail, np.zeros(max(0, missing - len(tail)), np.float32)])[:missing]


class Normaliser:
    """The second pass for one group: blocks in, 16 kHz mono within -1 and 1 out.

    Args:
        group: Of the plan.
        rate: Of the file, in Hz.
    """

    def __init__(self, group: ChannelGroup, rate: int) -> None:
        self._weights = np.array(group.weights, np.float32)
        self._offset = np.float32(group.offset)
        self._resampler = Resampler(rate)

    def feed(self, block: Block) -> Samples:
        """Take in float32 (frames, channels); returns float32 (n,), what is ready of it."""
        return np.clip(self._resampler.feed(block @ self._weights - self._offset), -1.0, 1.0)

    def flush(self) -> Samples:
        """The tail that the resampler still held."""
        return np.clip(self._resampler.flush(), -1.0, 1.0)


class LiveNormaliser:
    """One channel of a recording that goes on, so that nobody knows yet how loud it will get: blocks in, mono out.

    The level follows the loudest sample so far, which is forgotten slowly. The offset is the mean so far.

    Args:
        channel: Its number.
        rate: Of the recording, in Hz.
    """

    _FORGET_DB = 0.3  # a second

    def __init__(self, channel: int, rate: int) -> None:
        self._channel = channel
        self._rate = rate
        self._resampler = Resampler(rate)
        self._sum, self._count = 0.0, 0
        self._loudest = 0.0

    def feed(self, block: Block) -> Samples:
        """Take in float32 (frames, channels); returns float32 (n,), what is ready of it."""
        mono = block[:, self._channel]
        if not len(mono):
            return np.zeros(0, np.float32)
        self._sum += float(mono.sum(dtype=np.float64))
        self._count += len(mono)
        mono = mono - np.float32(self._sum / self._count)
        self._loudest *= 10 ** (-self._FORGET_DB * len(mono) / self._rate / 20)
        self._loudest = max(self._loudest, float(np.abs(mono).max()), _PEAK / _MAX_GAIN)
        return np.clip(self._resampler.feed(mono * np.float32(_PEAK / self._loudest)), -1.0, 1.0)

    def flush(self) -> Samples:
        """The tail that the resampler still held."""
        return np.clip(self._resampler.flush(), -1.0, 1.0)


def _group(
    channels: list[int], signs: list[float], peaks: NDArray[np.float64], offsets: NDArray[np.float64], speaker: str
) -> ChannelGroup:
    """The mean of `channels`, turned and brought to the peak. The mean's own peak is at most the mean of theirs."""
    weights = np.zeros(len(peaks))
    weights[channels] = np.array(signs) / len(channels)
    peak = float(np.abs(weights) @ peaks)
    weights *= min(_PEAK / peak, _MAX_GAIN) if peak > _SILENT else 1.0
    return ChannelGroup(tuple(weights.tolist()), float(weights @ offsets), speaker)


def _correlation(total: NDArray[np.float64], products: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Pearson's coefficients from sums; 0 for what does not vary."""
    if not count:
        return np.zeros_like(products)
    covariance = products / count - np.outer(total, total) / count**2
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = np.outer(deviation, deviation)
    result: NDArray[np.float64] = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-18)
    return result
