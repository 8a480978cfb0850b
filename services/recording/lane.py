"""One source on its way to the recording: out of its ring, mixed down, resampled, waiting to stand beside the other."""

from __future__ import annotations

from collections import deque

import numpy as np
import soxr

from services.recording.gaps import NOTHING_CAME, Absence, GapBook
from services.recording.ring import Samples
from services.recording.sources import Source, downmix

STALL_SECONDS = 0.5
"""A device that is silent for so long, not in level but in delivery, holds the other one up no longer."""

LONGEST_TICK = 0.2
"""The time between two looks counts no longer than this: after a stop of the whole process, devices deliver late."""

_AHEAD_SECONDS = 2.0
"""A lane that is so far ahead of the other leaves the rest in its ring."""


class Lane:
    """One source and what has come from it.

    Args:
        source: What fills the ring.
        number: Number of its first channel.
        rate: The meeting's sample rate, in Hz.
        channels: How many channels it gives.

    Attributes:
        idle: Seconds since it got something.
        total: Frames that it has given, silence included, and those that wait.
        pending: Frames that wait.
        placed: Whether its next sample belongs right behind the last one. If not, time tells its place.
        over: Nothing more will come.
        book: Its gaps.
    """

    def __init__(self, source: Source, number: int, rate: int, channels: int) -> None:
        self.source = source
        self.number = number
        self.rate = rate
        self.channels = channels
        self.idle = 0.0
        self.total = 0
        self.pending = 0
        self.placed = False
        self.over = False
        self.book = GapBook(number, source.label, source.monitor)
        self._waiting: deque[Samples] = deque()
        self._skip = 0
        self._resampler = (
            None if source.rate == rate else soxr.ResampleStream(source.rate, rate, channels, "float32", "HQ")
        )

    @property
    def stalled(self) -> bool:
        """It delivers nothing, and is not expected to at once."""
        return self.idle >= STALL_SECONDS or bool(self.idle and self.source.absent)

    @property
    def absence(self) -> Absence | None:
        """What is to be said of it while it is away."""
        if self.over or (self.placed and not self.stalled) or not (self.source.absent or self.book.open):
            return None
        return Absence(self.number, self.source.label, self.source.absent or NOTHING_CAME, self.source.monitor)

    def pull(self, seconds: float) -> None:
        """Take what has come. `seconds` have passed since the last time."""
        if self.pending >= _AHEAD_SECONDS * self.rate or self.over:
            return
        ended = self.source.ended  # before looking into the ring: what it wrote last is seen
        ring = self.source.ring
        got = 0
        for view in ring.views():
            if len(view):
                got += len(view)
                skipped = min(self._skip, len(view))
                self._skip -= skipped
                self._add(self._convert(view[skipped:]))
        ring.consume(got)
        self.source.consumed()
        if got:
            self.idle = 0.0
        else:
            self.wait(seconds)
        if ended and not got:
            self.over = True
            self.flush()

    def wait(self, seconds: float) -> None:
        """Nothing came for another `seconds`."""
        self.idle += min(seconds, LONGEST_TICK)

    def lift(self) -> None:
        """It delivers nothing: whatever comes next is placed by the time at which it was heard."""
        if self.source.ring.filled:
            return  # it is back
        self.source.began = None
        self.placed = False
        self.flush()

    def place(self, position: int) -> None:
        """Pad so that the next sample out of the ring stands at `position`. It is never moved back: nothing is cut."""
        self.pad(position - self.total)
        self.placed = True

    def pad(self, frames: int) -> None:
        """Put silence behind what has come so far."""
        self._add(np.zeros((max(0, frames), self.channels), np.float32))

    def skip(self, seconds: float) -> None:
        """Throw away what was heard first out of the ring, so many seconds of it."""
        self._skip = max(0, round(seconds * self.source.rate))

    def flush(self) -> None:
        """Get out what the resampler still holds. What comes next begins afresh."""
        if self._resampler is not None:
            self._add(self._resampler.resample_chunk(np.zeros((0, self.channels), np.float32), last=True))
            self._resampler.clear()

    def discard(self) -> None:
        """Throw away everything that has come, and ask for the time of what comes next."""
        self.source.began = None
        self.source.ring.consume(self.source.ring.filled)
        self.total -= self.pending
        self.pending = 0
        self._waiting.clear()
        self.placed = False

    def take(self, frames: int) -> Samples:
        """The oldest `frames`, followed by silence where there are not so many."""
        out = np.zeros((frames, self.channels), np.float32)
        done = 0
        while done < frames and self._waiting:
            block = self._waiting.popleft()
            piece = block[: frames - done]
            out[done : done + len(piece)] = piece
            done += len(piece)
            if len(piece) < len(block):
                self._waiting.appendleft(block[len(piece) :])
        self.pending -= done
        return out

    def fade_out(self, length: int, frames: int) -> None:
        """Let the last `length` samples of the first `frames` that wait fade out."""
        held = self.take(min(frames, self.pending))
        tail = held[-length:]
        tail *= (np.arange(len(tail), 0, -1, dtype=np.float32)[:, None] - 0.5) / np.float32(max(1, len(tail)))
        self._waiting.appendleft(held)
        self.pending += len(held)

    def _convert(self, view: Samples) -> Samples:
        mixed = downmix(view, self.channels)
        if self._resampler is not None:
            resampled: Samples = self._resampler.resample_chunk(mixed)
            return resampled
        return mixed.copy() if mixed is view else mixed

    def _add(self, samples: Samples) -> None:
        if len(samples):
            self._waiting.append(samples)
            self.pending += len(samples)
            self.total += len(samples)
