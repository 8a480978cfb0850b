"""Which language is spoken, where nobody said: found out once for a meeting, and again when it changes.

An engine that is given the wrong language writes fluent nonsense, or a translation. One that is asked about every
window takes a short or noisy one for Welsh now and then. So a meeting keeps its language; another one has to be heard
clearly, and twice, before the meeting changes to it. A window that is clearly in another language is written in that
all the same: one quoted sentence changes nothing behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from services.transcription.engine import LanguageDetector, Piece, SpeechEngine

_log = logging.getLogger("sotto.transcription")

_ENOUGH_SECONDS = 5.0
"""Of less speech an engine cannot tell its language."""

_SURE = 0.7
"""Probability from which the language of a window is certain, where none was known before."""

_SURE_OF_ANOTHER = 0.85
"""Likewise where another one is known: the language of a meeting changes seldom, and an engine errs now and then."""

_LONG_ENOUGH_SECONDS = 60.0
"""After so much speech the likeliest language is taken, however unsure each window was."""

_AGAIN_SECONDS = 300.0
"""After so much speech it is looked again: asking costs a third of what writing a window down does."""

_POOR = -0.8
"""An engine that is less sure of its words (mean log probability) may have been told the wrong language."""

_TIMES = 2
"""So many windows in another language change the meeting's."""

_WINDOWS_IN_DOUBT = 4
"""So many windows are looked at closely after one that was in another language."""


@runtime_checkable
class Engine(SpeechEngine, LanguageDetector, Protocol):
    """An engine that can tell languages apart."""


def tells_language(engine: SpeechEngine) -> TypeGuard[Engine]:
    """Whether an engine can be asked for the language of a window."""
    return isinstance(engine, Engine)


class SpokenLanguage:
    """Keeps the language of one meeting, and has its windows transcribed in it, one after another in order.

    What it does depends on `state` and the window alone: a run that goes on with the state of an earlier one gives the
    same text.

    Args:
        engine: Loaded.
        state: What `state` gave before; None at the start of a meeting.
    """

    def __init__(self, engine: Engine, state: Mapping[str, Any] | None = None) -> None:
        known = state or {}
        self._engine = engine
        self._kept = str(known.get("language", ""))
        self._heard: dict[str, float] = {str(code): float(sum_) for code, sum_ in known.get("heard", {}).items()}
        self._since = float(known.get("since", 0.0))
        self._rival = str(known.get("rival", ""))
        self._rival_times = int(known.get("times", 0))
        self._doubt = int(known.get("doubt", 0))

    def state(self) -> dict[str, Any]:
        """All that it knows, as plain data."""
        return {
            "language": self._kept,
            "heard": dict(self._heard),
            "since": self._since,
            "rival": self._rival,
            "times": self._rival_times,
            "doubt": self._doubt,
        }

    @property
    def kept(self) -> str:
        """ISO 639-1 code of the meeting's language; empty while it is not certain."""
        return self._kept

    def transcribe(self, samples: NDArray[np.float32], voiced: float) -> list[Piece]:
        """What is said in the next window, in the language that is spoken there.

        Args:
            samples: As for an engine.
            voiced: Seconds of speech in them.

        Raises:
            ModelError: The engine failed.
        """
        asked = self._is_due(voiced)
        language = self._ask(samples, voiced) if asked else self._kept
        pieces = self._engine.transcribe(samples, language)
        if not asked and voiced >= _ENOUGH_SECONDS and _poor(pieces):
            better = self._ask(samples, voiced)
            if better != language:
                pieces = self._engine.transcribe(samples, better)
        self._since += voiced
        return pieces

    def glance(self, samples: NDArray[np.float32]) -> list[Piece]:
        """What has been said so far in a window that goes on. Nothing is learnt from it: it comes again as a whole.

        Args:
            samples: As for an engine.

        Raises:
            ModelError: The engine failed.
        """
        language = self._kept or self._likeliest() or self._engine.detect(samples)[0]
        return self._engine.transcribe(samples, language)

    def _is_due(self, voiced: float) -> bool:
        if not self._kept:
            return True
        return voiced >= _ENOUGH_SECONDS and (self._doubt > 0 or self._since >= _AGAIN_SECONDS)

    def _ask(self, samples: NDArray[np.float32], voiced: float) -> str:
        """The language that this window is in; takes note of it for the ones to come."""
        code, probability = self._engine.detect(samples)
        _log.info(
            "%s is spoken (%.2f) in %.1f s of speech; so far %s", code, probability, voiced, self._kept or "unknown"
        )
        if not self._kept:
            return self._begin(code, probability, voiced)
        self._since = 0.0
        self._doubt = max(0, self._doubt - 1)
        if code == self._kept:
            self._rival, self._rival_times = "", 0
        if code == self._kept or probability < _SURE_OF_ANOTHER:
            return self._kept
        self._rival_times = self._rival_times + 1 if code == self._rival else 1
        self._rival, self._doubt = code, _WINDOWS_IN_DOUBT
        if self._rival_times >= _TIMES:
            self._keep(code)
        return code

    def _begin(self, code: str, probability: float, voiced: float) -> str:
        self._heard[code] = self._heard.get(code, 0.0) + probability * voiced
        sure = voiced >= _ENOUGH_SECONDS and probability >= _SURE
        if sure or self._since + voiced >= _LONG_ENOUGH_SECONDS:
            self._keep(code if probability >= _SURE else self._likeliest())
            return self._kept
        return self._likeliest()

    def _likeliest(self) -> str:
        """Of the languages heard so far; empty before the first."""
        return max(self._heard, key=lambda each: self._heard[each], default="")

    def _keep(self, code: str) -> None:
        _log.info("the language of the meeting is %s", code)
        self._kept, self._heard = code, {}
        self._since, self._rival, self._rival_times, self._doubt = 0.0, "", 0, 0


def _poor(pieces: list[Piece]) -> bool:
    sure = [piece.log_probability for piece in pieces if piece.log_probability is not None]
    return bool(sure) and sum(sure) / len(sure) < _POOR
