"""Repairing meetings that were cut off, whatever became of their folders."""

from __future__ import annotations

import json
import os
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from services.errors import MeetingBusyError, StorageError
from services.library.meeting import UNTITLED, ArchiveFormat, Meeting
from services.library.repair import mend, repair
from services.library.unfinished import claim, find, is_meeting
from services.recording.chunks import HEADER_BYTES, chunk_path
from tests.unit.left_meetings import NOBODY, RATE, cut_off, one, recorded, samples, tree

# What meeting.json may have become

DAMAGE: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "half": b'{"version": 1, "title": "We',
    "zeros": bytes(300),
    "a list": b"[1, 2]",
    "nested": b"[" * 100_000,
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("channels", [1, 2])
def test_a_damaged_meeting_json_is_made_anew(tmp_path: Path, content: bytes | None, channels: int) -> None:
    meeting = cut_off(tmp_path, 2.5, channels)
    before = samples(meeting)
    meeting.info_file.unlink()
    if content is not None:
        meeting.info_file.write_bytes(content)
    found = one(tmp_path)
    assert (found.title, found.state, found.seconds) == ("Weekly sync", "cut off", 2.5)
    done = repair(meeting)
    info = meeting.info()
    assert (done.seconds, info["duration_s"], info["rate"], info["title"]) == (2.5, 2.5, RATE, "Weekly sync")
    assert info["chunk_frames"] == RATE
    assert [channel["speaker"] for channel in info["channels"]] == ([""] if channels == 1 else ["You", "Others"])
    assert (
        info["created"][:16] == f"{meeting.folder.name[:10]}T{meeting.folder.name[11:13]}:{meeting.folder.name[13:15]}"
    )
    assert info["stages"]["record"] == {"status": "done", "detail": "cut off; 0:02 were found"}
    assert np.array_equal(samples(meeting), before)
    kept = meeting.folder / "meeting.json.damaged"
    assert done.kept == (kept if content is not None else None)
    assert content is None or kept.read_bytes() == content
    assert one(tmp_path).state == "recorded"


def test_every_damaged_meeting_json_is_kept(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path)
    for number in range(3):
        meeting.info_file.write_text(f"damage {number}")
        repair(meeting)
    kept = [meeting.folder / f"meeting.json.damaged{end}" for end in ("", "-2", "-3")]
    assert [path.read_text() for path in kept] == ["damage 0", "damage 1", "damage 2"]


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": "fast"},
        {"channels": 5},
        {"rate": 1e999, "title": ["x"]},
        {"created": 5, "duration_s": {}, "chunk_frames": "many"},
        {"created": "0001-01-01T00:00:00+14:00"},
        {"stages": {"record": {"status": "running", "pid": "me"}}},
    ],
)
def test_wrong_types_are_survived(tmp_path: Path, changes: dict[str, Any]) -> None:
    meeting = cut_off(tmp_path)
    meeting.update(**changes)
    assert one(tmp_path).state == "cut off"
    before = samples(meeting)
    assert repair(meeting).seconds == 2.5
    assert np.array_equal(samples(meeting), before)
    assert meeting.duration_s == 2.5
    assert meeting.stage("record") == "done"


def test_a_folder_in_the_place_of_meeting_json(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path)
    meeting.info_file.unlink()
    meeting.info_file.mkdir()
    (meeting.info_file / "precious").write_text("x")
    assert repair(meeting).seconds == 2.5
    assert (meeting.folder / "meeting.json.damaged" / "precious").read_text() == "x"


@pytest.mark.parametrize("kind", ["flac", "opus"])
def test_a_finished_meeting_whose_meeting_json_was_damaged_is_not_transcribed_again(
    tmp_path: Path, kind: ArchiveFormat
) -> None:
    meeting = recorded(tmp_path, {})
    options = {"format": "OGG", "subtype": "OPUS"} if kind == "opus" else {}
    soundfile.write(meeting.archive_as(kind), samples(meeting), RATE, **options)
    for chunk in meeting.audio.iterdir():
        chunk.unlink()
    meeting.audio.rmdir()
    meeting.summary.write_text("# Weekly sync\n")
    meeting.info_file.write_bytes(b"")
    assert one(tmp_path).state == "cut off"
    assert repair(meeting).seconds == meeting.duration_s == 2.5
    assert meeting.info()["stages"]["record"]["detail"] == "meeting.json was damaged; 0:02 were found"
    assert find(tmp_path) == []


def test_an_unnamed_meeting_may_still_get_a_name(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path, title=UNTITLED)
    meeting.info_file.unlink()
    repair(meeting)
    assert meeting.title == UNTITLED


# What the recorder may have left


def test_repair_lets_any_player_play_all_of_it(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path, 2.5)
    before = samples(meeting)
    last = chunk_path(meeting.audio, 2)
    with wave.open(str(last)) as stale:
        assert stale.getnframes() == 0, "the header is as old as the file"
    with last.open("ab") as file:
        file.write(b"\x01")  # half a sample
    done = repair(meeting)
    assert (done.changed, done.seconds, done.kept) == (True, 2.5, None)
    with wave.open(str(last)) as mended:
        assert mended.getnframes() == RATE // 2
    assert last.stat().st_size == HEADER_BYTES + RATE + 1, "nothing is cut"
    assert np.array_equal(samples(meeting), before)
    assert not meeting.recording_marker.exists()
    assert meeting.info()["duration_s"] == 2.5


