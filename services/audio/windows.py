"""From probabilities of speech to windows that an engine can take: cut in pauses, silence left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.audio.vad import FRAME, RATE

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one stream that holds speech.

    Attributes:
        start: Seconds from the start of the stream.
        samples: float32 (n,) at 16 kHz.
        voiced: Seconds of it that are speech.
        certainty: Mean probability of speech over these, 0 to 1.
        peak: The highest probability.
    """

    start: float
    samples: Samples
    voiced: float
    certainty: float
    peak: float

    @property
    def end(self) -> float:
        return self.start + len(self.samples) / RATE


@dataclass(frozen=True, slots=True)
class Policy:
    """When a window ends; each engine has its own. Times in seconds.

    Attributes:
        longest: No window is longer. Where nobody pauses for so long it is cut in its longest silence, or, without
            any, where speech is least likely.
        pause: A silence so long always ends a window.
        target: From this length on a shorter silence ends it too.
        short_pause: That shorter silence.
        pad: Audio kept before and behind speech: the first and last consonants are often below the threshold.
        on: Probability at which speech begins.
        off: Probability below which it ends.
    """

    longest: float = 30.0
    pause: float = 1.5
    target: float = 8.0
    short_pause: float = 0.25
    pad: float = 0.3
    on: float = 0.4
    off: float = 0.25


class WindowCutter:
    """Cuts one stream into windows. They are in order, do not overlap, and hold every frame of speech once.

    Keeps at most `longest` seconds of audio.

    Args:
        policy: When a window ends.
        start: Time of the stream's first sample, in seconds.
    """

    def __init__(self, policy: Policy, start: float = 0.0) -> None:
        self._policy = policy
        self._start = start
        self._longest = max(1, _frames(policy.longest))
        self._pad = min(_frames(policy.pad), (self._longest - 1) // 2)
        self._samples = np.zeros(0, np.float32)
        self._base = 0  # frame at which `_samples` begins; frames before it are settled
        self._probabilities: list[float] = []  # of the frames from `_base` on
        self._speaking = False
        self._voice: list[bool] = []  # of the frames from `_base` on
        self._first: int | None = None  # first frame of speech that is in no window yet
        self._last = 0  # last frame of speech so far

    @property
    def position(self) -> float:
        """Everything before this time, in seconds, is settled: in a window that was given out, or silence."""
        return self._start + (self._base if self._first is None else self._opening()) * FRAME / RATE

    def open(self) -> Window | None:
        """The window as it is so far, where somebody speaks."""
        if self._first is None:
            return None
        return self._window(self._opening(), self._base + len(self._voice))

    def feed(self, frames: Samples, probabilities: Samples) -> list[Window]:
        """Take in the next frames of the stream.

        Args:
            frames: float32 (k, FRAME) at 16 kHz.
            probabilities: float32 (k,), of speech in each.

        Returns:
            The windows that have ended by now.
        """
        self._samples = np.concatenate([self._samples, frames.reshape(-1)])
        windows = []
        for probability in probabilities.tolist():
            self._note(probability)
            if self._first is not None and (end := self._ending()) is not None:
                windows.append(self._give(end))
        self._forget()
        return windows

    def flush(self) -> list[Window]:
        """The last window; the stream is over."""
        if self._first is None:
            return []
        return [self._give(min(self._base + len(self._voice), self._last + 1 + self._pad))]

    def _note(self, probability: float) -> None:
        self._speaking = probability >= (self._policy.off if self._speaking else self._policy.on)
        frame = self._base + len(self._voice)
        self._voice.append(self._speaking)
        self._probabilities.append(probability)
        if self._speaking:
            self._last = frame
            if self._first is None:
                self._first = frame

    def _opening(self) -> int:
        assert self._first is not None
        return max(self._base, self._first - self._pad)

    def _ending(self) -> int | None:
        """The frame before which the window ends; None while it goes on."""
        now = self._base + len(self._voice)
        silence, length = now - 1 - self._last, now - self._opening()
        long_enough = self._last + 1 - self._opening() >= _frames(self._policy.target)
        needed = self._policy.short_pause if long_enough else self._policy.pause
        if silence >= max(_frames(needed), 1):
            return min(now, self._last + 1 + self._pad)
        return self._cut() if length >= self._longest else None

    def _cut(self) -> int:
        """Where to cut a window that is full: in the middle of its longest silence, else in its least likely frame."""
        assert self._first is not None
        opening = self._opening() - self._base
        behind_first = self._first + 1 - self._base
        longest_run, middle, run = 0, 0, 0
        # What is cut off before the first third would be too short to be understood alone.
        for frame in range(max(opening + self._longest // 3, behind_first), len(self._voice)):
            run = 0 if self._voice[frame] else run + 1
            if run and run >= longest_run:
                longest_run, middle = run, frame + 1 - run // 2
        if longest_run:
            return self._base + middle
        latest = max(opening + 2 * self._longest // 3, behind_first)
        tail = self._probabilities[latest:]
        return self._base + (latest + tail.index(min(tail)) if tail else len(self._voice))

    def _give(self, end: int) -> Window:
        window = self._window(self._opening(), end)
        self._drop(end)
        later = [self._base + i for i, voice in enumerate(self._voice) if voice]
        self._first = later[0] if later else None
        return window

    def _window(self, opening: int, end: int) -> Window:
        at = (opening - self._base) * FRAME
        samples = self._samples[at : (end - self._base) * FRAME].copy()
        span = slice(opening - self._base, end - self._base)
        voiced = [p for p, voice in zip(self._probabilities[span], self._voice[span], strict=True) if voice]
        start = self._start + opening * FRAME / RATE
        return Window(start, samples, len(voiced) * FRAME / RATE, sum(voiced) / len(voiced), max(voiced))

    def _drop(self, frame: int) -> None:
        """Forget everything before `frame`."""
        gone = frame - self._base
        self._samples = self._samples[gone * FRAME :].copy()
        del self._voice[:gone], self._probabilities[:gone]
        self._base = frame

    def _forget(self) -> None:
        keep = self._opening() if self._first is not None else self._base + len(self._voice) - self._pad
        if keep > self._base:
            self._drop(keep)


def _frames(seconds: float) -> int:
    return round(seconds * RATE / FRAME)
