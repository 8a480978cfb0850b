"""What the catalogue says about models: each is pinned, and fits into a folder of its own."""

from __future__ import annotations

import re

import pytest

from services.models.catalogue import CATALOGUE
from services.models.entry import Archive, Hub, ModelEntry
from services.models.vosk_models import SPEAKER_MODEL, VOSK_MODELS
from services.models.whisper_models import WHISPER_MODELS

_DOWNLOADED = [
    *(("faster-whisper", model) for model in WHISPER_MODELS),
    *(("vosk", model) for model in VOSK_MODELS),
]


@pytest.mark.parametrize(("engine", "model"), _DOWNLOADED, ids=[f"{e}:{m.name}" for e, m in _DOWNLOADED])
def test_a_model_that_is_downloaded_is_pinned_and_says_what_it_costs(engine: str, model: ModelEntry) -> None:
    match model.origin:
        case Hub(repository=repository, revision=revision, files=files, sha256=sha256):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+", repository)
            assert re.fullmatch("[0-9a-f]{40}", revision)
            assert re.fullmatch("[0-9a-f]{64}", sha256)
            assert "config.json" in files[1:]
            assert files[0] == "model.bin"
        case Archive(url=url, sha256=sha256):
            assert url.startswith("https://")
            assert url.endswith(".zip")
            # Nobody published a checksum of this one; whoever pulls it is told so.
            assert re.fullmatch("[0-9a-f]{64}", sha256) or model.name == SPEAKER_MODEL
        case None:
            pytest.fail("it has no origin")
    assert model.size_mb > 10
    assert model.memory_mb > 10
    assert model.licence


def test_no_two_models_share_a_revision_or_a_checksum() -> None:
    origins = [model.origin for _, model in _DOWNLOADED]
    pins = [o.revision if isinstance(o, Hub) else o.sha256 for o in origins if o is not None]
    pins += [o.sha256 for o in origins if isinstance(o, Hub)]
    known = [pin for pin in pins if pin]
    assert len(set(known)) == len(known)


def test_the_name_of_every_model_is_a_name_of_a_folder() -> None:
    names = [(entry.name, model.name) for entry in CATALOGUE for model in entry.models]
    assert len(set(names)) == len(names)
    for engine, model in names:
        # `.part` and a leading dot are for what lies beside a model.
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", f"{engine}{model}")
        assert not model.endswith(".part")
