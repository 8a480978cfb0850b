"""Where things lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services import paths
from services.errors import StorageError


def test_sotto_home_moves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    places = [paths.recordings(), paths.config_file(), paths.themes(), paths.state(), paths.cache(), paths.log_file()]
    assert all(place.is_relative_to(tmp_path) for place in places)


def test_without_it_the_usual_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOTTO_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "st"))
    assert paths.recordings() == tmp_path / "Recordings" / "sotto"
    assert paths.config_file() == tmp_path / ".config" / "sotto" / "config.toml"
    assert paths.state() == tmp_path / "st" / "sotto"


def test_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = paths.private(tmp_path / "a" / "b")
    finally:
        os.umask(old)
    assert made.stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    assert paths.private(tmp_path / "open").stat().st_mode & 0o777 == 0o700


def test_a_socket_address_always_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 90)
    monkeypatch.setenv("SOTTO_HOME", str(deep))
    first = paths.runtime()
    assert len(os.fsencode(first / "recorder.sock")) <= 100
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path / ("e" * 90)))
    assert paths.runtime() != first
    first.rmdir()
    paths.runtime().rmdir()


def test_a_link_where_sockets_go_is_refused_and_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    (tmp_path / "run").symlink_to(shared)
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    with pytest.raises(StorageError, match="not a folder of your own"):
        paths.runtime()
    assert shared.stat().st_mode & 0o777 == 0o755


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        paths.private(tmp_path / "file" / "x")
    assert "SOTTO_HOME" in caught.value.hint


def test_a_long_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    path = paths.log_file("stt")
    path.write_bytes(b"x" * (1024 * 1024 + 1))
    assert paths.log_file("stt") == path
    assert not path.exists()
    assert path.with_suffix(".log.old").stat().st_size > 1024 * 1024
