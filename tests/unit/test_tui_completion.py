"""Completing a path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.completion import Match, common, matches, problem, resolve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("call.wav", "calendar.txt", "Talk.MP3", ".secret.wav"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "monday.ogg").write_bytes(b"x")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "a meeting").mkdir()
    (tmp_path / "a meeting" / "meeting.json").write_text("{}")
    return tmp_path


def names(found: list[Match]) -> list[str]:
    return [match.name for match in found]


def test_folders_come_first_then_sound_then_the_rest(folder: Path) -> None:
    assert names(matches("", folder)) == ["a meeting/", "calls/", "call.wav", "empty.wav", "Talk.MP3", "calendar.txt"]


def test_hidden_files_only_when_asked_for(folder: Path) -> None:
    assert names(matches(".", folder)) == [".secret.wav"]


def test_capitals_do_not_matter(folder: Path) -> None:
    assert names(matches("talk", folder)) == ["Talk.MP3"]
    assert common("talk", matches("talk", folder)) == "Talk.MP3"


def test_completion_adds_what_all_share(folder: Path) -> None:
    assert common("ca", matches("ca", folder)) == "cal"
    assert common("call", matches("call", folder)) == "call"
    assert common("nothing", matches("nothing", folder)) == "nothing"
    assert matches("calls/m", folder) == [Match("calls/monday.ogg", "monday.ogg", False, True)]


def test_home_is_expanded_and_kept_as_it_was_typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert names(matches("~/calls/", Path("/"))) == ["monday.ogg"]
    assert matches("~/calls/", Path("/"))[0].text == "~/calls/monday.ogg"
    assert resolve("~/call.wav", Path("/")) == folder / "call.wav"


def test_a_folder_that_is_not_there_or_not_readable_has_no_entries(folder: Path) -> None:
    assert matches("nowhere/", folder) == []
    assert matches("call.wav/", folder) == []


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "Type the path of a file."),
        ("  ", "Type the path of a file."),
        ("nothing.wav", "There is no such file."),
        ("calls", "That is a folder. Choose a file in it."),
        ("calls/", "That is a folder. Choose a file in it."),
        ("empty.wav", "That file is empty."),
        ("call.wav/x", "There is no such file."),
        ("a\0b", "A path cannot hold that character."),
        ("/dev/null", "That is not a file."),
        ("call.wav", ""),
        ("a meeting/", ""),
    ],
)
def test_why_a_path_cannot_be_opened(folder: Path, typed: str, why: str) -> None:
    assert problem(typed, folder) == why


def test_a_name_that_is_too_long_is_told(folder: Path) -> None:
    assert problem("x" * 5000, folder).endswith(".")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(folder: Path) -> None:
    (folder / "call.wav").chmod(0)
    assert problem("call.wav", folder) == "That file may not be read by you."


@given(st.text(max_size=20))
def test_whatever_is_typed_has_an_answer(typed: str) -> None:
    """Feature: open-file, Property 1: any text is completed to something that begins like it, or stays as it is."""
    base = Path("/usr")
    found = matches(typed, base)
    for match in found:
        assert match.text.lower().startswith(typed.lstrip().lower())
    completed = common(typed, found)
    assert completed == typed or completed.lower().startswith(typed.lstrip().lower())
    assert isinstance(problem(typed, base), str)


@pytest.mark.parametrize("typed", ["/somewhere//{0}/a.wav", "{0}//{0}/a.wav", "x//{0}/a.wav"])
def test_a_second_root_begins_the_path_anew(tmp_path: Path, typed: str) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    text = typed.format(tmp_path)
    assert resolve(text, Path("/elsewhere")) == tmp_path / "a.wav"
    assert [match.text for match in matches(text[:-4], Path("/elsewhere"))] == [f"{tmp_path}/a.wav"]


def test_a_tilde_begins_the_path_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("/somewhere/~/a.wav", tmp_path) == tmp_path / "a.wav"
