"""What can be chosen, and choosing it: for the life of the services, the settings stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from services import settings
from services.core import Services
from services.errors import UsageError
from services.models.catalogue import CATALOGUE, EngineSpec, find_engine
from services.models.offers import NO_SUMMARY, Offer, offers
from services.models.store import MANIFEST, folder_of
from services.plans import plan_of, with_engines
from services.settings import Settings


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))


def offer(label: str, url: str = "") -> Offer:
    return next(each for each in offers(url) if each.spec.label == label)


def install(engine: str, model: str) -> None:
    """A model's folder as a finished download leaves it."""
    folder = folder_of(engine, model)
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}")


def test_every_model_of_the_catalogue_is_offered_once() -> None:
    labels = [each.spec.label for each in offers()]
    assert len(set(labels)) == len(labels)
    assert {f"{entry.name}:{model.name}" for entry in CATALOGUE for model in entry.models} <= {*labels}


def test_a_model_is_absent_until_it_is_on_this_machine() -> None:
    assert (offer("faster-whisper:tiny").state, offer("faster-whisper:tiny").usable) == ("absent", False)
    install("faster-whisper", "tiny")
    assert (offer("faster-whisper:tiny").state, offer("faster-whisper:tiny").usable) == ("here", True)
    assert offer("moonshine:tiny-en").state == "built in"


def test_a_server_is_of_use_when_its_address_is_known() -> None:
    assert offer("openai:whisper-1").state == "no address"
    assert "SOTTO_TRANSCRIPTION_URL" in offer("openai:whisper-1").hint
    assert offer("openai:whisper-1", "http://localhost:1/v1").usable


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told = offer("faster-whisper:tiny")
    assert (told.state, told.hint) == ("no package", find_engine("stt", "whisper").install)


def test_what_was_given_by_path_is_listed_beside_the_models_of_its_engine() -> None:
    given = EngineSpec("faster-whisper", "/models/mine")
    listed = offers(chosen=[("stt", given), ("summary", NO_SUMMARY)])
    [number] = [n for n, each in enumerate(listed) if each.spec == given]
    assert listed[number].usable
    assert listed[number - 1].spec.engine == "faster-whisper"


def chosen(**transcription: str) -> Settings:
    return settings.load({"transcription": transcription})


def test_a_model_of_one_language_brings_it_along() -> None:
    german = chosen(language="de", engine="faster-whisper:small")
    english = with_engines(german, {"stt": "moonshine", "summary": "none"})
    assert (plan_of(english).language, plan_of(english).summary) == ("en", None)
    # The next choice takes the settings' language again.
    back = with_engines(german, {"stt": "faster-whisper:base", "summary": "extractive"})
    assert plan_of(back).language == "de"


def test_a_choice_holds_for_later_meetings_and_leaves_the_settings(tmp_path: Path) -> None:
    services = Services(settings.load(), lambda event: None)
    before = services.plan
    services.choose("stt", "faster-whisper:small")
    services.choose("summary", "none")
    assert services.plan.stt.label == "faster-whisper:small"
    assert services.plan.stt.options == before.stt.options
    assert services.plan.summary is None
    assert services.settings.transcription.engine == "moonshine"
    assert before.stt.label == "moonshine:tiny-en"


@pytest.mark.parametrize("engine", ["nothing", "faster-whisper:gigantic", "openai"])
def test_what_cannot_be_used_is_not_chosen(engine: str) -> None:
    services = Services(settings.load(), lambda event: None)
    before = services.plan
    with pytest.raises(UsageError):
        services.choose("stt", engine)
    assert services.plan == before
    services.choose("summary", "none")  # and does not stand in the way of the next choice
    assert services.plan.stt == before.stt
