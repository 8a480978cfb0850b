"""One transcription of one source, from its first sample to its last: runs in the speech worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from services.audio.front import FrontEnd, Heard
from services.audio.normalise import ChannelPlan, Survey
from services.errors import AudioFileError
from services.library.segments import Segment, Word
from services.text import clock
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
    """

    def __init__(
        self,
        understanding: Understanding,
        front: Callable[[ChannelPlan], FrontEnd],
        source: Source,
        call: Call,
        first: int,
        prints: VoicePrints | None = None,
    ) -> None:
        self._understanding = understanding
        self._front = front
        self._source = source
        self._call = call
        self._first = first
        self._prints = prints
        self._settling = Settling()
        self._state = understanding.state  # at the start of the batch
        self._told = -1  # the last batch of which something was told
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
        """The second pass: windows of speech, and what is said in them."""
        front = self._front(plan)
        frames = 0
        for block in self._source.blocks():
            self._call.check()
            for heard in front.feed(block):
                self._hear(heard)
            frames += len(block)
            what = "transcribing" if self._arrived >= self._first else "taking up"
            self._call.progress(frames / plan.rate, plan.seconds, what)
        for heard in front.flush():
            self._hear(heard)
        self._tell(self._settling.flush(), self._settling.batch)
        seconds = frames / plan.rate
        if seconds < plan.seconds - _SHORTENED_SECONDS:
            raise AudioFileError(
                f"The file became shorter while it was read: {clock(plan.seconds)} at first, then {clock(seconds)}.",
                "Process it again when nothing changes it any more.",
            )

    def _hear(self, heard: Heard) -> None:
        self._call.check()
        window = heard.window
        number = self._arrived
        self._arrived += 1
        speech = holds_speech(window)
        if speech:
            self._windows += 1
            self._speech += max(0.0, window.voiced - window.overlap)
        else:
            _log.info("no speech at %.1f s: certainty %.2f, peak %.2f", window.start, window.certainty, window.peak)
        if number < self._first:
            return
        batch = self._settling.batch
        self._tell(self._settling.arrive(number, window), batch)
        if self._settling.batch != batch:
            self._state = self._understanding.state
        pieces = self._understanding.pieces(window) if speech else []
        if pieces and self._prints is not None and not heard.speaker:
            pieces = attribute(pieces, self._prints.turns(window.samples))
        self._settling.understood(number, heard.speaker, window, pieces)

    def _tell(self, settled: Iterable[Settled], batch: int) -> None:
        for each in settled:
            segment = _within(segment_of(each.piece, each.speaker), self._seconds)
            item = {"segment": segment.to_dict(), "batch": batch}
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
