"""One engine after another at one transcript: whatever each of them cuts, every word is there once."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.audio.front import FrontEnd
from services.audio.normalise import ChannelPlan
from services.audio.vad import FRAME, RATE
from services.audio.windows import Policy, Window
from services.errors import MemoryLimitError
from services.library.meeting import Meeting
from services.library.segments import Word, read_segments
from services.models.catalogue import EngineSpec
from services.models.options import EngineOptions
from services.transcription.engine import Piece
from services.transcription.host import wanted_of
from services.transcription.run import Run
from services.transcription.service import Transcriber
from services.worker.handler import Json

Samples = NDArray[np.float32]

SPEAKERS = ("You", "Others")
SECONDS = FRAME / RATE
WORD = 0.001
"""Each word is a stretch of samples that all have its number times this."""

POLICIES = (
    Policy(longest=4.0, pause=0.5, target=2.0, overlap=1.0),
    Policy(longest=6.0, pause=1.0, target=6.0, short_pause=0.2, overlap=1.5),
    Policy(longest=3.0, pause=0.3, target=1.0, overlap=0.0, pad=0.1),
)


class Speech:
    """Two channels of words: each a `MonoSource`, and together a `Source`."""

    def __init__(self, channels: Sequence[Samples]) -> None:
        length = max(len(channel) for channel in channels) + RATE
        self._samples = np.stack([np.pad(each, (0, length - len(each))) for each in channels], axis=1)
        self.rate, self.channels = RATE, len(channels)
        self.seconds, self.start = length / RATE, 0.0
        self.apart = SPEAKERS
        self.warnings: list[str] = []

    def blocks(self) -> Iterator[Samples]:
        for at in range(0, len(self._samples), RATE):
            yield self._samples[at : at + RATE]

    def close(self) -> None:
        """There is nothing to let go of."""


class Channel:
    """One channel as the front end takes it."""

    def __init__(self, number: int) -> None:
        self._number = number

    def feed(self, block: Samples) -> Samples:
        return np.ascontiguousarray(block[:, self._number])

    def flush(self) -> Samples:
        return np.zeros(0, np.float32)


class Ear:
    """A voice detector that is never wrong."""

    def probabilities(self, frames: Samples) -> Samples:
        return (np.abs(frames).max(axis=1) > 0).astype(np.float32) if len(frames) else np.zeros(0, np.float32)


class Engine:
    """Understands each word of which it hears half or more; a piece for each, or one for all."""

    at_once = 1
    language = "en"
    state = None

    def __init__(self, apart: bool) -> None:
        self._apart = apart

    def pieces(self, window: Window) -> list[Piece]:
        codes = np.round(window.samples / WORD).astype(int)
        edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        words = [
            Word(first / RATE, last / RATE, f"w{codes[first]}")
            for first, last in zip(edges, edges[1:], strict=False)
            if codes[first] and last - first >= 2 * FRAME
        ]
        groups = [[word] for word in words] if self._apart else [words]
        return [Piece(g[0].start, g[-1].end, " ".join(w.text for w in g), tuple(g)) for g in groups if g]


@dataclass
class Call:
    """Takes the items of one run; after so many the engine is out of memory."""

    left: int
    keep: Any

    def item(self, item: Json) -> None:
        if self.left == 0:
            raise MemoryLimitError("It took too much.")
        self.left -= 1
        self.keep(item)

    def check(self) -> None:
        """Nobody cancels."""

    def progress(self, *_: object) -> None:
        """Nobody watches."""


class Host:
    """What lends engines, and what they run in."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self.left = -1
        self.policy = POLICIES[0]
        self.apart = False

    @contextmanager
    def lease(self, *_: object) -> Iterator[Host]:
        yield self

    def run(self, _: str, args: Json, *, on_item: Any, **__: object) -> Json:
        covered = args["covered"]

        def front(_: ChannelPlan) -> FrontEnd:
            sources = [(Channel(number), label) for number, label in enumerate(SPEAKERS)]
            spans = {label: wanted_of(label, 0.0, None, covered) for label in SPEAKERS}
            return FrontEnd(sources, Ear, self.policy, spans=spans)

        call = Call(self.left, on_item)
        engine: Any = Engine(self.apart)
        return Run(engine, front, self._speech, call, args["from_window"], None, covered).run()  # type: ignore[arg-type]


def talk(seed: int) -> Speech:
    """Two people who speak and pause, also at the same time, for about half a minute."""
    random = np.random.default_rng(seed)
    channels, number = [], 0
    for _ in SPEAKERS:
        parts = [np.zeros(random.integers(0, 60) * FRAME, np.float32)]
        for _ in range(random.integers(3, 8)):
            for _ in range(random.integers(1, 14)):
                number += 1
                parts.append(np.full(random.integers(5, 13) * FRAME, number * WORD, np.float32))
                parts.append(np.zeros(random.choice([0, 1, 2, 4]) * FRAME, np.float32))
            parts.append(np.zeros(random.integers(3, 60) * FRAME, np.float32))
        channels.append(np.concatenate(parts))
    return Speech(channels)


ENGINES = st.tuples(st.sampled_from(range(len(POLICIES))), st.booleans(), st.integers(0, 9))
"""Its policy, whether it gives a piece for each word, and after how many segments it is out of memory."""


def words_of(transcript: Path) -> list[str]:
    return [word for segment in read_segments(transcript) for word in segment.text.split()]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(ENGINES, min_size=2, max_size=5), ENGINES)
def test_handed_over_anywhere_no_word_is_doubled_or_lost(
    seed: int, engines: list[tuple[int, bool, int]], last: tuple[int, bool, int]
) -> None:
    """Feature: transcription, Property 3: engines that take over from each other write every word once, in order"""
    host: Any = Host(talk(seed))
    with tempfile.TemporaryDirectory() as root:
        meeting = Meeting.create(Path(root), "talk")
        transcriber = Transcriber(host, host, lambda _: None)
        take_over = None
        for policy, apart, left in [*engines, (*last[:2], -1)]:
            host.policy, host.apart, host.left = POLICIES[policy], apart, left
            spec = EngineSpec("moonshine", f"{policy}{apart}", EngineOptions())
            arguments = (meeting, Path(root), spec, "en", lambda *_: None, threading.Event())
            try:
                transcriber.transcribe(*arguments, take_over=take_over)
            except MemoryLimitError:
                take_over = "The memory was short."
            else:
                break
        segments = list(read_segments(meeting.transcript))
        assert [segment.start for segment in segments] == sorted(segment.start for segment in segments)
        found = words_of(meeting.transcript)
        assert len(found) == len(set(found)), "a word is there twice"
        whole = Meeting.create(Path(root), "whole")
        host.left = -1
        transcriber.transcribe(whole, Path(root), spec, "en", lambda *_: None, threading.Event())
        assert set(found) == set(words_of(whole.transcript))
