"""config.toml: one value is changed, and everything else stays as somebody wrote it."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services import configfile, paths, settings
from services.errors import SettingsError, StorageError

OWN = """\
# my settings
folder = "/meetings"    # on the big disk

[recording]
rate = 24000            # better for music
sources = ["mic", "system"]

[memory]
# not on this machine
idle_seconds = 5
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    return paths.config_file()


def own(config: Path) -> Path:
    config.parent.mkdir(exist_ok=True)
    config.write_text(OWN)
    return config


def test_a_value_is_changed_and_comments_stay(config: Path) -> None:
    own(config)
    configfile.write("recording.rate", 16000)
    assert config.read_text() == OWN.replace("24000 ", "16000 ")
    configfile.write("memory.preset", "lightweight")
    configfile.write("summary.engine", "none")
    assert all(line in config.read_text().splitlines() for line in OWN.replace("24000 ", "16000 ").splitlines())
    loaded = settings.load()
    assert (loaded.memory.preset, loaded.memory.idle_seconds, loaded.summary.engine) == ("balanced", 5.0, "none")
    assert tomllib.loads(config.read_text())["memory"]["preset"] == "lightweight"


def test_the_first_value_makes_the_file_for_its_owner_only(config: Path) -> None:
    configfile.write("recording.sources", ["mic", "system"])
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert settings.load().recording.sources == ("mic", "system")
    configfile.write("folder", "/meetings")
    assert settings.load().folder == Path("/meetings")


def test_a_change_can_be_taken_back(config: Path) -> None:
    own(config)
    for key, value in (("recording.sources", ["b"]), ("memory.idle_seconds", None), ("folder", "/b"), ("a", None)):
        before = configfile.write(key, value)
        configfile.take_back(key, before)
        assert tomllib.loads(config.read_text()) == tomllib.loads(OWN)
    assert configfile.write("recording.sources", ["b"]) == ["mic", "system"]
    assert configfile.write("summary.engine", "none") is None


def test_a_value_that_was_wrong_before_can_be_put_back(config: Path) -> None:
    wrong = '[transcription]\nlanguage = "x"  # too short\n'
    config.parent.mkdir(exist_ok=True)
    config.write_text(wrong)
    before = configfile.write("transcription.language", "de")
    assert before == "x"
    configfile.take_back("transcription.language", before)
    assert config.read_text() == wrong


def test_a_setting_that_is_taken_out_falls_back_to_what_is_below(config: Path) -> None:
    own(config)
    assert settings.load().origin("memory.idle_seconds") == "file"
    configfile.write("memory.idle_seconds", None)
    loaded = settings.load()
    assert (loaded.memory.idle_seconds, loaded.origin("memory.idle_seconds")) == (60.0, "preset")
    assert "# not on this machine" in config.read_text()
    before = config.read_text()
    configfile.write("screen.theme", None)
    assert config.read_text() == before


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("recording.rate", 5, ["recording.rate", "8000"]),
        ("recording.rat", 5, ["recording.rat", "chunk_seconds"]),
        ("colour", "red", ["colour", "folder"]),
        ("transcription.engine", "none such", ["none such", "moonshine"]),
        ("memory.preset", "huge", ["memory.preset", "'balanced'"]),
    ],
)
def test_what_is_not_allowed_is_not_written(config: Path, key: str, value: object, words: list[str]) -> None:
    own(config)
    with pytest.raises(SettingsError) as caught:
        configfile.write(key, value)
    assert all(word in f"{caught.value.message} {caught.value.hint}" for word in words)
    assert config.read_text() == OWN


@pytest.mark.parametrize("text", ["[recording\n", "recording = 3\n"])
def test_a_file_that_is_not_understood_is_left_alone(config: Path, text: str) -> None:
    own(config).write_text(text)
    with pytest.raises(SettingsError, match=r"config\.toml"):
        configfile.write("recording.rate", 16000)
    assert config.read_text() == text


def test_a_link_to_the_file_stays_a_link(config: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "dotfiles.toml"
    elsewhere.write_text(OWN)
    config.parent.mkdir()
    config.symlink_to(elsewhere)
    configfile.write("recording.rate", 48000)
    assert config.is_symlink()
    assert tomllib.loads(elsewhere.read_text())["recording"]["rate"] == 48000


def test_a_folder_that_cannot_be_written_is_told(config: Path) -> None:
    config.parent.write_text("a file is in the way")
    with pytest.raises((StorageError, SettingsError)):
        configfile.write("recording.rate", 48000)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("recording.rate", " 48000 ", 48000),
        ("recording.captions", "false", False),
        ("recording.sources", "mic, USB Microphone", ["mic", "USB Microphone"]),
        ("recording.sources", '["a, b"]', ["a, b"]),
        ("summary.smaller", "", []),
        ("recording.archive", "opus", "opus"),
        ("transcription.vocabulary", "", None),
        ("transcription.api_key", "1234", "1234"),
        ("screen.keymap", '{ "record" = "f5" }', {"record": "f5"}),
        ("memory.idle_seconds", "long", "long"),
        ("folder", "/meetings", "/meetings"),
    ],
)
def test_what_is_typed_is_what_the_file_has(key: str, text: str, value: object) -> None:
    assert configfile.typed(key, text) == value


def test_a_setting_that_there_is_not_cannot_be_typed() -> None:
    for key in ("colour", "recording.rat", "sound.rate", "recording.rate.x"):
        with pytest.raises(SettingsError):
            configfile.typed(key, "1")


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.integers(8000, 48000),
    seconds=st.floats(0, 86400),
    captions=st.booleans(),
    archive=st.sampled_from(["flac", "opus"]),
    sources=st.lists(st.from_regex(r"[a-zA-Z][a-zA-Z0-9 ]{0,8}[a-z]", fullmatch=True), min_size=1, max_size=2),
    keys=st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.from_regex(r"f[1-9]", fullmatch=True)),
    order=st.permutations(range(7)),
    commented=st.booleans(),
)
def test_what_the_screen_writes_is_what_is_loaded_and_shown(
    config: Path,
    rate: int,
    seconds: float,
    captions: bool,
    archive: str,
    sources: list[str],
    keys: dict[str, str],
    order: list[int],
    commented: bool,
) -> None:
    """Feature: settings, Property 2: values written one after another, in any order, are all there afterwards."""
    config.unlink(missing_ok=True)
    if commented:
        own(config)
    values: list[tuple[str, object]] = [
        ("recording.rate", rate),
        ("memory.idle_seconds", seconds),
        ("recording.captions", captions),
        ("recording.archive", archive),
        ("recording.sources", sources),
        ("screen.keymap", keys),
        ("folder", "/elsewhere"),
    ]
    for index in order:
        configfile.write(*values[index])
    loaded = settings.load()
    assert loaded.problems == ()
    assert (loaded.recording.rate, loaded.memory.idle_seconds, loaded.folder) == (rate, seconds, Path("/elsewhere"))
    assert (loaded.recording.captions, loaded.recording.archive) == (captions, archive)
    assert (loaded.recording.sources, loaded.screen.keymap) == (tuple(sources), keys)
    assert commented == ("# better for music" in config.read_text())
    for key in ("recording.rate", "recording.captions", "recording.archive", "recording.sources", "screen.keymap"):
        section, _, field = key.partition(".")
        value = getattr(getattr(loaded, section), field)
        again = configfile.typed(key, configfile.shown(value))
        assert again == (list(value) if isinstance(value, tuple) else value)
