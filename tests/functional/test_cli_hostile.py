"""Meetings and settings that somebody else has written: every one gets a sentence, none a traceback."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import pytest

from services import sample
from tests.functional.command import Done, sotto

FIELDS = {
    "file": str,
    "ok": bool,
    "duration_s": float,
    "text": str,
    "segments": list,
    "summary": str,
    "wall_s": float,
    "peak_pss_mb": float,
    "load_s": float,
    "unload_s": float,
    "stt": str,
}
DONE = {"record": {"status": "done"}, "transcribe": {"status": "done"}}


def fails(done: Done) -> dict[str, object]:
    """The one object of a meeting that cannot be processed."""
    (result,) = done.objects
    assert (done.code, result["ok"]) == (1, False)
    assert result["error"]
    assert all(isinstance(result[key], kind) for key, kind in FIELDS.items())
    assert "mistake" not in done.err
    return result


@pytest.fixture
def folder(home: Path) -> Path:
    path = home / "recordings" / "one"
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, '{"file": 5}', '{"file": "\\ud800\\u0000"}', '{"rate": 1e400, "channels": [1]}'],
    ids=["empty", "list", "deep", "number", "bytes", "infinity"],
)
def test_a_damaged_meeting_is_an_error_of_that_meeting(folder: Path, tmp_path: Path, text: str) -> None:
    (folder / "meeting.json").write_text(text)
    fails(sotto("process", folder, "--json"))


def test_what_lies_in_the_place_of_a_file_stops_only_that_meeting(folder: Path) -> None:
    meetings = []
    for number, name in enumerate(("transcript.jsonl", "summary.md", "meeting.json")):
        meeting = folder.with_name(f"m{number}")
        meeting.mkdir()
        (meeting / "meeting.json").write_text(json.dumps({"stages": {} if number == 0 else DONE}))
        (meeting / "transcript.jsonl").write_text('{"start": 0, "end": 1, "text": "We decided to go."}\n')
        (meeting / name).unlink(missing_ok=True)
        (meeting / name).mkdir()
        meetings.append(meeting)
    os.rmdir(meetings[2] / "meeting.json")
    os.mkfifo(meetings[2] / "meeting.json")
    done = sotto("process", *meetings, "--json")
    assert done.code == 1
    assert [result["ok"] for result in done.objects] == [False, False, False]
    assert "mistake" not in done.err


def test_a_damaged_transcript_gives_what_can_be_read_of_it(folder: Path) -> None:
    (folder / "meeting.json").write_text(json.dumps({"title": "\ud800x", "stages": DONE}))
    good = {"start": 0, "end": 1, "speaker": "A\x1b[31m", "text": "We decided to\x1b[2J ship\x9b it \ud800 on\nFriday."}
    lines = [json.dumps(good), "[" * 100_000, '{"start": NaN, "end": 1, "text": "x"}', '{"start": 1e400}', "\0", "[1]"]
    lines += [
        '{"start": 1, "end": 2, "text": null}',
        '{"start": 9, "end": 3, "text": "back"}',
        '{"start": ' + "9" * 400,
    ]
    lines += ['{"start": ' + "9" * 400 + ', "end": 1, "text": "big"}', '{"start": 4, "end": 5, "text": "cut']
    (folder / "transcript.jsonl").write_bytes("\n".join(lines).encode() + b"\xff")
    (result,) = sotto("process", folder, "--json").objects
    assert result["ok"], result["error"]
    first, second = result["segments"]
    assert (first["speaker"], first["text"]) == ("A", "We decided to ship it \ufffd on Friday.")
    assert (second["start"], second["end"]) == (9, 9)
    assert "ship it" in result["summary"]
    assert all(math.isfinite(segment["end"]) for segment in result["segments"])


def test_a_meeting_that_has_vanished_is_told(folder: Path) -> None:
    (folder / "meeting.json").write_text("{}")
    link = folder.with_name("link")
    link.symlink_to(folder)
    shutil.rmtree(folder)
    assert "no file" in str(fails(sotto("process", link, "--json"))["error"])


@pytest.mark.parametrize(
    ("variable", "value", "code", "words"),
    [
        ("SOTTO_RECORDING_SOURCES", "mic", 2, "SOTTO_RECORDING_SOURCES"),
        ("SOTTO_RECORDING", "x", 2, "SOTTO_RECORDING"),
        ("SOTTO_HOME", "~nobody-of-this-name/x", 1, "SOTTO_HOME"),
        ("SOTTO_FOLDER", "~nobody-of-this-name/x", 1, "nobody-of-this-name"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: int, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    done = sotto("process", "x.wav")
    assert (done.code, "mistake" in done.err) == (code, False), done.err
    assert words in done.err


@pytest.mark.parametrize("text", ['folder = "a\\u0000b"', "a = " + "[" * 100_000], ids=["zero", "deep"])
def test_settings_that_break_the_parser_are_passed_over(home: Path, text: str) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text(text)
    done = sotto("process", "x.wav")
    assert (done.code, "mistake" in done.err) == (1, False), done.err
    assert "Passed over: " in done.err
    assert "config.toml" in done.err


def test_a_folder_below_the_home_is_below_the_home(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(home / "me"))
    monkeypatch.setenv("SOTTO_FOLDER", "~/meetings")
    monkeypatch.chdir(tmp_path)
    assert sotto("record", "--source", f"file:{sample.MEETING}", "--for", 1, "--speed", 20, "--no-process").code == 0
    assert len(list((home / "me" / "meetings").iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pid", ["-1", "0", "9" * 30])
def test_a_number_that_no_process_has_is_wrong_use(home: Path, pid: str) -> None:
    done = sotto("monitor", "--once", "--", pid)
    assert (done.code, "mistake" in done.err) == (2, False)
