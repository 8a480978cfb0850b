"""Finding meetings that are not finished, whatever happened to their folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from services.errors import RecorderBusyError, StorageError
from services.library.marker import Marker
from services.library.meeting import Meeting
from services.library.repair import repair
from services.library.unfinished import claim, find, is_meeting
from services.recording.chunks import HEADER_BYTES
from tests.unit.left_meetings import RATE, cut_off, one, recorded, samples, tree


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert find(tmp_path / "none") == []


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        find(tmp_path / "file")


def test_a_recording_that_was_cut_off_is_found_with_what_it_holds(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path, 2.5)
    found = one(tmp_path)
    assert (found.meeting, found.title, found.state, found.seconds) == (meeting.folder, "Weekly sync", "cut off", 2.5)
    assert found.bytes == 3 * HEADER_BYTES + 2.5 * RATE * 2
    assert found.started.isoformat(timespec="seconds") == meeting.info()["created"]


def test_either_trace_of_a_cut_off_recording_is_enough(tmp_path: Path) -> None:
    marked, running = cut_off(tmp_path, title="marked"), cut_off(tmp_path, title="running")
    marked.update(stages={"record": {"status": "done"}})
    running.recording_marker.unlink()
    assert {(each.title, each.state) for each in find(tmp_path)} == {("marked", "cut off"), ("running", "cut off")}
    assert is_meeting(marked.folder)
    assert is_meeting(running.folder)


def test_a_marker_that_is_held_means_that_a_recording_runs(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path)
    before = tree(meeting.audio)
    with Marker(meeting.recording_marker):
        assert one(tmp_path).state == "recording"
        meeting.info_file.write_text("{")  # whatever meeting.json says
        assert one(tmp_path).state == "recording"
        with pytest.raises(RecorderBusyError, match="still being recorded"):
            repair(meeting)
    assert tree(meeting.audio) == before
    assert one(tmp_path).state == "cut off"


def test_a_number_that_went_to_another_program_is_no_recorder(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path)
    meeting.recording_marker.unlink()
    meeting.update(stages={"record": {"status": "running", "pid": psutil.Process().pid}})
    assert one(tmp_path).state == "cut off"


@pytest.mark.parametrize(
    ("stages", "offered"),
    [
        ({}, True),
        ({"transcribe": "running"}, True),
        ({"transcribe": "waiting"}, True),
        ({"transcribe": "done"}, True),
        ({"transcribe": "done", "summarize": "running"}, True),
        ({"transcribe": "done", "summarize": "done", "archive": "running"}, True),
        ({"transcribe": "done", "summarize": "done", "archive": "done"}, False),
        ({"transcribe": "done", "summarize": "skipped"}, False),
        ({"transcribe": "done", "summarize": "failed"}, False),
        ({"transcribe": "failed"}, False),
        ({"transcribe": "failed", "archive": "running"}, False),
        ({"transcribe": "skipped"}, False),
    ],
)
def test_what_was_told_or_decided_is_not_offered(tmp_path: Path, stages: dict[str, str], offered: bool) -> None:
    meeting = recorded(tmp_path, stages)
    assert [each.state for each in find(tmp_path)] == (["recorded"] if offered else [])
    with claim(meeting):
        assert find(tmp_path) == [], "somebody works on it just now"


def test_a_file_whose_processing_was_cut_off_is_offered_while_it_exists(tmp_path: Path) -> None:
    talk = tmp_path / "talk.wav"
    talk.write_bytes(bytes(1000))
    info = {"file": str(talk), "stages": {"transcribe": {"status": "running"}}}
    Meeting.create(tmp_path / "meetings", "talk", info)
    found = one(tmp_path / "meetings")
    assert (found.state, found.seconds, found.bytes) == ("recorded", 0.0, 1000)
    talk.unlink()
    assert find(tmp_path / "meetings") == []


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    for day in (3, 1, 2):
        cut_off(tmp_path, title=str(day)).update(created=f"2026-03-0{day}T10:30:00+01:00")
    assert [each.title for each in find(tmp_path)] == ["1", "2", "3"]


def test_folders_that_are_no_meetings_of_ours_are_passed_over(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    meeting = cut_off(elsewhere)
    root.mkdir()
    (root / "link").symlink_to(meeting.folder)
    (root / "loop").symlink_to(root / "loop")
    (root / "empty").mkdir()
    (root / "photos" / "audio").mkdir(parents=True)
    (root / "photos" / "audio" / "song.wav").write_bytes(bytes(100))
    (root / "notes.txt").touch()
    os.mkfifo(root / "pipe")
    cut_off(root, title="hidden").folder.rename(root / ".hidden")
    assert find(root) == []


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["meeting.json", "audio/000000.wav", "audio/000002.wav", "audio.flac"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    meeting = cut_off(tmp_path)
    before = samples(meeting)
    _pipe(meeting.folder / name)
    assert one(tmp_path).state == "cut off"
    repair(meeting)
    assert one(tmp_path).state == "recorded"
    after = samples(meeting)
    kept = {"audio/000000.wav": slice(RATE, None), "audio/000002.wav": slice(0, 2 * RATE)}.get(name, slice(None))
    assert np.array_equal(after[kept], before[kept])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away, and only root reads any folder")
def test_other_people_s_folders_are_left_alone(tmp_path: Path) -> None:
    os.chown(cut_off(tmp_path).folder, 65534, 65534)
    assert find(tmp_path) == []


def test_only_unfinished_meetings_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path, {"transcribe": "done", "summarize": "done"})
    cut_off(tmp_path, title="cut")
    looked: list[Path] = []
    real = Path.iterdir

    def watched(self: Path) -> Any:
        looked.append(self.parent)
        return real(self)

    monkeypatch.setattr(Path, "iterdir", watched)
    cut = one(tmp_path).meeting
    assert set(looked) == {cut}
