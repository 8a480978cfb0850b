"""Files that survive a crash."""

from __future__ import annotations

import os
import resource
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import StorageError
from services.files import JsonLines, read_json_lines, write_atomic

RECORDS = st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=3), max_size=8)


@given(RECORDS, RECORDS, st.integers(0, 400))
def test_a_cut_file_gives_back_its_whole_lines_and_takes_new_ones(
    first: list[dict[str, str]], second: list[dict[str, str]], cut: int
) -> None:
    """Feature: json-lines, Property 1: after a cut at any byte, whole lines are read and appending goes on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        with JsonLines(path) as file:
            for record in first:
                file.append(record)
        os.truncate(path, min(cut, path.stat().st_size))
        kept = list(read_json_lines(path))
        assert kept == first[: len(kept)]
        with JsonLines(path) as file:
            for record in second:
                file.append(record)
        assert list(read_json_lines(path)) == kept + second


def test_a_missing_file_is_empty_and_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert list(read_json_lines(path)) == []
    path.write_bytes(b'{"a": 1}\n\xff\xfe\n[1]\nnot json\n{"b": 2}\n{"c"')
    assert list(read_json_lines(path)) == [{"a": 1}, {"b": 2}]


def test_written_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_atomic(tmp_path / "a", "x")
        with JsonLines(tmp_path / "b"):
            pass
    finally:
        os.umask(old)
    assert [(tmp_path / n).stat().st_mode & 0o777 for n in "ab"] == [0o600, 0o600]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        write_atomic(tmp_path / "dir", "x")
    with pytest.raises(StorageError, match="cannot be written"):
        write_atomic(tmp_path / "no-folder" / "a", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["dir"]


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    file = JsonLines(Path("/dev/full"))
    with file, pytest.raises(StorageError, match="No space left"):
        file.append({"a": 1})


def test_a_line_of_which_a_full_disk_takes_a_part_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JsonLines(path) as file:
        file.append({"a": 1})
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        try:
            with pytest.raises(StorageError, match="cannot be written"):
                file.append({"b": "longer than what is left"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        file.append({"c": 3})
    assert path.read_bytes() == b'{"a":1}\n{"c":3}\n'
