"""The speech-to-text worker: one engine, one model, and the audio in between. Served by `services.worker.host`.

Methods:
    load        engine, model, options (of `EngineOptions`) -> load_s
    transcribe  path (a file or a meeting's folder), language, from_window -> items {"segment": ..., "batch": ...} in
                order of their start; duration_s, speech_s, windows, channels, warnings
    follow      meeting, language, from_s -> items {"partial": ...}, {"segment": ...}, {"skipped": ...} until the
                recording ends or the call is cancelled; segments, skipped_s, position_s
    unload      (nothing) -> {}
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from services.audio.front import FrontEnd, Heard
from services.audio.normalise import ChannelPlan, Normaliser, Survey
from services.audio.vad import VoiceDetector, detectors
from services.errors import AudioFileError, ModelError
from services.library.segments import Segment, Word
from services.models.catalogue import EngineEntry, engine_class, find_engine
from services.models.options import EngineOptions
from services.models.store import locate
from services.text import clock
from services.transcription.engine import Attending, Piece, SpeechEngine
from services.transcription.follow import Follower
from services.transcription.plausible import believable, holds_speech
from services.transcription.source import Source, open_source
from services.worker.handler import Call, Json, Method

_SHORTENED_SECONDS = 1.0
"""A file that is so much shorter when it is read the second time was cut in between: its transcript is not whole."""

_log = logging.getLogger("sotto.transcription")


class SpeechHost:
    """Holds the engine between calls."""

    def __init__(self) -> None:
        self._entry: EngineEntry | None = None
        self._model = ""
        self._engine: SpeechEngine | None = None
        self._detector: Callable[[], VoiceDetector] | None = None

    def methods(self) -> dict[str, Method]:
        return {
            "load": self.load,
            "transcribe": self.transcribe,
            "follow": self.follow,
            "unload": self.unload,
        }

    def load(self, args: Json, call: Call) -> Json:
        """Load an engine and its model; another one that is loaded goes first.

        Raises:
            UsageError, MissingPackageError, ModelError
        """
        begun = time.monotonic()
        self.unload({}, call)
        entry = find_engine("stt", str(args["engine"]))
        model = str(args["model"])
        options = EngineOptions.from_dict(args.get("options") or {})
        engine: SpeechEngine = engine_class(entry)(locate(entry, model), options)
        engine.load()
        self._entry, self._model, self._engine = entry, model, engine
        self._detector = detectors()
        return {"load_s": round(time.monotonic() - begun, 3)}

    def unload(self, args: Json, call: Call) -> Json:
        """Let go of the engine and of the voice detector."""
        engine, self._engine, self._entry, self._detector = self._engine, None, None, None
        if engine is not None:
            engine.unload()
        return {}

    def transcribe(self, args: Json, call: Call) -> Json:
        """Transcribe a file or a meeting's recording to its end, from the window on that is the next to do.

        Decoding and voice detection always begin at the start: they take 1 to 2 thousandths of the audio's length, and
        only so are the windows the same as without an interruption.

        Raises:
            AudioFileError, StorageError, UsageError, ModelError, CancelledError
        """
        source = open_source(Path(str(args["path"])))
        try:
            understand = self._understand(str(args["language"]))
            self._attend(call)
            return _Transcription(understand, self._front(), source, call, int(args.get("from_window", 0))).run()
        finally:
            source.close()

    def follow(self, args: Json, call: Call) -> Json:
        """Caption a recording while it goes on. Cancelling it is its ordinary end.

        Raises:
            AudioFileError, StorageError, UsageError, ModelError
        """
        understand = self._understand(str(args["language"]))
        start = float(args.get("from_s", 0.0))
        return Follower(Path(str(args["meeting"])), understand, self._loaded()[2], call, start).run()

    def _attend(self, call: Call) -> None:
        """Let an engine that waits for others heed this call's cancel, and tell what it waits for."""
        _, engine, _ = self._loaded()
        if isinstance(engine, Attending):

            def heed(what: str) -> None:
                call.check()
                if what:  # it is a sign of life, too
                    call.progress(0.0, 0.0, what)

            engine.attend(heed)

    def _loaded(self) -> tuple[EngineEntry, SpeechEngine, Callable[[], VoiceDetector]]:
        if self._entry is None or self._engine is None or self._detector is None:
            raise ModelError("No speech engine is loaded.")
        return self._entry, self._engine, self._detector

    def _front(self) -> Callable[[ChannelPlan], FrontEnd]:
        """What makes the front end for a file once its channels are known."""
        _, engine, detector = self._loaded()

        def make(plan: ChannelPlan) -> FrontEnd:
            sources = [(Normaliser(group, plan.rate), group.speaker) for group in plan.groups]
            return FrontEnd(sources, detector, engine.policy)

        return make

    def _understand(self, language: str) -> Callable[[Heard], list[Segment]]:
        """What turns a window into segments; checks the language at once.

        Raises:
            UsageError: The engine does not speak it.
        """
        entry, engine, _ = self._loaded()
        code = entry.check_language(language, self._model)

        def understand(heard: Heard) -> list[Segment]:
            window = heard.window
            pieces = [believable(piece, window.voiced) for piece in engine.transcribe(window.samples, code)]
            return [_placed(piece, window.start, heard.speaker) for piece in pieces if piece is not None]

        return understand


