"""Settings: precedence, and what a wrong one says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services import paths, settings
from services.errors import SettingsError


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    file = paths.config_file()
    file.parent.mkdir(parents=True)
    return file


def test_command_line_over_environment_over_file_over_default(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().recording.chunk_seconds == 30.0
    config.write_text("[recording]\nchunk_seconds = 10\ncaptions = false\nrate = 24000\n")
    assert settings.load().recording.chunk_seconds == 10.0
    monkeypatch.setenv("SOTTO_RECORDING_CHUNK_SECONDS", "5")
    assert settings.load().recording.chunk_seconds == 5.0
    chosen = settings.load({"recording": {"chunk_seconds": 2.5}}).recording
    assert (chosen.chunk_seconds, chosen.captions, chosen.rate) == (2.5, False, 24000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[recording]\nrat = 3\n",
            ["recording.rat", "config.toml", "chunk_seconds, disk_stop_mb", "rate, sources"],
        ),
        ("[recording]\nrate = 'fast'\n", ["recording.rate", "'fast'", "whole number"]),
        ("[recording]\nsources = 'mic'\n", ["recording.sources", 'a list, as in ["mic"]']),
        ("[recording]\nsources = []\n", ["recording.sources", "at least one"]),
        ("[recording]\nsources = ['a', 'b', 'c']\n", ["recording.sources", "too many"]),
        ("[recording]\ncaptions = 'perhaps'\n", ["recording.captions", "true or false"]),
        ("[recording]\nchunk_seconds = 'long'\n", ["recording.chunk_seconds", "takes a number"]),
        ("[recording]\nchunk_seconds = 0\n", ["recording.chunk_seconds", "greater than or equal to 1"]),
        ("colour = 'red'\n", ["colour", "folder, memory, recording"]),
        ("[recording\n", ["not valid TOML", "line 1"]),
        ("summary = 3\n", ["summary", "a section, as in"]),
        ("[transcription]\nengine = 'none such'\n", ["transcription.engine", "'none such'", "There are: moonshine"]),
        ("[transcription]\nvocabulary = '/gone.txt'\n", ["transcription.vocabulary", "cannot be read: No such file"]),
        ('[transcription]\nvocabulary = "a\\u0000b"\n', ["transcription.vocabulary", "cannot be read"]),
        ("[summary]\nengine = 'llama'\n", ["summary.engine", "llama:/PATH/MODEL.gguf"]),
        ("[summary]\nsmaller = ['llama:/m.gguf', 'x']\n", ["summary.smaller", "There are: extractive"]),
        ("[transcription]\ncaptions_engine = 'openai'\n", ["captions_engine", "works elsewhere"]),
        ("[memory]\npreset = 'tiny'\n", ["memory.preset", "'balanced'", "'lightweight'"]),
        ("[screen.keymap]\nrecord = 5\n", ["screen.keymap.record", "valid string"]),
    ],
)
def test_a_wrong_value_names_place_key_and_what_is_allowed(config: Path, text: str, words: list[str]) -> None:
    config.write_text(text)
    loaded = settings.load()
    (problem,) = loaded.problems
    said = f"{problem.message} {problem.hint}"
    assert all(word in said for word in words), said
    assert loaded.recording == settings.RecordingSettings()


@pytest.mark.parametrize(
    ("kind", "words"), [("pipe", "is no file"), ("large", "is larger than"), ("folder", "directory")]
)
def test_what_is_no_file_of_settings_is_told_at_once(config: Path, kind: str, words: str) -> None:
    match kind:
        case "pipe":
            os.mkfifo(config)
        case "folder":
            config.mkdir()
        case _:
            with config.open("wb") as file:
                file.truncate(100 * 1024 * 1024)
    loaded = settings.load()
    assert loaded.recording.rate == 16000
    (problem,) = loaded.problems
    assert words in problem.message


def test_what_is_right_in_the_file_works_beside_what_is_wrong(config: Path) -> None:
    config.write_text(
        "folder = '/meetings'\ncolour = 'red'\n[recording]\nrate = 24000\nchunk_seconds = 0\nsources = ['a', 5, 6]\n"
        "[summary]\nengine = 'none'\nmax_context = 'many'\n[screen.keymap]\nrecord = 'f5'\nstop = 6\n"
    )
    loaded = settings.load()
    assert (loaded.folder, loaded.recording.rate, loaded.summary.engine) == (Path("/meetings"), 24000, "none")
    assert (loaded.recording.chunk_seconds, loaded.recording.sources) == (30.0, ("mic",))
    assert (loaded.summary.max_context, loaded.screen.keymap) == (8192, {"record": "f5"})
    told = "".join(problem.message for problem in loaded.problems)
    for key in ("colour", "chunk_seconds", "recording.sources", "summary.max_context", "screen.keymap.stop"):
        assert key in told


def test_a_wrong_value_in_the_file_is_told_although_a_variable_wins(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[recording]\nrate = 1\n")
    monkeypatch.setenv("SOTTO_RECORDING_RATE", "8000")
    loaded = settings.load()
    assert (loaded.recording.rate, len(loaded.problems)) == (8000, 1)
    assert str(config) in loaded.problems[0].message


def test_a_wrong_value_of_the_command_line_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"`transcription.language` \(command line\)"):
        settings.load({"transcription": {"language": "x"}})


def test_monitoring_has_a_short_name_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_MEMORY_MONITORING", "false")
    monkeypatch.setenv("SOTTO_MEMORY_AGGRESSIVE_GC", "1")
    loaded = settings.load()
    assert (loaded.memory.enable_monitoring, loaded.memory.aggressive_gc) == (False, True)
    assert loaded.origin("memory.enable_monitoring") == "environment"
    monkeypatch.setenv("SOTTO_MEMORY_ENABLE_MONITORING", "true")
    assert settings.load().memory.enable_monitoring
    monkeypatch.delenv("SOTTO_MEMORY_ENABLE_MONITORING")
    monkeypatch.setenv("SOTTO_MEMORY_MONITORING", "perhaps")
    with pytest.raises(SettingsError, match="SOTTO_MEMORY_MONITORING"):
        settings.load()


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_RECORDING_RATE", "1")
    with pytest.raises(SettingsError, match="SOTTO_RECORDING_RATE"):
        settings.load()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.integers(8000, 48000),
    chunk=st.floats(1, 600),
    captions=st.booleans(),
    engine=st.from_regex(r"moonshine|vosk:small-de|(whisper|vosk):/[a-z/.]{1,20}", fullmatch=True),
)
def test_what_is_written_to_the_file_is_what_is_loaded(
    config: Path, rate: int, chunk: float, captions: bool, engine: str
) -> None:
    """Feature: settings, Property 1: any allowed value survives the way through the file."""
    config.write_text(
        f"[recording]\nrate = {rate}\nchunk_seconds = {chunk!r}\ncaptions = {str(captions).lower()}\n"
        f"[transcription]\nengine = '{engine}'\n"
    )
    loaded = settings.load()
    assert (loaded.recording.rate, loaded.recording.chunk_seconds) == (rate, chunk)
    assert (loaded.recording.captions, loaded.transcription.engine) == (captions, engine)
