"""Which of what one channel holds is the other channel's voice, through a loudspeaker, a room and a microphone.

For each direction a model of that way is kept: how late the other voice comes, how it dies away, and how loud each band
of it is. It is learnt from the last half minute, also while both talk: a band of the microphone is at least as loud as
the echo in it, so the lower part of what is measured tells the echo. A frame is echo when the model explains its bands;
where enough of them are louder than that, somebody else speaks, whether the other one does or not.

Everything goes by frames and by fixed steps of them, so how the stream was cut into blocks changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.audio.vad import FRAME, RATE

Samples = NDArray[np.float32]
Bands = NDArray[np.float32]

_EDGES_HZ = (150, 300, 450, 600, 800, 1000, 1250, 1550, 1900, 2400, 3000, 3800, 4800, 6200)
"""Bands of speech, about two critical bands wide."""

_BANDS = len(_EDGES_HZ) - 1
_FLOOR = 1e-9
"""Power of a band below which nothing is compared: about -80 dBFS in it."""

_HISTORY = 1024
"""Frames that the model is learnt from: 33 s."""

_STEP = 64
"""Frames after which it is learnt anew: 2 s."""

_LATEST = 16
"""Frames that an echo may come late: half a second."""

_DECAYS = (0.3, 0.55, 0.8)
"""What is left of an echo's power after a frame: rooms that die away by 60 dB in 0.2, 0.4 and 1.0 s."""

_ACTIVE_DB = 18.0
"""The far voice is heard where it is so far below its loud places at most."""

_FEWEST = 64
"""Frames with the far voice (2 s) before a model is made."""

_LIVELY_DB = 4.0
"""A voice varies by 6 dB and more. What is steadier has nothing that it could be known again by."""

_ALIKE = 0.35
"""Correlation of the two channels' bands, in dB over time, from which on one holds the other. Two people who talk
independently come to 0.2 at the most."""

_LOWER = 0.5
"""Part of the measured levels that is below the echo: the others are raised by other voices."""

_OVER_NOISE_DB = 9.0
"""What is less above the noise says nothing."""

_QUIET = 0.02
"""Part of the time in which a band of the microphone holds no more than its noise."""

_LOUDEST_DB = 8.0
"""An echo is louder than the voice itself by so much at most. What is more is the voice, and the other one its echo."""

_ABOVE_DB = 8.0
"""A band that is so much above the echo in it holds something else."""

_HEARD_DB = 25.0
"""Bands so far below the loudest one of their frame are not looked at."""

_OTHERS = 0.2
"""The part of the bands that are above their echo from which on somebody else speaks."""

_LOUDER_DB = 3.0
"""A voice that is so much louder in one channel is that one's, where each could be the other's echo."""

_VOICE = 0.1
"""Probability of speech below which a frame is no sign of somebody else."""

_AROUND = 2
"""Frames before and after one that are looked at with it."""


