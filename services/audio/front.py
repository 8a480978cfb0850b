"""The front end of every speech engine: blocks of a file or a recording in, windows of speech out.

    blocks -> a normaliser for each group of channels -> frames -> voice detection -> echo gate -> window cutters

One block goes through all of it before the next one is read, so memory does not depend on the length of the audio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.audio.echo import EchoGate
from services.audio.spans import Span, SpanCutter
from services.audio.vad import Framer, VoiceDetector
from services.audio.windows import Policy, Window

Samples = NDArray[np.float32]

_AHEAD = 160
"""Frames (5 s) that echoes are learnt from before they are judged, where nobody waits for the text."""


class MonoSource(Protocol):
    """Makes one 16 kHz stream of a file's channels."""

    def feed(self, block: Samples) -> Samples: ...
    def flush(self) -> Samples: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """A window and whose it is.

    Attributes:
        speaker: Label of its group; empty where there is only one.
        window: The audio.
    """

    speaker: str
    window: Window


class _Stream:
    """One group of channels on its way."""

    def __init__(self, source: MonoSource, speaker: str, detector: VoiceDetector, cutter: SpanCutter) -> None:
        self.source = source
        self.speaker = speaker
        self.detector = detector
        self.framer = Framer()
        self.cutter = cutter


class FrontEnd:
    """Finds the windows of speech in a stream of blocks.

    Args:
        sources: For each group of channels what makes it mono, and the label of its speaker. One or two groups.
        detector: Makes a voice detector.
        policy: When windows end.
        start: Time of the first block, in seconds.
        ordered: Give windows out in order of their start, which may hold one back for as long as another lasts;
            otherwise each as soon as it has ended.
        spans: For each speaker the spans to take windows from; one that is not named has all of the stream.
        settle: Speakers whose spans begin in a pause; see `SpanCutter`.
    """

    def __init__(
        self,
        sources: Sequence[tuple[MonoSource, str]],
        detector: Callable[[], VoiceDetector],
        policy: Policy,
        start: float = 0.0,
        ordered: bool = True,
        spans: Mapping[str, Sequence[Span]] | None = None,
        settle: Collection[str] = (),
    ) -> None:
        self._streams = []
        for source, speaker in sources:
            own = (spans or {}).get(speaker, ((start, math.inf),))
            cutter = SpanCutter(policy, start, own, speaker in settle)
            self._streams.append(_Stream(source, speaker, detector(), cutter))
        self._echoes = EchoGate(_AHEAD if ordered else 0) if len(sources) == 2 else None
        self._ordered = ordered
        self._waiting: list[Heard] = []

    def feed(self, block: Samples) -> list[Heard]:
        """Take in the next block, float32 (frames, channels). Returns windows that have ended."""
        return self._go([stream.framer.feed(stream.source.feed(block)) for stream in self._streams])

    def flush(self) -> list[Heard]:
        """The windows that are left; the stream is over."""
        found = self._go([stream.framer.feed(stream.source.flush()) for stream in self._streams])
        found += self._go([stream.framer.flush() for stream in self._streams])
        if self._echoes is not None:
            found += self._cut(*self._echoes.flush())
        for stream in self._streams:
            self._waiting += [Heard(stream.speaker, window) for window in stream.cutter.flush()]
        return found + self._in_order(float("inf"))

    def open(self) -> list[Heard]:
        """The windows that have begun, as they are so far."""
        return [Heard(s.speaker, window) for s in self._streams if (window := s.cutter.open()) is not None]

    def settled(self) -> dict[str, tuple[float, float]]:
        """For each speaker who is listened to: since when, and up to when everything is settled, in seconds."""
        return {s.speaker: (s.cutter.begun, s.cutter.position) for s in self._streams if s.cutter.begun is not None}

    @property
    def position(self) -> float:
        """Windows that begin before this time, in seconds, have been given out, where they are given out in order."""
        return min(stream.cutter.position for stream in self._streams)

    def _go(self, frames: list[Samples]) -> list[Heard]:
        said = [s.detector.probabilities(part) for s, part in zip(self._streams, frames, strict=True)]
        if self._echoes is not None:
            frames, said = self._echoes.feed(frames, said)
        return self._cut(frames, said)

    def _cut(self, frames: list[Samples], said: list[Samples]) -> list[Heard]:
        """Frames and their probabilities, to windows."""
        for stream, part, probabilities in zip(self._streams, frames, said, strict=True):
            self._waiting += [Heard(stream.speaker, window) for window in stream.cutter.feed(part, probabilities)]
        return self._in_order(self.position if self._ordered else float("inf"))

    def _in_order(self, settled: float) -> list[Heard]:
        """Windows that begin before `settled`: no stream can still bring an earlier one."""
        order = [stream.speaker for stream in self._streams]
        self._waiting.sort(key=lambda heard: (heard.window.start, order.index(heard.speaker)))
        ready = [heard for heard in self._waiting if heard.window.start < settled]
        self._waiting = self._waiting[len(ready) :]
        return ready
