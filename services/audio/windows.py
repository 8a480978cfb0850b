"""From probabilities of speech to windows that an engine can take: cut in pauses, silence left out.

Where nobody pauses a window is cut in speech. Then it and the next one share what lies around the cut, so that
each word is whole in one of them at least; `services.transcription.seams` joins the words again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
        overlap: Seconds at its start that are also the end of the window before: that one was cut in speech.
        continued: Seconds at its end that are also the start of the next window, which is certain to come.
    """

    start: float
    samples: Samples
    voiced: float
    certainty: float
    peak: float
    overlap: float = 0.0
    continued: float = 0.0

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
        overlap: Two windows share so much where they had to be cut in speech, half of it on each side of the cut; never
            more than a third of `longest`.
    """

    longest: float = 30.0
    pause: float = 1.5
    target: float = 8.0
    short_pause: float = 0.25
    pad: float = 0.3
    on: float = 0.4
    off: float = 0.25
    overlap: float = 2.0

    def within(self, longest: float) -> Policy:
        """The same with windows of at most so many seconds; 0 leaves it as it is. Below 4 s no sentence is left."""
        if not longest or longest >= self.longest:
            return self
        longest = max(longest, min(self.longest, _SHORTEST_LONGEST))
        return replace(self, longest=longest, target=self.target * longest / self.longest)


_SHORTEST_LONGEST = 4.0

_SURE_SILENCE = 3
"""Frames (96 ms) without speech that lie between words: the closure of a "t" or "k" inside one is shorter."""


class WindowCutter:
    """Cuts one stream into windows. They are in order and hold every frame of speech; they overlap only where one had
    to be cut in speech. Up to the middle of an overlap speech belongs to the first window, from there to the second:
    every frame of speech belongs to exactly one.

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
        # More than a sixth on each side, and the windows would hardly advance.
        self._half_overlap = min(_frames(policy.overlap / 2), self._longest // 6)
        self._samples = np.zeros(0, np.float32)
        self._base = 0  # frame at which `_samples` begins; frames before it are settled
        self._probabilities: list[float] = []  # of the frames from `_base` on
        self._speaking = False
        self._voice: list[bool] = []  # of the frames from `_base` on
        self._first: int | None = None  # first frame of speech that is in no window yet
        self._last = 0  # last frame of speech so far
        self._overlap = 0  # frames from `_base` on that are also in the window before

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
            if self._first is not None and (ending := self._ending()) is not None:
                windows.append(self._give(*ending))
        self._forget()
        return windows

    def flush(self) -> list[Window]:
        """The last window; the stream is over."""
        if self._first is None:
            return []
        return [self._give(self._behind_speech())]

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
        return self._base if self._overlap else max(self._base, self._first - self._pad)

    def _ending(self) -> tuple[int, int] | None:
        """Where the window ends, and the frames on each side that it shares with the next; None while it goes on."""
        now = self._base + len(self._voice)
        silence, length = now - 1 - self._last, now - self._opening()
        long_enough = self._last + 1 - self._opening() >= _frames(self._policy.target)
        needed = self._policy.short_pause if long_enough else self._policy.pause
        if silence >= max(_frames(needed), 1):
            return self._behind_speech(), 0
        return self._cut() if length >= self._longest else None

    def _behind_speech(self) -> int:
        """The frame before which the window ends where its speech does; what it shares it holds whole."""
        return min(self._base + len(self._voice), max(self._last + 1 + self._pad, self._base + self._overlap))

    def _cut(self) -> tuple[int, int]:
        """Where to cut a window that is full: in its last good silence, else in the middle of its longest, else in its
        least likely frame, and then the frames on each side that are shared."""
        assert self._first is not None
        opening = self._opening() - self._base
        behind_first = self._first + 1 - self._base
        if (late := self._late_silence(max(opening + 2 * self._longest // 3, behind_first))) is not None:
            return self._base + late, 0
        longest_run, middle, run = 0, 0, 0
        # What is cut off before the first third would be too short to be understood alone.
        for frame in range(max(opening + self._longest // 3, behind_first), len(self._voice)):
            run = 0 if self._voice[frame] else run + 1
            if run and run >= longest_run:
                longest_run, middle = run, frame + 1 - run // 2
        if longest_run >= (_SURE_SILENCE if self._half_overlap else 1):
            return self._base + middle, 0
        now = len(self._voice)
        latest = max(opening + 2 * self._longest // 3, behind_first)
        tail = self._probabilities[latest : max(latest + 1, now - self._half_overlap)]
        cut = latest + tail.index(min(tail)) if tail else now
        half = min(self._half_overlap, now - cut) if any(self._voice[cut:]) else 0
        return self._base + cut, half

    def _late_silence(self, earliest: int) -> int | None:
        """The middle of the last silence behind `earliest` that is long enough to end a window: so it is a full one."""
        needed = max(_frames(self._policy.short_pause), 1)
        found, run = None, 0
        for frame in range(earliest, len(self._voice)):
            run = 0 if self._voice[frame] else run + 1
            if run >= needed:
                found = frame + 1 - run // 2
        return found

    def _give(self, cut: int, half: int = 0) -> Window:
        """The window up to `cut` and `half` frames beyond; the next one begins `half` frames before it."""
        window = self._window(self._opening(), cut + half, half)
        self._drop(cut - half)
        self._overlap = 2 * half
        later = (self._base + i for i, voice in enumerate(self._voice[half:], half) if voice)
        self._first = next(later, None)
        return window

    def _window(self, opening: int, end: int, half: int = 0) -> Window:
        at = (opening - self._base) * FRAME
        samples = self._samples[at : (end - self._base) * FRAME].copy()
        span = slice(opening - self._base, end - self._base)
        voiced = [p for p, voice in zip(self._probabilities[span], self._voice[span], strict=True) if voice]
        return Window(
            self._start + opening * FRAME / RATE,
            samples,
            len(voiced) * FRAME / RATE,
            sum(voiced) / len(voiced),
            max(voiced),
            self._overlap * FRAME / RATE,
            2 * half * FRAME / RATE,
        )

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
