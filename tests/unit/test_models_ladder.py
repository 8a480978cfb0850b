"""Which engine goes on when one is short of memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services import paths
from services.memory.estimates import Estimates
from services.models.catalogue import EngineSpec, parse_engine
from services.models.ladder import next_smaller
from services.models.options import EngineOptions
from services.models.store import MANIFEST, folder_of

Put = Callable[..., None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts models, as ENGINE:MODEL, where they are looked for. At first there is none."""
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    paths.private(paths.models())

    def models(*labels: str) -> None:
        for label in labels:
            folder = folder_of(*label.split(":"))
            folder.mkdir(parents=True)
            (folder / MANIFEST).write_text("{}")

    return models


def after(label: str, language: str = "en", available_mb: float = 16_000.0) -> str | None:
    found = next_smaller("stt", parse_engine("stt", label), language, available_mb=available_mb)
    return found.label if found else None


def test_the_largest_smaller_model_of_the_same_engine_is_next(put: Put) -> None:
    put(*(f"faster-whisper:{model}" for model in ("large-v3", "medium", "small", "base", "tiny")), "vosk:small-en")
    assert after("faster-whisper:large-v3") == "faster-whisper:medium"
    assert after("faster-whisper:small") == "faster-whisper:base"
    assert after("faster-whisper:base") == "faster-whisper:tiny"
    assert after("faster-whisper:tiny") is None


def test_below_two_gigabytes_large_gives_way_to_small(put: Put) -> None:
    put(*(f"faster-whisper:{model}" for model in ("large-v3", "medium", "small")))
    assert after("faster-whisper:large-v3", available_mb=1999.0) == "faster-whisper:small"
    assert after("faster-whisper:large-v3", available_mb=2000.0) == "faster-whisper:medium"
    put("vosk:standard-en")
    put("vosk:small-en")
    assert after("vosk:standard-en", available_mb=1999.0) == "vosk:small-en"


def test_the_built_in_one_is_the_last_for_its_language(put: Put) -> None:
    put("faster-whisper:small")
    assert after("faster-whisper:small") == "moonshine:tiny-en"
    assert after("faster-whisper:small", available_mb=300.0) == "moonshine:tiny-en", "nothing fits better"
    assert after("faster-whisper:small", "de") is None
    assert after("moonshine") is None


def test_a_language_that_is_not_known_yet_needs_a_model_that_finds_it_out(put: Put) -> None:
    put("faster-whisper:small")
    put("faster-whisper:base.en")
    assert after("faster-whisper:small", "auto") is None
    put("faster-whisper:base")
    assert after("faster-whisper:small", "auto") == "faster-whisper:base"


def test_what_was_measured_counts(put: Put) -> None:
    put("faster-whisper:base")
    put("faster-whisper:tiny")
    spec = EngineSpec("faster-whisper", "base", EngineOptions())
    Estimates().learn(EngineSpec("faster-whisper", "tiny", EngineOptions()).load_args(), 900.0)
    found = next_smaller("stt", spec, "en")
    assert found is None, "the tiny model was measured to take more"


def test_nobody_gives_way_to_one_that_gives_way_to_it(put: Put) -> None:
    put("faster-whisper:base", "faster-whisper:tiny")
    Estimates().learn(parse_engine("stt", "faster-whisper:base").load_args(), 10.0)  # of a run that ended early
    assert after("faster-whisper:base") == "faster-whisper:tiny"
    assert after("faster-whisper:tiny") is None


def test_a_server_has_nothing_smaller(put: Put) -> None:
    assert after("openai:whisper-1") is None


def test_options_stay_but_for_the_batch(put: Put) -> None:
    put("faster-whisper:tiny")
    options = EngineOptions(beam=3, batch=4, vocabulary=("Ada",), speakers=True)
    found = next_smaller("stt", EngineSpec("faster-whisper", "small", options), "en")
    assert found is not None
    assert found.options == EngineOptions(beam=3, batch=1, vocabulary=("Ada",), speakers=True)


def test_summaries_go_down_the_list_to_the_built_in_writer(put: Put, tmp_path: Path) -> None:
    files = [tmp_path / f"{size}.gguf" for size in ("large", "middle", "gone", "small")]
    for file in files:
        if file.stem != "gone":
            file.write_bytes(b"GGUF")
    large, *smaller = (EngineSpec("llama-cpp-python", str(file)) for file in files)
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    steps: list[str] = []
    spec: EngineSpec | None = large
    while spec is not None:
        steps.append(spec.label.rpartition(":")[2])
        spec = next_smaller("summary", spec, smaller=smaller * 2)  # nobody is taken twice
    assert steps == ["large.gguf", "middle.gguf", "small.gguf", "extractive"]
