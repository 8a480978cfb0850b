"""The speech-to-text worker: one engine, one model, and the audio in between. Served by `services.worker.host`.

Methods:
    load        engine, model, options (of `EngineOptions`) -> load_s
    transcribe  path (a file or a meeting's folder), language, from_window, known (what was told of the language at
                that window), spans (of a meeting: [start, end] by speaker, nothing else is transcribed then), covered
                (seconds by speaker: up to there another engine has done it, and windows count from there)
                -> items {"segment": ..., "batch": ...} in order of their start, with "covered" in the first of a
                batch, and "language" where that is found out, with "voice" where speakers are told apart; duration_s,
                speech_s, windows, language, channels, warnings
    speakers    transcript (a file in the making) -> speakers: of each segment the number, from 1 on, or 0
    follow      meeting, language, from_s, heard, update_s, skip_s -> items {"partial": ...}, {"heard": ..., "segments":
                [...]}, {"skipped": ...} until the recording ends or the call is cancelled; segments, skipped_s,
                position_s
    unload      (nothing) -> {}
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.audio.front import FrontEnd
from services.audio.normalise import ChannelPlan, Normaliser
from services.audio.spans import Span
from services.audio.vad import VoiceDetector, detectors
from services.errors import ModelError
from services.models.catalogue import EngineEntry, engine_class, find_engine
from services.models.options import EngineOptions
from services.models.store import locate
from services.transcription.engine import Attending, SpeechEngine
from services.transcription.follow import POLICY, Follower
from services.transcription.run import Run
from services.transcription.source import open_source
from services.transcription.understanding import Understanding
from services.transcription.voiceprint import VoicePrints
from services.transcription.voices import speakers_in
from services.worker.handler import Call, Json, Method

_SETTLING_SECONDS = 30.0

Spans = Mapping[str, Sequence[Span]]


class SpeechHost:
    """Holds the engine between calls."""

    def __init__(self) -> None:
        self._entry: EngineEntry | None = None
        self._model = ""
        self._engine: SpeechEngine | None = None
        self._detector: Callable[[], VoiceDetector] | None = None
        self._apart = False
        self._window_s = 0.0
        self._prints: VoicePrints | None = None

    def methods(self) -> dict[str, Method]:
        return {
            "load": self.load,
            "transcribe": self.transcribe,
            "speakers": self.speakers,
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
        self._detector, self._apart, self._window_s = detectors(), options.speakers, options.window_s
        return {"load_s": round(time.monotonic() - begun, 3)}

    def unload(self, args: Json, call: Call) -> Json:
        """Let go of the engine and of what hears voices."""
        engine, self._engine, self._entry, self._detector = self._engine, None, None, None
        self._prints = None
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
        spans, covered = _spans(args.get("spans")), _covered(args.get("covered"))
        source = open_source(Path(str(args["path"])), _part(spans))
        try:
            understanding = self._understanding(str(args["language"]), args.get("known"))
            self._attend(call)
            front = self._front(source.start, spans, covered)
            prints, missing = self._voice_prints() if spans is None else (None, [])
            done = Run(understanding, front, source, call, int(args.get("from_window", 0)), prints, covered).run()
            return done | {"warnings": [*done["warnings"], *missing]}
        finally:
            source.close()

    def speakers(self, args: Json, call: Call) -> Json:
        """Tell who says what in a transcript whose lines carry vectors of voices.

        Raises:
            StorageError
        """
        return {"speakers": speakers_in(Path(str(args["transcript"])))}

    def follow(self, args: Json, call: Call) -> Json:
        """Caption a recording while it goes on. Cancelling it is its ordinary end.

        Raises:
            AudioFileError, StorageError, UsageError, ModelError
        """
        understanding = self._understanding(str(args["language"]))
        start = float(args.get("from_s", 0.0))
        heard = {str(speaker): float(end) for speaker, end in (args.get("heard") or {}).items()}
        folder, pace = (
            Path(str(args["meeting"])),
            {key: float(args[key]) for key in ("update_s", "skip_s") if key in args},
        )
        policy = POLICY.within(self._window_s)
        return Follower(folder, understanding, self._loaded()[2], call, start, heard, **pace, policy=policy).run()

    def _voice_prints(self) -> tuple[VoicePrints | None, list[str]]:
        """What tells voices apart, where that is wanted; else None, and why it is not to be had."""
        if self._apart and self._prints is None:
            try:
                self._prints = VoicePrints()
            except ModelError as error:  # a transcript without speakers is better than none
                return None, [f"{error.message} {error.hint}"]
        return self._prints, []

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

    def _front(
        self, start: float, spans: Spans | None, covered: Mapping[str, float]
    ) -> Callable[[ChannelPlan], FrontEnd]:
        """What makes the front end for a file once its channels are known.

        Whatever is covered, all of it is read: so level and voice detection are the same as for the engine before.
        """
        _, engine, detector = self._loaded()

        def make(plan: ChannelPlan) -> FrontEnd:
            sources = [(Normaliser(group, plan.rate), group.speaker) for group in plan.groups]
            wanted = {group.speaker: wanted_of(group.speaker, start, spans, covered) for group in plan.groups}
            return FrontEnd(sources, detector, engine.policy.within(self._window_s), start, spans=wanted)

        return make

    def _understanding(self, language: str, known: Json | None = None) -> Understanding:
        """The engine, made ready for a language.

        Raises:
            UsageError: The engine does not speak it.
        """
        entry, engine, _ = self._loaded()
        return Understanding(engine, entry.check_language(language, self._model), known)


def _spans(told: Any) -> Spans | None:
    """The spans to transcribe of each speaker, as they came in a call; None for everything."""
    if told is None:
        return None
    return {str(speaker): tuple((float(start), float(end)) for start, end in own) for speaker, own in told.items()}


def _covered(told: Any) -> dict[str, float]:
    return {str(speaker): float(end) for speaker, end in (told or {}).items()}


def wanted_of(speaker: str, start: float, spans: Spans | None, covered: Mapping[str, float]) -> list[Span]:
    """What is left to transcribe of a speaker."""
    own: Sequence[Span] = ((start, math.inf),) if spans is None else spans.get(speaker, ())
    done = covered.get(speaker, start)
    return [(max(begin, done), end) for begin, end in own if end > done]


def _part(spans: Spans | None) -> Span:
    """What has to be read for `spans`: some more, so that level and voice detection have settled before the first."""
    edges = [edge for own in (spans or {}).values() for span in own for edge in span]
    return (max(0.0, min(edges) - _SETTLING_SECONDS), max(edges) + _SETTLING_SECONDS) if edges else (0.0, math.inf)


def create() -> Mapping[str, Method]:
    """Entry point of the worker kind `stt`."""
    return SpeechHost().methods()
