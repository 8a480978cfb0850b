"""Which engine writes the captions."""

from __future__ import annotations

from pathlib import Path

import pytest

from services import settings
from services.errors import UsageError
from services.models.catalogue import EngineSpec
from services.models.options import EngineOptions
from services.plans import plan_of
from services.transcription.choice import captions_engine, check_captions_engine

OPTIONS = EngineOptions(beam=5, batch=4, vocabulary=("Zürich",))
MOONSHINE = EngineSpec("moonshine", "tiny-en", OPTIONS)


@pytest.fixture
def sotto_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))


def whisper(folder: Path, megabytes: int) -> EngineSpec:
    """A model by path whose file has that size on disk, without taking it."""
    folder.mkdir()
    with (folder / "model.bin").open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    return EngineSpec("faster-whisper", str(folder), OPTIONS)


def test_the_built_in_engine_writes_them_where_it_speaks_the_language(tmp_path: Path) -> None:
    spec = captions_engine("", whisper(tmp_path / "model", 1), "en-US")
    assert spec.label == "moonshine:tiny-en"
    assert spec.options is not None
    assert (spec.options.beam, spec.options.batch) == (1, 1), "captions have to keep up"
    assert spec.options.vocabulary == ("Zürich",)


def test_the_model_of_the_final_text_is_taken_as_it_is() -> None:
    assert captions_engine("", MOONSHINE, "en") == MOONSHINE
    assert captions_engine("moonshine", MOONSHINE, "en").load_args() == MOONSHINE.load_args()


def test_another_language_takes_the_chosen_engine_where_it_is_light(tmp_path: Path) -> None:
    light = whisper(tmp_path / "light", 100)
    assert captions_engine("", light, "de") == light
    heavy = whisper(tmp_path / "heavy", 800)
    with pytest.raises(UsageError, match=r"does not understand the language 'de'\. faster-whisper:heavy is too heavy"):
        captions_engine("", heavy, "de")


def test_a_language_that_is_to_be_found_out_takes_an_engine_that_can(tmp_path: Path) -> None:
    light = whisper(tmp_path / "light", 100)
    assert captions_engine("", light, "auto") == light


def test_an_engine_that_was_named_is_taken_at_any_weight(tmp_path: Path) -> None:
    heavy = whisper(tmp_path / "heavy", 800)
    spec = captions_engine(f"whisper:{heavy.model}", MOONSHINE, "de")
    assert (spec.engine, spec.model) == (heavy.engine, heavy.model)


def test_one_that_does_not_speak_the_language_is_a_reason_and_no_error(sotto_home: None) -> None:
    chosen = {"engine": "whisper:/models/x", "captions_engine": "moonshine", "language": "de"}
    plan = plan_of(settings.load({"transcription": chosen}))
    assert plan.captions is None
    assert "does not understand the language 'de'" in str(plan.no_captions)


def test_one_that_does_not_exist_is_an_error(sotto_home: None) -> None:
    with pytest.raises(UsageError, match="no speech engine 'moonshin'"):
        plan_of(settings.load({"transcription": {"captions_engine": "moonshin"}}))
    check_captions_engine("")


def test_the_plan_has_both(sotto_home: None) -> None:
    plan = plan_of(settings.load({"transcription": {"engine": "whisper:/models/x"}}))
    assert plan.captions is not None
    assert (plan.stt.label, plan.captions.label) == ("faster-whisper:x", "moonshine:tiny-en")
    assert plan.no_captions is None
