"""mlx-whisper where it is not: what is said of it, and what becomes of what it says."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from services.errors import MissingPackageError, UsageError
from services.library.segments import Word
from services.models import catalogue
from services.models.catalogue import CATALOGUE, EngineEntry, engine_class, engines, parse_engine
from services.models.offers import offers
from services.transcription.answer import pieces_of
from services.transcription.engine import Piece
from services.transcription.vocabulary import prompt_of

HERE = f"{sys.platform}-{os.uname().machine}"

(MLX,) = (entry for entry in CATALOGUE if entry.name == "mlx-whisper")


@pytest.mark.skipif(HERE == MLX.machine, reason="this is a Mac with Apple silicon")
def test_it_is_offered_nowhere_but_on_its_machine() -> None:
    assert MLX not in engines("stt")
    assert all(offer.spec.engine != MLX.name for offer in offers())
    for name in ("mlx", "mlx-whisper:/models/whisper"):
        with pytest.raises(UsageError, match="it is for darwin-arm64 only") as caught:
            parse_engine("stt", name)
        assert "moonshine" in caught.value.hint
        assert "mlx" not in caught.value.hint


@pytest.mark.skipif(MLX.installed, reason="mlx-whisper is installed")
def test_without_its_package_the_hint_says_how_to_get_it() -> None:
    with pytest.raises(MissingPackageError) as caught:
        engine_class(MLX)
    assert "pip install mlx-whisper" in caught.value.hint


def test_where_it_fits_it_takes_the_folder_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    other = EngineEntry("stt", "mlx-whisper", "nowhere:It", takes_path=True, machine=HERE)
    monkeypatch.setattr(catalogue, "CATALOGUE", (other,))
    assert engines("stt") == (other,)
    assert parse_engine("stt", "mlx-whisper:/models/whisper").model == "/models/whisper"
    with pytest.raises(UsageError) as caught:
        parse_engine("stt", "mlx-whisper")
    assert caught.value.hint == "Give the path of its folder: mlx-whisper:/PATH/MODEL"


def test_what_whisper_libraries_tell_keeps_words_and_times() -> None:
    said = {
        "text": " Hello there.",
        "language": "en",
        "segments": [
            {
                "start": np.float64(0.5),
                "end": np.float64(1.22),
                "text": " Hello there.",
                "avg_logprob": float("nan"),
                "no_speech_prob": 7.3e-06,
                "words": [
                    {"word": " Hello", "start": np.float64(0.5), "end": np.float64(0.8), "probability": 0.9},
                    {"word": " there.", "start": np.float64(0.8), "end": np.float64(1.22), "probability": 0.9},
                ],
            },
            {"start": np.float64(2.0), "end": np.float64(2.0), "text": "", "words": []},
        ],
    }
    words = (Word(0.5, 0.8, "Hello"), Word(0.8, 1.22, "there."))
    assert pieces_of(said, 3.0) == [Piece(0.5, 1.22, "Hello there.", words, None, 7.3e-06)]


def test_a_prompt_holds_as_many_terms_as_are_heeded() -> None:
    assert prompt_of(()) == ""
    assert prompt_of(("Ann", "Bob")) == "Ann, Bob"
    long = prompt_of([f"term{n}" for n in range(500)])
    assert 550 < len(long) <= 600
    assert long.endswith(tuple("0123456789"))
