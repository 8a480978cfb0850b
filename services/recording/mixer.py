"""From one or two sources to the meeting's samples: resampled, aligned by the clock, side by side."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

import numpy as np
import soxr

from services.errors import DeviceError, SottoError
from services.recording.chunks import Pcm
from services.recording.ring import Samples
from services.recording.sources import Source, downmix

_log = logging.getLogger("sotto.mixer")

_AHEAD_SECONDS = 2.0
"""A lane that is so far ahead of the other leaves the rest in its ring."""

_FIRST_SECONDS = 3.0
"""So long the first of two devices waits for the other's first sound, to know which was earlier."""

_STALL_SECONDS = 0.5
"""A device that is silent for so long, not in level but in delivery, holds the other one up no longer."""

_SLACK_SECONDS = 0.2
"""Silence for a stalled device stays so far behind the other: room for its next sample's exact place."""

_DEAD_SECONDS = 10.0
"""When no device has delivered anything for so long, there is nothing left to record."""

_LONGEST_TICK = 0.2
"""A gap between two ticks counts no longer than this: after a stop of the whole process, devices deliver late."""


class Lane:
    """One source on its way: out of the ring, mixed down, resampled, waiting to be placed beside the other.

    Args:
        source: What fills the ring.
        rate: The meeting's sample rate, in Hz.
        channels: How many channels it gives.

    Attributes:
        idle: Seconds since it got something.
        total: Frames that it has given, silence included, and those that wait.
        pending: Frames that wait.
        placed: Whether its next sample belongs right behind the last one. If not, time tells its place.
        over: Nothing more will come.
    """

    def __init__(self, source: Source, rate: int, channels: int) -> None:
        self.source = source
        self.rate = rate
        self.channels = channels
        self.idle = 0.0
        self.total = 0
        self.pending = 0
        self.placed = False
        self.over = False
        self._waiting: deque[Samples] = deque()
        self._resampler = (
            None if source.rate == rate else soxr.ResampleStream(source.rate, rate, channels, "float32", "HQ")
        )

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
                self._add(self._convert(view))
        ring.consume(got)
        self.source.consumed()
        if got:
            self.idle = 0.0
        else:
            self.wait(seconds)
        if ended and not got:
            self.over = True
            if self._resampler is not None:
                self._add(self._resampler.resample_chunk(np.zeros((0, self.channels), np.float32), last=True))

    def wait(self, seconds: float) -> None:
        """Nothing came for another `seconds`."""
        self.idle += min(seconds, _LONGEST_TICK)

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

    def pad(self, frames: int) -> None:
        """Put silence behind what has come so far."""
        self._add(np.zeros((max(0, frames), self.channels), np.float32))

    def place(self, position: int) -> None:
        """Pad so that the next sample out of the ring stands at `position`. It is never moved back: nothing is cut."""
        inside = round(self._resampler.delay()) if self._resampler is not None else 0
        self.pad(position - self.total - inside)
        self.placed = True

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


class Mixer:
    """Places the lanes side by side.

    Files wait for each other, so they stay together by count. Devices do not: the first sample of each is placed by
    the time at which it was heard. A device that delivers nothing for a while gets silence meanwhile, and its next
    sample is placed by time again; as long as both deliver, they stay together by count.

    Args:
        sources: One or two, open.
        rate: The meeting's sample rate, in Hz.
    """

    def __init__(self, sources: Sequence[Source], rate: int) -> None:
        # Two channels of a file are two speakers; those of a microphone are one.
        keep = len(sources) == 1 and not sources[0].live
        self.rate = rate
        self._lanes = [Lane(source, rate, source.channels if keep else 1) for source in sources]
        self._live = [lane for lane in self._lanes if lane.source.live]
        self._files = [lane for lane in self._lanes if not lane.source.live]
        self._by_clock = bool(self._live) and len(sources) > 1
        self._began: float | None = None
        self._first_wait = 0.0
        self.channels = sum(lane.channels for lane in self._lanes)

    @property
    def labels(self) -> list[str]:
        """The source of each channel."""
        return [lane.source.label for lane in self._lanes for _ in range(lane.channels)]

    @property
    def ended(self) -> bool:
        """Whether the last file has been played, or no device delivers any more."""
        if self._files:
            return all(lane.over for lane in self._files)
        return all(lane.over or lane.idle >= _DEAD_SECONDS for lane in self._live)

    @property
    def error(self) -> SottoError | None:
        """Why it ended, where it should not have. To be asked before the sources are stopped."""
        for lane in self._files or self._live:
            if lane.over and lane.source.error is not None:
                return lane.source.error
        if self._files or not self.ended:
            return None
        return DeviceError(
            f"{' and '.join(self.labels)} delivered nothing for {_DEAD_SECONDS:.0f} s.",
            "What was recorded until then is kept. Look whether the device or its sound server hangs.",
        )

    @property
    def detail(self) -> str:
        """Which device delivers nothing; empty when all is well."""
        quiet = [lane.source.label for lane in self._live if lane.over or lane.idle >= _STALL_SECONDS]
        return f"no sound comes from {' and '.join(quiet)}" if quiet else ""

    @property
    def overflows(self) -> int:
        """Frames at the meeting's rate that were lost."""
        return sum(round(lane.source.lost * self.rate / lane.source.rate) for lane in self._lanes)

    def pull(self, seconds: float) -> Pcm:
        """What can be written now, int16 (frames, channels), maybe empty; `seconds` have passed since the last time."""
        if self._by_clock and not self._align(seconds):
            return np.zeros((0, self.channels), np.int16)
        for lane in self._lanes:
            lane.pull(seconds)
        running = [lane.pending for lane in self._lanes if not lane.over]
        return self._merge(min(running) if running else max(lane.pending for lane in self._lanes))

    def finish(self) -> Pcm:
        """The rest, after all sources have been stopped. What is shorter ends in silence."""
        blocks = [self.pull(_FIRST_SECONDS)]
        while (self._began is not None or not self._by_clock) and not self._exhausted:
            blocks.append(self.pull(0.0))
        return np.concatenate(blocks)

    @property
    def _exhausted(self) -> bool:
        return all(lane.over and not lane.pending for lane in self._lanes)

    def _merge(self, frames: int) -> Pcm:
        return to_pcm(np.concatenate([lane.take(frames) for lane in self._lanes], axis=1))

    def _align(self, seconds: float) -> bool:
        """Keep the lanes together by the clock. Returns False as long as nobody knows which one began first."""
        if self._began is None and not self._anchor(seconds):
            return False
        began = self._began
        for lane in self._lanes:
            if lane.placed:
                if lane.source.live and not lane.over and lane.idle >= _STALL_SECONDS:
                    _log.warning("no sound comes from %s: silence takes its place", lane.source.label)
                    lane.placed = False
                    lane.source.began = None
            elif lane.source.began is not None and began is not None:
                lane.place(round((lane.source.began - began) * self.rate))
            if not lane.placed:
                lane.pad(max(other.total for other in self._lanes) - round(_SLACK_SECONDS * self.rate) - lane.total)
        return True

    def _anchor(self, seconds: float) -> bool:
        begun = [lane.source.began for lane in self._lanes if lane.source.began is not None]
        if not begun:
            for lane in self._lanes:
                lane.wait(seconds)
            return False
        self._first_wait += seconds
        if len(begun) == len(self._lanes) or self._first_wait >= _FIRST_SECONDS:
            self._began = min(begun)
        return self._began is not None


def to_pcm(samples: Samples) -> Pcm:
    """float32 -1 to 1 as int16, clipped. What was int16 before comes out unchanged."""
    pcm: Pcm = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    return pcm
