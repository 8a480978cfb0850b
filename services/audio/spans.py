"""Windows of some spans of a stream only: what follows a recording from where it was left, and what fills gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.audio.vad import FRAME, RATE
from services.audio.windows import Policy, Window, WindowCutter

Samples = NDArray[np.float32]
Span = tuple[float, float]
"""From when to when, in seconds from the start of the stream; without end: `math.inf`."""

_LONGEST_WAIT = 4.0
"""Seconds after which a span begins in the middle of speech, where nobody pauses."""

_PAUSE = 5
"""Frames (160 ms) without speech that end a word for certain: sounds that stop inside words are shorter."""


class SpanCutter:
    """A `WindowCutter` for each of some spans, one after another. Frames between them are passed over.

    Each frame of a span is taken into account exactly once, and no window reaches out of its span.

    Args:
        policy: When a window ends.
        start: Time of the stream's first sample, in seconds.
        spans: In order, without overlaps.
        settle: Begin each span in its first pause rather than in the middle of a word. What comes before is in no
            window then, and `begun` says so.

    Attributes:
        begun: Where the present span began, in seconds; None before, and between spans.
    """

    def __init__(
        self, policy: Policy, start: float = 0.0, spans: Sequence[Span] = ((0.0, math.inf),), settle: bool = False
    ) -> None:
        self._policy = policy
        self._start = start
        self._spans = [(_frames(begin - start), _frames(end - start)) for begin, end in spans if end > start]
        self._settle = settle
        self._silence = 0
        self._frame = 0
        self._cutter: WindowCutter | None = None
        self.begun: float | None = None

    @property
    def position(self) -> float:
        """Everything before this time, in seconds, is settled: in a window that was given out, silent, or outside."""
        return self._cutter.position if self._cutter is not None else self._time(self._frame)

    def open(self) -> Window | None:
        """The window as it is so far, where somebody speaks."""
        return self._cutter.open() if self._cutter is not None else None

    def feed(self, frames: Samples, probabilities: Samples) -> list[Window]:
        """Take in the next frames of the stream; see `WindowCutter.feed`."""
        windows: list[Window] = []
        at, last = self._frame, self._frame + len(frames)
        while at < last:
            if self._cutter is None:
                at = self._begin(at, probabilities[at - self._frame :])
            if self._cutter is None:
                break
            end = min(last, self._spans[0][1])
            piece = slice(at - self._frame, end - self._frame)
            windows += self._cutter.feed(frames[piece], probabilities[piece])
            at = end
            if end == self._spans[0][1]:
                windows += self.flush()
                self._spans.pop(0)
        self._frame = last
        return windows

    def flush(self) -> list[Window]:
        """The last window of the present span, which is over."""
        if self._cutter is None:
            return []
        windows, self._cutter, self.begun = self._cutter.flush(), None, None
        return windows

    def _begin(self, at: int, probabilities: Samples) -> int:
        """Look for the beginning of the next span from frame `at` on; returns the frame up to which that was."""
        last = at + len(probabilities)
        if not self._spans or self._spans[0][0] >= last:
            return last
        first = max(at, self._spans[0][0])
        if self._settle:
            begin = self._pause(first, probabilities[first - at :])
            if begin is None:
                return last
            first = begin
        self._silence = 0
        self._cutter = WindowCutter(self._policy, self._time(first))
        self.begun = self._time(first)
        return first

    def _pause(self, first: int, probabilities: Samples) -> int | None:
        """The frame at which the first pause of the span is certain; None while there was none."""
        latest = self._spans[0][0] + _frames(_LONGEST_WAIT)
        for frame, probability in enumerate(probabilities.tolist(), first):
            self._silence = self._silence + 1 if probability < self._policy.off else 0
            if self._silence >= _PAUSE or frame >= min(latest, self._spans[0][1] - 1):
                return frame
        return None

    def _time(self, frame: int) -> float:
        return self._start + frame * FRAME / RATE


def _frames(seconds: float) -> int:
    return max(0, round(seconds * RATE / FRAME)) if math.isfinite(seconds) else 1 << 62
