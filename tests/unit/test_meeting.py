"""The folder of a meeting."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from services.errors import StorageError
from services.library.meeting import Meeting
from services.library.segments import Segment, read_segments


def test_a_new_meeting_is_private_and_says_what_it_is(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        meeting = Meeting.create(tmp_path / "all", "Weekly sync", {"rate": 16000})
    finally:
        os.umask(old)
    assert meeting.folder.name.endswith("_weekly-sync")
    assert meeting.folder.stat().st_mode & 0o777 == 0o700
    assert meeting.info_file.stat().st_mode & 0o777 == 0o600
    info = Meeting.open(meeting.folder).info()
    assert (info["version"], info["title"], info["rate"], info["stages"]) == (1, "Weekly sync", 16000, {})


def test_two_meetings_of_one_name_and_minute_are_two(tmp_path: Path) -> None:
    folders = {Meeting.create(tmp_path, "Sync").folder for _ in range(3)}
    assert len(folders) == 3


def test_a_title_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path / "in", "../../out\x1b[2J")
    assert meeting.folder.parent == tmp_path / "in"
    assert meeting.title == "../../out"


def _change(folder: Path, name: str) -> None:
    for number in range(20):
        Meeting(folder).update(**{name: number})


def test_two_processes_change_one_meeting_without_losing_a_field(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path, "x")
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_change, args=(meeting.folder, name)) for name in ("a", "b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (meeting.info()["a"], meeting.info()["b"]) == (19, 19)


def test_stages_keep_each_other(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path, "x")
    meeting.set_stage("record", "done")
    meeting.set_stage("transcribe", "failed", "no room")
    assert (meeting.stage("record"), meeting.stage("transcribe"), meeting.stage("archive")) == ("done", "failed", None)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b"{"])
def test_a_damaged_meeting_is_an_error_in_words(tmp_path: Path, content: bytes | None) -> None:
    meeting = Meeting.create(tmp_path, "x")
    meeting.info_file.unlink()
    if content is not None:
        meeting.info_file.write_bytes(content)
    with pytest.raises(StorageError):
        Meeting.open(meeting.folder)


def test_only_an_empty_meeting_is_discarded(tmp_path: Path) -> None:
    empty, spoken = Meeting.create(tmp_path, "a"), Meeting.create(tmp_path, "b")
    empty.transcript.touch()
    spoken.transcript.write_text("{}\n")
    empty.recording_marker.touch()
    empty.processing_marker.touch()
    assert empty.discard_if_empty()
    assert not spoken.discard_if_empty()
    assert (empty.folder.exists(), spoken.folder.exists()) == (False, True)


def test_segments_are_read_past_damage(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    path.write_text(
        '{"start":0,"end":1,"speaker":"You","text":"a"}\n{"start":"x"}\n{"start":2,"end":3,"text":"b"}\n{"sta'
    )
    assert list(read_segments(path)) == [Segment(0, 1, "a", "You"), Segment(2, 3, "b")]