class _Spectrum:
    """Powers of the bands of each frame of a stream, in dB."""

    def __init__(self) -> None:
        self._before = np.zeros(FRAME // 2, np.float32)
        self._taper = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)
        bins = np.fft.rfftfreq(FRAME, 1 / RATE)
        edges = np.array(_EDGES_HZ)
        inside = (bins[:, None] >= edges[:-1]) & (bins[:, None] < edges[1:])
        self._sums = (inside / (FRAME * np.sum(self._taper**2))).astype(np.float32)

    def feed(self, frames: Samples) -> Bands:
        """float32 (k, FRAME) in, powers (k, bands) out."""
        if not len(frames):
            return np.zeros((0, _BANDS), np.float32)
        stream = np.concatenate([self._before, frames.reshape(-1)])
        self._before = stream[len(stream) - FRAME // 2 :]
        # Two tapered halves for a frame, so that none of its samples is at an edge in both.
        starts = np.lib.stride_tricks.sliding_window_view(stream, FRAME)[:: FRAME // 2]
        spectrum = np.fft.rfft(starts * self._taper, axis=1)
        powers = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        # A product for each frame: one for all would round differently from block to block.
        bands = np.matmul(powers.reshape(len(frames), 2, -1), self._sums)
        result: Bands = bands.mean(axis=1) + np.float32(_FLOOR)
        return result


class _Way:
    """The way from one channel (far) into the other (near)."""

    def __init__(self) -> None:
        self._near = np.zeros((0, _BANDS), np.float32)  # dB
        self._far = np.zeros((len(_DECAYS), 0, _BANDS), np.float32)  # dB, for each decay
        self._tail = np.zeros((len(_DECAYS), _BANDS), np.float32)
        self.late = self._decay = 0
        self._gains: Bands | None = None  # dB
        self._noise = np.zeros(_BANDS, np.float32)  # dB
        self.likeness = 0.0

    def add(self, near: Bands, far: Bands) -> None:
        """Take in powers of the next frames, (k, bands) each."""
        decays = np.array(_DECAYS, np.float32)[:, None]
        tails = np.empty((len(_DECAYS), len(far), _BANDS), np.float32)
        for i, power in enumerate(far):
            self._tail = self._tail * decays + power * (1 - decays)
            tails[:, i] = self._tail
        self._near = np.concatenate([self._near, _decibels(near)])[-_HISTORY:]
        self._far = np.concatenate([self._far, _decibels(tails)], axis=1)[:, -_HISTORY:]

    def learn(self) -> None:
        """Look anew for an echo in what is kept."""
        loud = self._far[0].max(axis=1)
        active = loud > max(float(np.quantile(loud, 0.95)) - _ACTIVE_DB, -70.0)
        best, found = _ALIKE, None
        for late in range(min(_LATEST, len(loud) - 1)):
            chosen = active[: len(loud) - late]
            if np.count_nonzero(chosen) < _FEWEST:
                continue
            near = self._near[late:][chosen]
            near = near - near.mean(axis=0)
            strength = float(np.sum(near**2))
            for decay in range(len(_DECAYS)):
                far = self._far[decay, : len(loud) - late][chosen]
                far = far - far.mean(axis=0)
                if float(np.mean(far**2)) < _LIVELY_DB**2:
                    continue
                alike = float(np.sum(near * far)) / (np.sqrt(strength * float(np.sum(far**2))) + 1e-9)
                if alike > best:
                    best, found = alike, (late, decay)
        self.likeness = best if found else 0.0
        self._gains = None
        if found is not None:
            self.late, self._decay = found
            chosen = active[: len(loud) - self.late]
            more = self._near[self.late :][chosen] - self._far[self._decay, : len(loud) - self.late][chosen]
            gains = np.quantile(more, _LOWER, axis=0).astype(np.float32)
            if float(gains.mean()) <= _LOUDEST_DB:
                self._gains = gains
                self._noise = np.quantile(self._near, _QUIET, axis=0).astype(np.float32)

    def others(self, first: int, count: int) -> Bands:
        """For frames from `first` on, counted in what is kept: which part of their bands the echo does not explain.

        float32 (count,); 1 where there is no echo.
        """
        if self._gains is None:
            return np.ones(count, np.float32)
        near = self._near[first : first + count]
        places = np.arange(first, first + count) - self.late
        echo = self._far[self._decay, np.maximum(places, 0)] + self._gains
        heard = near > np.maximum(near.max(axis=1, keepdims=True) - _HEARD_DB, self._noise + _OVER_NOISE_DB)
        above = (near > echo + _ABOVE_DB) & heard
        count_heard = heard.sum(axis=1)
        result: Bands = np.where(count_heard > 0, above.sum(axis=1) / np.maximum(count_heard, 1), 1.0).astype(
            np.float32
        )
        return result

    @property
    def kept(self) -> int:
        """Frames that are kept."""
        return len(self._near)


class EchoGate:
    """Takes from each of two channels the voice that it has from the other one.

    Frames come out `ahead` and a few frames later than they went in, so that an echo is judged by what has been learnt
    from its beginning.

    Args:
        ahead: Frames to look ahead; at most half of what is learnt from.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._spectra = (_Spectrum(), _Spectrum())
        self._ways = (_Way(), _Way())  # into the first channel, into the second
        self._frames: list[Samples] = [np.zeros((0, FRAME), np.float32) for _ in range(2)]
        self._said: list[Samples] = [np.zeros(0, np.float32) for _ in range(2)]
        self._others: list[Bands] = [np.zeros(0, np.float32) for _ in range(2)]  # from `_AROUND` frames before those on
        self._seen = self._judged = self._given = 0

    def feed(self, frames: list[Samples], said: list[Samples]) -> tuple[list[Samples], list[Samples]]:
        """Take in frames of both channels, float32 (k, FRAME), and the probabilities of speech in them, (k,).

        Returns the frames that are due and their probabilities: 0 where a channel only echoes the other.
        """
        count = len(frames[0])
        powers = [spectrum.feed(part) for spectrum, part in zip(self._spectra, frames, strict=True)]
        self._frames = [np.concatenate(pair) for pair in zip(self._frames, frames, strict=True)]
        self._said = [np.concatenate(pair) for pair in zip(self._said, said, strict=True)]
        given = [self._give(0)]  # nothing, of the right shape
        at = 0
        while at < count:
            take = min(count - at, _STEP - self._seen % _STEP)
            for way, near, far in zip(self._ways, powers, powers[::-1], strict=True):
                way.add(near[at : at + take], far[at : at + take])
            at, self._seen = at + take, self._seen + take
            self._judge(self._seen - self._ahead)
            given.append(self._give(self._judged - _AROUND))  # by what is known now, however long the block is
            if self._seen % _STEP == 0:
                self._learn()
        due, probabilities = zip(*given, strict=True)
        return _joined(due), _joined(probabilities)

    def flush(self) -> tuple[list[Samples], list[Samples]]:
        """What was held back; the stream is over."""
        if self._seen % _STEP:
            self._learn()
        self._judge(self._seen)
        self._others = [np.append(part, np.repeat(part[-1:], _AROUND)) for part in self._others]
        return self._give(self._seen)

    def _learn(self) -> None:
        for way in self._ways:
            way.learn()

    def _judge(self, end: int) -> None:
        """Look at the frames before `end` by what is known now."""
        count = end - self._judged
        if count <= 0:
            return
        for i, way in enumerate(self._ways):
            others = way.others(way.kept - (self._seen - self._judged), count)
            others[self._said[i][self._judged - self._given :][:count] < _VOICE] = 0.0  # noise is nobody
            before = [] if self._judged else [np.repeat(others[:1], _AROUND)]
            self._others[i] = np.concatenate([self._others[i], *before, others])
        self._judged = end

    def _give(self, end: int) -> tuple[list[Samples], list[Samples]]:
        """Let go of the frames before `end`."""
        count = max(0, end - self._given)
        frames, said = [part[:count] for part in self._frames], [part[:count].copy() for part in self._said]
        if count:
            around = np.ones(2 * _AROUND + 1) / (2 * _AROUND + 1)
            others = [np.convolve(part[: count + 2 * _AROUND], around, "valid") for part in self._others]
            echo = [(part < _OTHERS) & (own >= _VOICE) for part, own in zip(others, said, strict=True)]
            both = echo[0] & echo[1]
            echo[1] &= ~(both & self._first_is_echo(frames))
            echo[0] &= ~(both & echo[1])
            for own in (0, 1):
                said[own][echo[own]] = 0.0
        self._frames = [part[count:] for part in self._frames]
        self._said = [part[count:] for part in self._said]
        self._others = [part[count:] for part in self._others]
        self._given += count
        return frames, said

    def _first_is_echo(self, frames: list[Samples]) -> NDArray[np.bool_]:
        """Of frames that each channel explains in the other, which are an echo in the first one.

        The voice is where it is clearly louder, else where it came from earlier and with less of a room.
        """
        one, other = (_decibels(np.mean(np.square(part), axis=1)) for part in frames)
        into_first, into_second = ((way.late, round(way.likeness, 2)) for way in self._ways)
        even = np.abs(one - other) < _LOUDER_DB
        return np.where(even, into_first >= into_second, one < other)


def _joined(parts: Sequence[list[Samples]]) -> list[Samples]:
    """For each channel, its parts as one."""
    return [np.concatenate(own) for own in zip(*parts, strict=True)]


def _decibels(power: Bands) -> Bands:
    result: Bands = 10 * np.log10(power + np.float32(_FLOOR))
    return result
