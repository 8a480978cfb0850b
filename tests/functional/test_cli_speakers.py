"""`sotto speakers` lists and names who speaks; every other command that shows words shows the names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from services import sample
from services.files import JsonLines
from services.library.meeting import Meeting
from services.library.segments import Segment
from tests.functional.command import sotto


@pytest.fixture
def meeting(home: Path) -> Meeting:
    info = {"stages": {"record": {"status": "done"}, "transcribe": {"status": "done"}}}
    made = Meeting.create(home / "recordings", "Sync", info)
    with JsonLines(made.transcript) as transcript:
        transcript.append(Segment(0, 61.5, "We decided to ship on Friday.", "You").to_dict())
        transcript.append(Segment(62, 70, "I will write the notes.", "Others").to_dict())
        transcript.append(Segment(71, 75, "Good.", "You").to_dict())
    return made


def test_who_speaks_is_listed(meeting: Meeting) -> None:
    done = sotto("speakers", meeting.folder)
    assert (done.code, done.err) == (0, "")
    assert [line.split() for line in done.out.splitlines()] == [
        ["You", "1:05", "2", "segments"], ["Others", "0:08", "1", "segment"]
    ]  # fmt: skip


def test_names_are_given_and_shown_by_export_and_process(meeting: Meeting) -> None:
    done = sotto("speakers", meeting.folder, "You=Anna", "others=Ben", "--json")
    assert json.loads(done.out) == [
        {"label": "You", "name": "Anna", "seconds": 65.5, "segments": 2},
        {"label": "Others", "name": "Ben", "seconds": 8.0, "segments": 1},
    ]
    exported = sotto("export", meeting.folder, "--format", "txt", "--output", "-")
    assert "Anna" in exported.out
    assert "You" not in exported.out
    (written,) = sotto("process", meeting.folder, "--json").objects
    assert [segment["speaker"] for segment in written["segments"]] == ["Anna", "Ben", "Anna"]
    assert "Ben" in meeting.summary.read_text()


def test_a_meeting_is_found_by_its_name_there(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_FOLDER", str(meeting.folder.parent))
    assert "Anna (You)" in sotto("speakers", meeting.folder.name, "You=Anna").out
    assert "Anna" not in sotto("speakers", meeting.folder.name, "Anna=").out


@pytest.mark.parametrize("wanted", [["Anna"], ["=Anna"], ["Carl=Anna"], ["You=Anna", "Carl=Ben"]])
def test_a_wrong_name_is_wrong_use_and_changes_nothing(meeting: Meeting, wanted: list[str]) -> None:
    before = meeting.info_file.read_bytes()
    done = sotto("speakers", meeting.folder, *wanted)
    assert done.code == 2
    assert done.out == ""
    assert meeting.info_file.read_bytes() == before


def test_a_meeting_without_speakers_says_how_to_get_them(home: Path) -> None:
    made = Meeting.create(home / "recordings", "Memo")
    with JsonLines(made.transcript) as transcript:
        transcript.append(Segment(0, 1, "Milk.").to_dict())
    done = sotto("speakers", made.folder)
    assert (done.code, done.out) == (0, "")
    assert "--speakers" in done.err


def test_a_file_is_told_apart_where_that_is_asked_for(tmp_path: Path) -> None:
    samples, rate = soundfile.read(sample.MEETING, dtype="float32", frames=20 * 16_000)
    mixed = tmp_path / "mixed.wav"
    soundfile.write(mixed, 0.7 * samples.sum(axis=1), rate)
    done = sotto("process", mixed, "--speakers", "--summary", "none")
    assert done.code == 0
    said = [line.split("] ", 1)[1] for line in done.out.splitlines() if line.startswith("[")]
    assert said[0].startswith("Speaker 1: Good morning")
    assert {line.split(":")[0] for line in said} == {"Speaker 1", "Speaker 2"}
    folder = done.err.split("Kept in ")[1].splitlines()[0]
    assert "Anna (Speaker 1)" in sotto("speakers", folder, "Speaker 1=Anna").out


def test_what_is_no_meeting_is_told(tmp_path: Path) -> None:
    assert sotto("speakers", tmp_path).code == 1
    too_long = sotto("speakers", "x" * 300)
    assert (too_long.code, "There is no folder" in too_long.err) == (1, True)
