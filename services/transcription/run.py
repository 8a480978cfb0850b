"""One transcription of one source, from its first sample to its last: runs in the speech worker."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from services.audio.front import FrontEnd, Heard
from services.audio.normalise import ChannelPlan, Survey
from services.errors import AudioFileError
from services.library.segments import Segment, Word
from services.text import clock
from services.transcription.abreast import in_order
from services.transcription.engine import Piece
from services.transcription.plausible import holds_speech
from services.transcription.seams import Settled
from services.transcription.settling import Settling
from services.transcription.source import Source
from services.transcription.understanding import Understanding, segment_of
from services.transcription.voiceprint import VoicePrints
from services.transcription.voices import attribute, pack
from services.worker.handler import Call, Json

_SHORTENED_SECONDS = 1.0
"""A file that is so much shorter when it is read the second time was cut in between: its transcript is not whole."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A window on its way to the engine.

    Attributes:
        number: Its number among all.
        heard: The window.
        speech: Whether it holds speech.
        next: No window after it begins before this time, in seconds.
        covered: How far each speaker is covered by the windows before it, in seconds: no later one begins earlier.
    """

    number: int
    heard: Heard
    speech: bool
    next: float
    covered: Mapping[str, float]


_log = logging.getLogger("sotto.transcription")


class Run:
    """Tells segments as they are settled, in order of their start.

    Args:
        understanding: The engine.
        front: Makes the front end, once it is known what the channels hold.
        source: The audio.
        call: Receives the items.
        first: Number of the first window to work on: what was said before it is known already.
        prints: Tells the voices in one channel apart, where that is wanted.
        covered: How far each speaker was covered by another run, in seconds; the front end begins there.
    """

    def __init__(
        self,
        understanding: Understanding,
        front: Callable[[ChannelPlan], FrontEnd],
        source: Source,
        call: Call,
        first: int,
        prints: VoicePrints | None = None,
        covered: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._understanding = understanding
        self._front = front
        self._source = source
        self._call = call
        self._first = first
        self._prints = prints
        self._settling = Settling()
        self._state = understanding.state  # at the start of the batch
        self._covered = covered  # likewise
        self._told = -1  # the last batch of which something was told
        self._ends = dict(covered)
        self._speech = 0.0
        self._arrived = 0
        self._windows = 0
        self._seconds = 0.0

    def run(self) -> Json:
        """Do all of it.

        Raises:
            AudioFileError, StorageError, ModelError, CancelledError
        """
        plan = self._survey()
        self._seconds = self._source.start + plan.seconds
        if plan.groups:
            self._read(plan)
        return {
            "duration_s": round(self._seconds, 3),
            "speech_s": round(self._speech, 3),
            "windows": self._windows,
            "language": self._understanding.language,
            "channels": self._source.channels,
            "warnings": list(self._source.warnings),
        }

    def _survey(self) -> ChannelPlan:
        """The first pass: what the channels hold."""
        survey = Survey(self._source.rate, self._source.channels)
        for block in self._source.blocks():
            self._call.check()
            survey.feed(block)
            self._call.progress(0.0, self._source.seconds, "measuring")
        return survey.plan(self._source.apart)

    def _read(self, plan: ChannelPlan) -> None:
        """The second pass: windows of speech, and what is said in them. One is read while others are worked on."""
        self._ends = {group.speaker: self._ends.get(group.speaker, 0.0) for group in plan.groups}
        with closing(in_order(self._windows_of(plan), self._work, self._understanding.at_once)) as worked_on:
            for arrived, (pieces, state) in worked_on:
                self._call.check()
                batch, heard = self._settling.batch, arrived.heard
                self._tell(self._settling.arrive(arrived.number, heard.window), batch)
                if self._settling.batch != batch:
                    self._state, self._covered = state, arrived.covered
                self._settling.understood(arrived.number, heard.speaker, heard.window, pieces)
                self._tell(self._settling.settle(arrived.next), self._settling.batch)
        self._tell(self._settling.flush(), self._settling.batch)

    def _windows_of(self, plan: ChannelPlan) -> Iterator[_Arrived]:
        """The windows from the first to work on."""
        front = self._front(plan)
        frames = 0
        for block in self._source.blocks():
            self._call.check()
            yield from self._numbered(front.feed(block), front.position)
            frames += len(block)
            what = "transcribing" if self._arrived >= self._first else "taking up"
            self._call.progress(frames / plan.rate, plan.seconds, what)
        yield from self._numbered(front.flush(), math.inf)
        seconds = frames / plan.rate
        if seconds < plan.seconds - _SHORTENED_SECONDS:
            raise AudioFileError(
                f"The file became shorter while it was read: {clock(plan.seconds)} at first, then {clock(seconds)}.",
                "Process it again when nothing changes it any more.",
            )

    def _numbered(self, found: Sequence[Heard], position: float) -> Iterator[_Arrived]:
        following = [*(heard.window.start for heard in found[1:]), position]
        for heard, begins in zip(found, following, strict=False):
            window = heard.window
            number = self._arrived
            self._arrived += 1
            covered = {speaker: round(max(end, window.start), 3) for speaker, end in self._ends.items()}
            self._ends[heard.speaker] = window.end
            speech = holds_speech(window)
            if speech:
                self._windows += 1
                self._speech += max(0.0, window.voiced - window.overlap)
            else:
                _log.info("no speech at %.1f s: certainty %.2f, peak %.2f", window.start, window.certainty, window.peak)
            if number >= self._first:
                yield _Arrived(number, heard, speech, begins, covered)

    def _work(self, arrived: _Arrived) -> tuple[list[Piece], dict[str, Any] | None]:
        """What is said in a window, and what was known of the language before it. Called by another thread."""
        heard = arrived.heard
        state = self._understanding.state
        pieces = self._understanding.pieces(heard.window) if arrived.speech else []
        if pieces and self._prints is not None and not heard.speaker:
            pieces = attribute(pieces, self._prints.turns(heard.window.samples))
        return pieces, state

    def _tell(self, settled: Iterable[Settled], batch: int) -> None:
        for each in settled:
            segment = _within(segment_of(each.piece, each.speaker), self._seconds)
            item = {"segment": segment.to_dict(), "batch": batch}
            if batch != self._told:
                item["covered"] = self._covered
            if self._state is not None and batch != self._told:
                item["language"] = self._state
            if each.piece.voice and not each.speaker:
                item["voice"] = pack(each.piece.voice)
            self._told = batch
            self._call.item(item)


def _within(segment: Segment, duration: float) -> Segment:
    """`segment`, not beyond the end of the audio: the last frame of a stream is filled up with silence."""
    words = tuple(Word(min(word.start, duration), min(word.end, duration), word.text) for word in segment.words)
    return replace(segment, start=min(segment.start, duration), end=min(segment.end, duration), words=words)
