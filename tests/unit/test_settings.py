"""Settings: precedence, and what a wrong one says."""

from __future__ import annotations

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
        ("summary = 3\n", ["summary"]),
    ],
)
def test_a_wrong_value_names_place_key_and_what_is_allowed(config: Path, text: str, words: list[str]) -> None:
    config.write_text(text)
    with pytest.raises(SettingsError) as caught:
        settings.load()
    said = f"{caught.value.message} {caught.value.hint}"
    assert all(word in said for word in words), said


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_RECORDING_RATE", "1")
    with pytest.raises(SettingsError, match="SOTTO_RECORDING_RATE"):
        settings.load()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.integers(8000, 48000),
    chunk=st.floats(1, 600),
    captions=st.booleans(),
    engine=st.from_regex(r"[a-z]{1,9}(:[a-z/.]{1,20})?", fullmatch=True),
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
