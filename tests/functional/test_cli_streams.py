"""Where the output goes: to nobody, to a full disk, nowhere at all; and what may not be in it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services import sample
from tests.functional.command import Done, argv, sotto


@pytest.fixture
def hush(tmp_path: Path) -> Path:
    """Five seconds of silence."""
    file = tmp_path / "hush.wav"
    soundfile.write(file, np.zeros(16000 * 5), 16000)
    return file


def shell(arguments: list[object], more: str) -> Done:
    """Run `sotto` with redirections; the code is that of `sotto`, first in a pipe."""
    line = f"{shlex.join(argv(*arguments))} {more}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "mistake" not in done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_reader_who_has_enough_ends_the_work_without_a_complaint(home: Path) -> None:
    done = shell(["doctor"], "| true")
    assert (done.code, done.err) == (1, "")


def test_a_reader_who_has_enough_of_transcripts_cancels_them(home: Path, hush: Path, tmp_path: Path) -> None:
    done = shell(["process", hush, tmp_path / "other.wav"], "| true")
    assert done.code == 1
    assert "SIGKILL" not in done.err
    assert len(list((home / "recordings").glob("*"))) <= 1


def test_a_full_disk_behind_stdout_is_told(home: Path, hush: Path) -> None:
    done = shell(["process", hush, "--json"], "> /dev/full")
    assert done.code == 1
    assert "No space left on device" in done.err


def test_messages_that_nobody_can_hear_stop_nothing(home: Path, hush: Path) -> None:
    done = shell(["process", hush], "2> /dev/full")
    assert (done.code, done.out) == (0, "No speech was found.\n")


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed_are_no_place_for_a_model_s_socket(home: Path, closed: str) -> None:
    source = f"file:{sample.MEETING}"
    done = shell(["record", "--source", source, "--for", 12, "--speed", 20], closed)
    assert done.code == 0
    (meeting,) = (home / "recordings").iterdir()
    stages = json.loads((meeting / "meeting.json").read_text())["stages"]
    assert {stage["status"] for stage in stages.values()} == {"done"}


def test_names_of_any_bytes_are_processed_and_reach_no_terminal(home: Path, hush: Path, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9 \x1b[31m\xc2\x9b2J\nsong.wav"
    os.rename(hush, name)
    done = sotto("process", os.fsdecode(name), tmp_path / "missing.wav", "--json")
    first, second = done.objects
    assert (done.code, first["ok"], second["ok"]) == (1, True, False)
    assert os.fsencode(first["file"]) == name
    assert all(" " <= character <= "~" for line in done.out.splitlines() for character in line)
    # What is left to do of it finds the file again, by the bytes of its name.
    meeting = Path(first["meeting"])
    info = json.loads((meeting / "meeting.json").read_text())
    assert os.fsencode(info["file"]) == name
    (meeting / "meeting.json").write_text(json.dumps(info | {"stages": {}}))
    assert sotto("process", meeting, "--json").objects[0]["ok"]
    spoken = sotto("process", os.fsdecode(name), os.fsdecode(name))
    assert spoken.code == 0
    assert "\x1b" not in spoken.out + spoken.err
    assert "\x9b" not in spoken.out + spoken.err


def test_a_title_and_a_source_of_any_bytes_are_recorded(home: Path, hush: Path) -> None:
    source = os.fsencode(hush.parent) + b"/\xff.wav"
    os.rename(hush, source)
    done = sotto(
        "record",
        "--source",
        os.fsdecode(b"file:" + source),
        "--speed",
        50,
        "--no-process",
        "--title",
        "\udcff",
        "--json",
    )
    assert (done.code, done.objects[0]["duration_s"]) == (0, 5.0)


def test_another_encoding_of_the_terminal_stops_nothing(
    home: Path, hush: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    other = hush.rename(hush.parent / "Besprechung äöü 会議.wav")
    done = sotto("process", other, other)
    assert done.code == 0
    assert "== " in done.out


def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path, hush: Path) -> None:
    new = tmp_path / "home"
    done = subprocess.run(
        argv("process", hush), env=os.environ | {"SOTTO_HOME": str(new)}, umask=0, capture_output=True, check=False
    )
    assert done.returncode == 0
    for path in [new, *new.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
