"""The catalogue: what a person may type, and what the answer is when it does not exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.errors import MissingPackageError, UsageError
from services.models.catalogue import CATALOGUE, EngineEntry, EngineSpec, engine_class, parse_engine


@pytest.mark.parametrize("text", ["moonshine", "moonshine:tiny-en", " Moonshine "])
def test_the_built_in_engine_has_one_model(text: str) -> None:
    spec = parse_engine("stt", text)
    assert spec == EngineSpec("moonshine", "tiny-en")
    assert spec.label == "moonshine:tiny-en"
    assert spec.load_args() == {"engine": "moonshine", "model": "tiny-en"}


@pytest.mark.parametrize("name", ["llama", "llama-cpp-python"])
def test_a_model_by_path_keeps_its_colons_and_loses_its_tilde(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    spec = parse_engine("summary", f"{name}:~/a:b.gguf")
    assert spec == EngineSpec("llama-cpp-python", "/home/me/a:b.gguf")
    assert spec.label == "llama-cpp-python:a:b.gguf"


def test_a_relative_path_becomes_absolute() -> None:
    assert parse_engine("summary", "llama:x.gguf").model == str(Path.cwd() / "x.gguf")


def test_extractive_has_no_model() -> None:
    assert parse_engine("summary", "extractive") == EngineSpec("extractive")
    assert parse_engine("summary", "extractive").label == "extractive"


@pytest.mark.parametrize(
    ("job", "text", "said"),
    [
        ("stt", "dragon", "moonshine"),
        ("stt", "extractive", "moonshine"),
        ("stt", "", "moonshine"),
        ("stt", "moonshine:base", "tiny-en"),
        ("summary", "gpt", "extractive, llama-cpp-python:PATH, none"),
        ("summary", "llama", "GGUF"),
        ("summary", "llama:", "GGUF"),
        ("summary", "extractive:large", "extractive"),
    ],
)
def test_what_does_not_exist_gets_a_list_of_what_does(job: str, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_engine("stt" if job == "stt" else "summary", text)
    assert said in caught.value.hint


def test_a_name_that_we_did_not_write_cannot_paint_the_screen() -> None:
    with pytest.raises(UsageError) as caught:
        parse_engine("stt", "\x1b[31mred\x07")
    assert "\x1b" not in caught.value.message
    assert "\x07" not in caught.value.message


def test_a_missing_package_is_told_with_the_way_to_get_it() -> None:
    entry = EngineEntry("stt", "other", "nowhere:Other", package="no_such_package_at_all", install="Install it so.")
    assert not entry.installed
    with pytest.raises(MissingPackageError) as caught:
        engine_class(entry)
    assert caught.value.hint == "Install it so."


def test_names_are_unique() -> None:
    names = [(entry.job, name) for entry in CATALOGUE for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))


def test_the_app_may_import_it() -> None:
    code = (
        "import sys, services.models.catalogue as c\n"
        "[e.installed for e in c.CATALOGUE]\n"
        "print(*sorted({'numpy', 'av', 'soundfile', 'onnxruntime', 'moonshine_voice', 'llama_cpp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