class _Transcription:
    """One run over one source."""

    def __init__(
        self,
        understand: Callable[[Heard], list[Segment]],
        front: Callable[[ChannelPlan], FrontEnd],
        source: Source,
        call: Call,
        first: int,
    ) -> None:
        self._understand = understand
        self._front = front
        self._source = source
        self._call = call
        self._first = first
        self._speech = 0.0
        self._windows = 0

    def run(self) -> Json:
        plan = self._survey()
        if plan.groups:
            self._read(plan)
        return {
            "duration_s": round(plan.seconds, 3),
            "speech_s": round(self._speech, 3),
            "windows": self._windows,
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
                self._hear(heard, plan.seconds)
            frames += len(block)
            what = "transcribing" if self._windows >= self._first else "taking up"
            self._call.progress(frames / plan.rate, plan.seconds, what)
        for heard in front.flush():
            self._hear(heard, plan.seconds)
        seconds = frames / plan.rate
        if seconds < plan.seconds - _SHORTENED_SECONDS:
            raise AudioFileError(
                f"The file became shorter while it was read: {clock(plan.seconds)} at first, then {clock(seconds)}.",
                "Process it again when nothing changes it any more.",
            )

    def _hear(self, heard: Heard, duration: float) -> None:
        self._call.check()
        window = heard.window
        if not holds_speech(window):
            _log.info("no speech at %.1f s: certainty %.2f, peak %.2f", window.start, window.certainty, window.peak)
            return
        number = self._windows
        self._windows += 1
        self._speech += window.voiced
        if number < self._first:
            return
        for segment in self._understand(heard):
            self._call.item({"segment": _within(segment, duration).to_dict(), "batch": number})


def _placed(piece: Piece, at: float, speaker: str) -> Segment:
    """`piece` of a window that begins `at` seconds, by the time of the meeting."""
    words = tuple(Word(at + word.start, at + word.end, word.text) for word in piece.words)
    return Segment(at + piece.start, at + piece.end, piece.text, speaker, words)


def _within(segment: Segment, duration: float) -> Segment:
    """`segment`, not beyond the end of the audio: the last frame of a stream is filled up with silence."""
    words = tuple(Word(min(word.start, duration), min(word.end, duration), word.text) for word in segment.words)
    return replace(segment, start=min(segment.start, duration), end=min(segment.end, duration), words=words)


def create() -> Mapping[str, Method]:
    """Entry point of the worker kind `stt`."""
    return SpeechHost().methods()
