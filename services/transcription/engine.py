"""What a speech engine is: a class that loads, turns a window of speech into text, and unloads. It knows nothing of
processes, threads, files or screens; `services.transcription.host` runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from services.audio.windows import Policy
from services.library.segments import Word


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that was said.

    Attributes:
        start: Seconds from the start of the window.
        end: Seconds from the start of the window.
        text: The words, on one line.
        words: The words of `text` with their times from the start of the window; empty where the engine has none.
        log_probability: Mean logarithm of the probability of its tokens; None where the engine does not tell.
        no_speech: Probability that nobody speaks, as the engine sees it; None where it does not tell.
        voice: A vector that is like that of the same voice elsewhere; empty where the engine has none.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    log_probability: float | None = None
    no_speech: float | None = None
    voice: tuple[float, ...] = ()

    def later(self, seconds: float) -> Piece:
        """The same with all its times so much later."""
        words = tuple(Word(seconds + word.start, seconds + word.end, word.text) for word in self.words)
        return replace(self, start=seconds + self.start, end=seconds + self.end, words=words)


class SpeechEngine(Protocol):
    """A speech engine. Methods are called one at a time.

    The class takes the folder of its model (its name, where the engine brings its models itself or they are remote)
    and the `services.models.options.EngineOptions`.
    """

    @property
    def policy(self) -> Policy:
        """The windows that it does best with."""

    def load(self) -> None:
        """Load the model.

        Raises:
            ModelError: It is missing or damaged.
        """

    def unload(self) -> None:
        """Let go of everything. Without a loaded model it does nothing."""

    def transcribe(self, samples: NDArray[np.float32], language: str) -> list[Piece]:
        """What is said in a window.

        Args:
            samples: float32 (n,), 16 kHz mono, -1 to 1, a window by its policy; holds speech.
            language: ISO 639-1 code, one that the catalogue lists for the model. Of a remote engine it may be empty.

        Returns:
            Pieces in order of time; none where nothing was understood.

        Raises:
            ModelError: The engine failed, or is not loaded.
        """


@runtime_checkable
class LanguageDetector(Protocol):
    """What a speech engine is besides whose catalogue entry says `detects_language`. A remote engine is none: with an
    empty language the server finds out by itself."""

    def detect(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        """The language that is spoken in a window, as an ISO 639-1 code, and its probability.

        Args:
            samples: As for `transcribe`.

        Raises:
            ModelError: The engine failed, or is not loaded.
        """


@runtime_checkable
class Attending(Protocol):
    """What a speech engine is besides that may have to wait for others, such as a server."""

    def attend(self, heed: Callable[[str], None]) -> None:
        """Say what to do while it waits.

        Args:
            heed: It calls this several times a second while it waits, with what for (empty while that is not worth
                telling). What `heed` raises ends the waiting and comes out of `transcribe`.
        """


@runtime_checkable
class Abreast(Protocol):
    """What a speech engine is besides that can work on several windows at the same time."""

    @property
    def at_once(self) -> int:
        """So many threads may be in `transcribe` together."""