def test_a_second_repair_changes_nothing(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path)
    repair(meeting)
    before = tree(meeting.folder)
    again = repair(meeting)
    assert (again.changed, again.seconds) == (False, 2.5)
    assert tree(meeting.folder) == before


def test_chunks_that_are_short_empty_or_missing_are_silence_in_their_place(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path, 4.5)
    whole = samples(meeting)
    os.truncate(chunk_path(meeting.audio, 0), HEADER_BYTES + RATE)  # half of it
    os.truncate(chunk_path(meeting.audio, 1), 0)
    chunk_path(meeting.audio, 2).unlink()
    os.truncate(chunk_path(meeting.audio, 4), 30)
    before = tree(meeting.audio)
    repair(meeting)
    got = samples(meeting)
    assert len(got) == 4 * RATE
    assert np.array_equal(got[: RATE // 2], whole[: RATE // 2])
    assert not got[RATE // 2 : 3 * RATE].any()
    assert np.array_equal(got[3 * RATE :], whole[3 * RATE : 4 * RATE])
    after = tree(meeting.audio)
    assert {name: data[HEADER_BYTES:] for name, data in after.items()} == {
        name: data[HEADER_BYTES:] for name, data in before.items()
    }


def test_a_header_that_a_power_cut_left_empty_is_written_and_a_strange_one_is_not(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path, 2.5)
    empty, strange = chunk_path(meeting.audio, 1), chunk_path(meeting.audio, 2)
    for path, head in ((empty, bytes(HEADER_BYTES)), (strange, b"what is this?" + bytes(31))):
        with path.open("r+b") as file:
            file.write(head)
    repair(meeting)
    with wave.open(str(empty)) as mended:
        assert mended.getnframes() == RATE
    assert strange.read_bytes().startswith(b"what is this?")


def _no_chunk(meeting: Meeting) -> None:
    for path in meeting.audio.iterdir():
        path.unlink()
    meeting.audio.rmdir()


def _empty_chunk(meeting: Meeting) -> None:
    for path in meeting.audio.iterdir():
        path.unlink()
    chunk_path(meeting.audio, 0).touch()


def _header_only(meeting: Meeting) -> None:
    for path in meeting.audio.iterdir():
        os.truncate(path, HEADER_BYTES)


@pytest.mark.parametrize("damage", [_no_chunk, _empty_chunk, _header_only])
@pytest.mark.parametrize("sound", [True, False], ids=["meeting.json is there", "it is damaged"])
def test_a_meeting_without_a_sample_is_kept_and_not_offered_again(
    tmp_path: Path, damage: Callable[[Meeting], None], sound: bool
) -> None:
    meeting = cut_off(tmp_path, 0.5)
    damage(meeting)
    meeting.notes.write_text("- 0:01 remember\n")
    if not sound:
        meeting.info_file.write_text("{")
    before = set(tree(meeting.folder)) - {".recording"}
    assert one(tmp_path).seconds == 0
    assert repair(meeting).seconds == 0
    assert meeting.info()["stages"]["record"]["status"] == "failed"
    assert before <= set(tree(meeting.folder))
    assert find(tmp_path) == []
    assert repair(meeting).changed is False


def test_one_that_ended_in_order_is_left_as_it_is(tmp_path: Path) -> None:
    meeting = recorded(tmp_path, {})
    before = tree(meeting.folder)
    assert repair(meeting).changed is False
    assert tree(meeting.folder) == before


def test_a_recorder_that_was_killed_before_its_marker_went(tmp_path: Path) -> None:
    meeting = recorded(tmp_path, {})
    before = meeting.info()
    meeting.recording_marker.write_text(json.dumps({"pid": NOBODY, "locked": True}))
    assert one(tmp_path).state == "cut off"
    assert repair(meeting).seconds == 2.5
    assert meeting.info() == before
    assert one(tmp_path).state == "recorded"


def test_two_do_not_repair_at_once(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path)
    with claim(meeting):
        with pytest.raises(MeetingBusyError, match="Another sotto"):
            repair(meeting)
        assert find(tmp_path) == []
        assert mend(meeting).seconds == 2.5
    assert one(tmp_path).state == "recorded"


def test_what_is_no_meeting_cannot_be_repaired(tmp_path: Path) -> None:
    assert not is_meeting(tmp_path)
    with pytest.raises(StorageError, match="not a meeting"):
        repair(Meeting(tmp_path))
    with pytest.raises(StorageError):
        repair(Meeting(tmp_path / "gone"))
    assert list(tmp_path.iterdir()) == []


def test_a_chunk_whose_header_lies_is_measured_by_its_size(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path, 0.5)
    path = chunk_path(meeting.audio, 0)
    with path.open("r+b") as file:
        file.seek(40)
        file.write(struct.pack("<I", 0xFFFFFFFF))
    assert repair(meeting).seconds == 0.5
