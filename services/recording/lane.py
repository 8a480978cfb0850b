"""One source on its way to the recording: out of its ring, mixed down, resampled, waiting to stand beside the other."""

from __future__ import annotations

from collections import deque

import numpy as np
import soxr

from services.recording.drift import Drift
from services.recording.gaps import NOTHING_CAME, TOO_BUSY, Absence, Gap, GapBook
from services.recording.losses import LONGEST_TICK, Losses
from services.recording.ring import Samples
from services.recording.slew import Slewer
from services.recording.sources import Source, downmix

STALL_SECONDS = 0.5
"""A device that is silent for so long, not in level but in delivery, holds the other one up no longer."""

_AHEAD_SECONDS = 2.0
"""A lane that is so far ahead of the other leaves the rest in its ring."""


class Lane:
    """One source and what has come from it.

    Args:
        source: What fills the ring.
        number: Number of its first channel.
        rate: The meeting's sample rate, in Hz.
        channels: How many channels it gives.
        slaved: Whether it follows the computer's clock. If not, it may drift, and its samples stay as they are.

    Attributes:
        idle: Seconds since it got something.
        total: Frames that it has given, silence included, and those that wait.
        pending: Frames that wait.
        placed: Whether its next sample belongs right behind the last one. If not, time tells its place.
        over: Nothing more will come.
        book: Its gaps.
    """

    def __init__(self, source: Source, number: int, rate: int, channels: int, slaved: bool) -> None:
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
        self._resampler = (
            None if source.rate == rate else soxr.ResampleStream(source.rate, rate, channels, "float32", "HQ")
        )
        self._slewer = Slewer() if slaved else None
        self._losses = Losses(source)
        self._read = 0  # frames that were taken out of the ring
        self._skip = 0  # frames at the head of the ring that are not wanted
        self._removed_before = 0.0

    @property
    def began(self) -> float | None:
        """When the next frame out of the ring was heard; None until there is one."""
        began, ring = self.source.began, self.source.ring
        if began is None or not self.source.live or not (filled := ring.filled):
            return began
        # Deliveries may be late, never early: the earliest of what they tell is nearest to the truth.
        return min(began, ring.written_at - filled / self.source.rate)

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

    @property
    def drift(self) -> Drift:
        removed = self._slewer.removed if self._slewer is not None else 0.0
        return Drift(
            self.number, self.source.label, round(self._losses.clock.ppm, 1), round(1000 * removed / self.rate, 1)
        )

    @property
    def offset(self) -> float:
        """By how many seconds it has drifted away from the computer's clock since it was placed, corrections aside."""
        return self._losses.clock.offset

    def take_gaps(self) -> list[Gap]:
        """Those that have ended since the last time."""
        return self.book.take(self.total if self.placed and not self.over else None)

    def pull(self, seconds: float) -> None:
        """Take what has come. `seconds` have passed since the last time."""
        if self.over:
            return
        ended = self.source.ended  # before looking into the ring: what it wrote last is seen
        come = self._read + self.source.ring.filled
        if self.placed and self.source.live:
            come = self._watch(come, seconds, ended)
        came = come != self._read
        if self.pending < _AHEAD_SECONDS * self.rate:
            self._take_in(come)
        if came:
            self.idle = 0.0
        elif not self._losses.holding or not self.source.ring.filled:
            self.wait(seconds)
        if ended and not came:
            self.over = True
            self.flush()

    def wait(self, seconds: float) -> None:
        """Nothing came for another `seconds`."""
        self.idle += min(seconds, LONGEST_TICK)

    def lift(self) -> bool:
        """It delivers nothing: whatever comes next is placed by the time at which it was heard.

        Returns False, and leaves it as it is, when it is back.
        """
        if self.source.ring.filled:
            return False
        self.source.began = None
        self.flush()
        self._restart()
        return True

    def place(self, position: int, epoch: float) -> None:
        """Pad so that the next sample out of the ring stands at `position`. It is never moved back: nothing is cut.

        Args:
            position: In frames of the recording.
            epoch: The time of position 0.
        """
        self.pad(position - self.total)
        self.placed = True
        zero = epoch + self.total / self.rate - (self._read + self._skip) / self.source.rate
        self._losses.begin(self._read, zero)

    def release(self) -> None:
        """Take also what is held back."""
        self._losses.release()
        if self.placed:
            self._take_in(self._read + self.source.ring.filled)

    def pad(self, frames: int) -> None:
        """Put silence behind what has come so far."""
        self._add(np.zeros((max(0, frames), self.channels), np.float32))

    def skip(self, seconds: float) -> None:
        """Throw away what was heard first of what comes next, so many seconds of it."""
        self._skip = max(0, round(seconds * self.source.rate))

    def flush(self) -> None:
        """Get out what is still on its way. What comes next begins afresh."""
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(np.zeros((0, self.channels), np.float32), last=True)
            self._resampler.clear()
            self._add(self._slewed(rest))
        if self._slewer is not None:
            self._add(self._slewer.flush())

    def discard(self) -> None:
        """Throw away everything that has come, and ask for the time of what comes next."""
        filled = self.source.ring.filled
        self.source.ring.consume(filled)
        self.source.began = None  # after that: a time that is too late is put right, one too early would not be
        self._read += filled
        self._skip = 0
        self.total -= self.pending
        self.pending = 0
        self._waiting.clear()
        self._restart()

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

    def _restart(self) -> None:
        self.placed = False
        self._losses.restart()
        self._removed_before = self._slewer.removed if self._slewer is not None else 0.0

    def _watch(self, come: int, seconds: float, ended: bool) -> int:
        """Find out whether something was lost. Returns how many frames may be taken of the `come` that have come."""
        may = self._losses.look(self._read, come, seconds, self.idle, ended)
        if self._slewer is not None and self._losses.measured:
            clock = self._losses.clock
            clock.steer((self._slewer.removed - self._removed_before) / self.rate)
            self._slewer.rate = clock.rate
        return may

    def _take_in(self, end: int) -> None:
        """Take frames out of the ring up to number `end`, with silence where some were lost."""
        ring = self.source.ring
        while True:
            while missing := self._losses.take(self._read):
                self._insert(missing)
            if self._read >= end:
                break
            view = ring.views()[0][: self._losses.until(end) - self._read]
            skipped = min(self._skip, len(view))
            self._skip -= skipped
            self._add(self._convert(view[skipped:]))
            self._read += len(view)
            ring.consume(len(view))
        self.source.consumed()

    def _insert(self, seconds: float) -> None:
        self.flush()
        frames = round(seconds * self.rate)
        self.book.lost(self.total, frames, TOO_BUSY)
        self.pad(frames)

    def _convert(self, view: Samples) -> Samples:
        mixed = downmix(view, self.channels)
        if self._resampler is not None:
            mixed = self._resampler.resample_chunk(mixed)
        elif mixed is view:
            mixed = mixed.copy()
        return self._slewed(mixed)

    def _slewed(self, samples: Samples) -> Samples:
        return samples if self._slewer is None else self._slewer.process(samples)

    def _add(self, samples: Samples) -> None:
        if len(samples):
            self._waiting.append(samples)
            self.pending += len(samples)
            self.total += len(samples)
