"""What an engine makes of a window, less what cannot have been said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.audio.front import Heard
from services.audio.windows import Window
from services.library.segments import Segment
from services.transcription.engine import Abreast, Piece, SpeechEngine
from services.transcription.language import SpokenLanguage, tells_language
from services.transcription.plausible import believed


class Understanding:
    """An engine and the language that is spoken.

    Args:
        engine: Loaded.
        language: ISO 639-1 code; empty to find out, by the engine window for window where it is no `LanguageDetector`.
        state: Where it was found out before: what `state` gave then.
    """

    def __init__(self, engine: SpeechEngine, language: str, state: Mapping[str, Any] | None = None) -> None:
        self._engine = engine
        self._language = language
        self._spoken = SpokenLanguage(engine, state) if not language and tells_language(engine) else None

    @property
    def at_once(self) -> int:
        """Windows that may be worked on at the same time: one where each may change the language of the next."""
        return self._engine.at_once if self._spoken is None and isinstance(self._engine, Abreast) else 1

    @property
    def language(self) -> str:
        """ISO 639-1 code of what is spoken, as far as it is known; else empty."""
        return self._spoken.kept if self._spoken else self._language

    @property
    def state(self) -> dict[str, Any] | None:
        """What a later run has to know to go on from here; None where that is nothing."""
        return self._spoken.state() if self._spoken else None

    def pieces(self, window: Window) -> list[Piece]:
        """What was said in a window that holds speech; times from its start."""
        if self._spoken is not None:
            pieces = self._spoken.transcribe(window.samples, window.voiced)
        else:
            pieces = self._engine.transcribe(window.samples, self._language)
        return believed(pieces, window.voiced)

    def segments(self, heard: Heard) -> list[Segment]:
        """The same by the time of the stream."""
        return _placed(heard, self.pieces(heard.window))

    def so_far(self, heard: Heard) -> list[Segment]:
        """Likewise of a window that goes on. What is known of the language stays as it is."""
        if self._spoken is None:
            return self.segments(heard)
        window = heard.window
        return _placed(heard, believed(self._spoken.glance(window.samples), window.voiced))


def _placed(heard: Heard, pieces: list[Piece]) -> list[Segment]:
    return [segment_of(piece.later(heard.window.start), heard.speaker) for piece in pieces]


def segment_of(piece: Piece, speaker: str) -> Segment:
    return Segment(piece.start, piece.end, piece.text, speaker, piece.words)
