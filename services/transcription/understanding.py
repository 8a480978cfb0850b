"""What an engine makes of a window, less what cannot have been said."""

from __future__ import annotations

from dataclasses import replace

from services.audio.front import Heard
from services.audio.windows import Window
from services.library.segments import Segment, Word
from services.transcription.engine import Piece, SpeechEngine
from services.transcription.plausible import believed


class Understanding:
    """An engine and the language that is spoken.

    Args:
        engine: Loaded.
        language: ISO 639-1 code.
    """

    def __init__(self, engine: SpeechEngine, language: str) -> None:
        self._engine = engine
        self._language = language

    def pieces(self, window: Window) -> list[Piece]:
        """What was said in a window that holds speech; times from its start."""
        return believed(self._engine.transcribe(window.samples, self._language), window.voiced)

    def segments(self, heard: Heard) -> list[Segment]:
        """The same by the time of the stream."""
        window = heard.window
        return [segment_of(shifted(piece, window.start), heard.speaker) for piece in self.pieces(window)]


def shifted(piece: Piece, seconds: float) -> Piece:
    """`piece`, so much later."""
    words = tuple(Word(seconds + word.start, seconds + word.end, word.text) for word in piece.words)
    return replace(piece, start=seconds + piece.start, end=seconds + piece.end, words=words)


def segment_of(piece: Piece, speaker: str) -> Segment:
    return Segment(piece.start, piece.end, piece.text, speaker, piece.words)
