"""What a speech engine is: a class that loads, turns a window of speech into text, and unloads. It knows nothing of
processes, threads, files or screens; `services.transcription.host` runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.audio.windows import Policy


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that was said.

    Attributes:
        start: Seconds from the start of the window.
        end: Seconds from the start of the window.
        text: The words, on one line.
    """

    start: float
    end: float
    text: str


class SpeechEngine(Protocol):
    """A speech engine. Methods are called one at a time.

    The class takes the name of a model of its catalogue entry (or a path) as its only argument.
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
            language: ISO 639-1 code, one that the engine's catalogue entry lists.

        Returns:
            Pieces in order of time; none where nothing was understood.

        Raises:
            ModelError: The engine failed, or is not loaded.
        """
