"""From one or two sources to the meeting's samples: resampled, aligned by the clock, side by side."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import numpy as np

from services.errors import SottoError
from services.recording.chunks import Pcm
from services.recording.drift import Drift
from services.recording.gaps import Absence, Gap
from services.recording.lane import STALL_SECONDS, Lane
from services.recording.losses import LONGEST_TICK
from services.recording.ring import Samples
from services.recording.sources import Source

__all__ = ["Absence", "Drift", "Gap", "Mixer", "to_pcm"]

_log = logging.getLogger("sotto.mixer")

_FIRST_SECONDS = 3.0
"""So long the first of two devices waits for the other's first sound, to know which was earlier."""

_SLACK_SECONDS = 0.2
"""Silence for a stalled device stays so far behind the clock: room for its next sample's exact place."""

_FADE_SECONDS = 0.005
"""A seam between what was heard before and after a pause fades out and in, so that it does not click."""


class Mixer:
    """Places the lanes side by side.

    Files wait for each other, so they stay together by count. Devices do not: the first sample of each is placed by
    the time at which it was heard. A device that delivers nothing for a while gets silence meanwhile, and its next
    sample is placed by time again; no device ends a recording.

    Args:
        sources: One or two, open.
        rate: The meeting's sample rate, in Hz.
        now: The clock that `Source.began` goes by, in seconds.
    """

    def __init__(self, sources: Sequence[Source], rate: int, now: Callable[[], float] = time.monotonic) -> None:
        # Two channels of a file are two speakers; those of a microphone are one.
        keep = len(sources) == 1 and not sources[0].live
        self.rate = rate
        self._now = now
        together = len(sources) > 1
        self._lanes = [
            Lane(source, number, rate, source.channels if keep else 1, together and source.live)
            for number, source in enumerate(sources)
        ]
        self._live = [lane for lane in self._lanes if lane.source.live]
        self._files = [lane for lane in self._lanes if not lane.source.live]
        self._epoch: float | None = None
        self._waited = 0.0
        self._paused = False
        self._resumed_at: float | None = None
        self._lost_at_pause = 0
        self._forgiven = 0
        self._fade = round(_FADE_SECONDS * rate) if self._live else 0
        self._faded = self._fade
        self.channels = sum(lane.channels for lane in self._lanes)

    @property
    def labels(self) -> list[str]:
        """The source of each channel."""
        return [lane.source.label for lane in self._lanes for _ in range(lane.channels)]

    @property
    def devices(self) -> list[str]:
        """For each channel the name that people know its device by; empty for a file, and while there is none."""
        return [lane.source.device for lane in self._lanes for _ in range(lane.channels)]

    @property
    def ended(self) -> bool:
        """Whether the last file has been played. A device never ends a recording."""
        return all(lane.over for lane in self._files or self._live)

    @property
    def error(self) -> SottoError | None:
        """Why it ended, where it should not have. To be asked before the sources are stopped."""
        return next((lane.source.error for lane in self._files if lane.over and lane.source.error), None)

    @property
    def absent(self) -> list[Absence]:
        """The devices that are away right now. A monitor is not away because nothing is played."""
        return [absence for lane in self._live if (absence := lane.absence) is not None]

    @property
    def drift(self) -> list[Drift]:
        """For each device what is known of its clock."""
        return [lane.drift for lane in self._live]

    @property
    def overflows(self) -> int:
        """Frames at the meeting's rate that were lost while it was not paused."""
        return (self._lost_at_pause if self._paused else self._lost) - self._forgiven

    @property
    def _lost(self) -> int:
        return sum(round(lane.source.lost * self.rate / lane.source.rate) for lane in self._lanes)

    def take_gaps(self) -> list[Gap]:
        """The gaps that have ended since the last time, in order of their places."""
        return sorted((gap for lane in self._live for gap in lane.take_gaps()), key=lambda gap: (gap.at, gap.channel))

    def pull(self, seconds: float) -> Pcm:
        """What can be written now, int16 (frames, channels), maybe empty; `seconds` have passed since the last time."""
        if self._paused:
            for lane in self._live:
                lane.discard()
            return self._nothing
        if self._live and not self._align(seconds):
            return self._nothing
        for lane in self._lanes:
            lane.pull(seconds)
        running = [lane.pending for lane in self._lanes if not lane.over]
        # The last samples stay, so that a pause can fade them out.
        return self._merge(min(running) - self._fade if running else max(lane.pending for lane in self._lanes))

    def pause(self) -> Pcm:
        """What was heard until now. From now on, what devices deliver is thrown away, and files wait."""
        if self._paused:
            return self._nothing
        block = self.pull(0.0)
        self._paused = True
        self._lost_at_pause = self._lost
        if self._epoch is not None and self._live:
            block = np.concatenate([block, self._close()])
        for lane in self._live:
            lane.discard()
        return block

    def resume(self) -> None:
        """Go on: what is heard from now on stands right behind the last sample."""
        if not self._paused:
            return
        self._paused = False
        self._forgiven += self._lost - self._lost_at_pause
        if not self._live:
            return
        for lane in self._live:
            lane.discard()
        self._epoch = None
        self._waited = 0.0
        self._resumed_at = self._now()

    def finish(self) -> Pcm:
        """The rest, after all sources have been stopped. What is shorter ends in silence."""
        if self._paused:
            return self._nothing
        blocks = [self.pull(_FIRST_SECONDS)]
        if self._epoch is not None and not any(lane.placed for lane in self._lanes):
            for lane in self._live:
                lane.pad(self._position(self._now()) - lane.total)
        while (self._epoch is not None or not self._live) and not self._exhausted:
            blocks.append(self.pull(0.0))
        for lane in self._live:
            lane.book.heard(max(other.total for other in self._lanes))
        return np.concatenate(blocks)

    @property
    def _nothing(self) -> Pcm:
        return np.zeros((0, self.channels), np.int16)

    @property
    def _exhausted(self) -> bool:
        return all(lane.over and not lane.pending for lane in self._lanes)

    def _merge(self, frames: int) -> Pcm:
        if frames <= 0:
            return self._nothing
        columns = [lane.take(frames) for lane in self._lanes]
        if self._faded < self._fade:
            for lane, column in zip(self._lanes, columns, strict=True):
                if lane.source.live:
                    piece = column[: self._fade - self._faded]
                    piece *= _slope(self._faded, self._faded + len(piece), self._fade)
            self._faded = min(self._fade, self._faded + frames)
        return to_pcm(np.concatenate(columns, axis=1))

    def _close(self) -> Pcm:
        """Everything that has come, each lane faded out where it ends, then silence until the longest one ends."""
        for lane in self._live:
            lane.release()
            lane.flush()
            if not lane.placed:
                lane.book.silent(lane.total, lane.source.absent)
                lane.pad(self._position(self._now()) - lane.total)
        # A file that has no more yet goes on later, without silence in the middle.
        frames = min(
            [max(lane.pending for lane in self._live), *(lane.pending for lane in self._files if not lane.over)]
        )
        for lane in self._live:
            lane.fade_out(self._fade, frames)
        block = self._merge(frames)
        end = max(lane.total - lane.pending for lane in self._live)
        for lane in self._live:
            lane.book.heard(end)
            lane.total = end + lane.pending
        return block

    def _position(self, moment: float) -> int:
        """Where something belongs that was heard at `moment`."""
        assert self._epoch is not None
        return round((moment - self._epoch) * self.rate)

    def _align(self, seconds: float) -> bool:
        """Keep the lanes in place by the clock. Returns False as long as nobody knows which one began first."""
        if self._epoch is None and not self._anchor(seconds):
            return False
        for lane in self._lanes:
            if not lane.over:
                self._settle(lane)
        return True

    def _settle(self, lane: Lane) -> None:
        assert self._epoch is not None
        began = lane.began
        if lane.placed and lane.source.live and lane.stalled:
            drifted = lane.offset
            if lane.lift():
                _log.info("no sound comes from %s: silence takes its place", lane.source.label)
                if len(self._lanes) == 1:
                    # It kept its own time. What follows stands where it would without the silence.
                    self._epoch -= drifted
        elif not lane.placed and began is not None:
            lane.place(self._position(began), self._epoch)
            lane.book.heard(lane.total)
        if not lane.placed:
            lane.book.silent(lane.total, lane.source.absent)
            lane.pad(self._position(self._now()) - round(_SLACK_SECONDS * self.rate) - lane.total)

    def _anchor(self, seconds: float) -> bool:
        """Find the time of position 0, or after a pause that of the position where it goes on."""
        resumed = self._resumed_at
        waiting = self._lanes if resumed is None else self._live
        begun = [began for lane in waiting if (began := lane.began) is not None]
        # Where nothing plays, a monitor may deliver nothing at all: a recording of monitors only begins with silence.
        if begun or resumed is not None or all(lane.source.monitor for lane in waiting):
            self._waited += seconds if seconds >= _FIRST_SECONDS else min(seconds, LONGEST_TICK)
        if not begun:
            for lane in self._lanes:
                lane.wait(seconds)
        if len(begun) < len(waiting) and self._waited < (_FIRST_SECONDS if resumed is None else STALL_SECONDS):
            return False
        if resumed is None:
            self._epoch = min(begun, default=self._now())
            return True
        moment = max([*begun, resumed])
        self._epoch = moment - max(lane.total for lane in self._live) / self.rate
        for lane in self._live:
            if (began := lane.began) is not None:
                # Nothing from the pause, nor from before all of them are there: no silence between before and after.
                lane.skip(moment - began)
        self._faded = 0
        return True


def _slope(start: int, stop: int, length: int) -> Samples:
    return (np.arange(start, stop, dtype=np.float32)[:, None] + 0.5) / np.float32(length)


def to_pcm(samples: Samples) -> Pcm:
    """float32 -1 to 1 as int16, clipped. What was int16 before comes out unchanged."""
    pcm: Pcm = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    return pcm
