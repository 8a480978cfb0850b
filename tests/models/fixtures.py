"""Fixtures that build models once a session. Import what a test module needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.models import whisper_ct2
    from tests.models.gguf_llama import Recipe


@pytest.fixture(scope="session")
def scripted_gguf(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], Path]:
    """Builds the model of a recipe, or finds it built.

    Needs no llama.cpp: only the tests that run the model do.
    """
    from tests.models.gguf_llama import build

    folder = tmp_path_factory.mktemp("gguf")
    built: dict[Recipe, Path] = {}

    def get(recipe: Recipe) -> Path:
        if recipe not in built:
            built[recipe] = build(folder / f"scripted-{len(built)}.gguf", recipe)
        return built[recipe]

    return get


@pytest.fixture(scope="session")
def scripted_vosk(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds a model for Vosk that speaks the words that it is given, or finds it built.

    With `speakers=True` a speaker model lies beside it. Needs no vosk: only the tests that run the model do.
    """
    from services.models.vosk_models import SPEAKER_MODEL
    from tests.models.vosk_kaldi import build, build_speaker

    built: dict[tuple[tuple[str, ...], bool], Path] = {}

    def get(*words: str, speakers: bool = False) -> Path:
        if (words, speakers) not in built:
            folder = tmp_path_factory.mktemp("vosk")
            built[words, speakers] = build(folder / "scripted", words or ("speech",))
            if speakers:
                build_speaker(folder / SPEAKER_MODEL)
        return built[words, speakers]

    return get


@pytest.fixture(scope="session")
def scripted_whisper(tmp_path_factory: pytest.TempPathFactory) -> Callable[[whisper_ct2.Recipe], Path]:
    """Builds the Whisper model of a recipe, or finds it built."""
    from tests.models.whisper_ct2 import build

    folder = tmp_path_factory.mktemp("whisper")
    built: dict[whisper_ct2.Recipe, Path] = {}

    def get(recipe: whisper_ct2.Recipe) -> Path:
        if recipe not in built:
            built[recipe] = build(folder / f"scripted-{len(built)}", recipe)
        return built[recipe]

    return get
