"""Finding and repairing meetings, whatever happened to their folders."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import MeetingBusyError, RecorderBusyError, SottoError, StorageError
from services.library.marker import Marker
from services.library.meeting import UNTITLED, ArchiveFormat, Meeting
from services.library.repair import mend, repair
from services.library.unfinished import Unfinished, claim, find, is_meeting, unfinished
from services.recording.chunks import HEADER_BYTES, ChunkWriter, Pcm, chunk_path
from services.recording.length import archive_seconds
from services.recording.reader import MeetingAudio

RATE = 8000
RANDOM = np.random.default_rng(7)
NOBODY = 1 << 22


def noise(seconds: float, channels: int = 1) -> Pcm:
    return RANDOM.integers(-20000, 20000, (round(seconds * RATE), channels), np.int16)


def cut_off(root: Path, seconds: float = 2.5, channels: int = 1, title: str = "Weekly sync") -> Meeting:
    """A meeting as a recorder leaves it that was killed: the header of its last chunk is older than its samples."""
    info = {
        "rate": RATE,
        "channels": [{"source": "mic", "speaker": ""}] * channels,
        "chunk_frames": RATE,
        "stages": {"record": {"status": "running", "pid": NOBODY}},
    }
    meeting = Meeting.create(root, title, info)
    writer = ChunkWriter(meeting.audio, RATE, channels, 1.0)
    writer.write(noise(seconds, channels))
    meeting.recording_marker.write_text(json.dumps({"pid": NOBODY, "locked": True}))
    return meeting


def recorded(root: Path, stages: Mapping[str, str], title: str = "Weekly sync") -> Meeting:
    """A meeting whose recording ended in order, and what became of its stages."""
    meeting = cut_off(root, title=title)
    repair(meeting)
    meeting.update(stages={"record": {"status": "done"}} | {name: {"status": s} for name, s in stages.items()})
    return meeting


def samples(meeting: Meeting) -> Pcm:
    with MeetingAudio(meeting.folder) as audio:
        return audio.read(0, audio.frames)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one(root: Path) -> Unfinished:
    (found,) = find(root)
    return found


# Finding


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


@pytest.mark.parametrize("content", [b"", b"fLaC", b"fLaC" + bytes(60), b"OggS", b"OggS" + b"OpusHead" + bytes(3)])
def test_an_archive_that_does_not_tell_its_length(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "audio.flac"
    file.write_bytes(content)
    assert archive_seconds(file) == 0


@pytest.mark.parametrize("options", [{}, {"format": "OGG", "subtype": "OPUS"}], ids=["flac", "opus"])
@pytest.mark.parametrize("seconds", [0.5, 3.25, 61.7])
def test_an_archive_tells_its_length(tmp_path: Path, options: dict[str, str], seconds: float) -> None:
    file = tmp_path / f"audio.{'opus' if options else 'flac'}"
    soundfile.write(file, noise(seconds, 2), RATE, **options)
    assert archive_seconds(file) == pytest.approx(soundfile.info(file).duration, abs=0.001)


def test_an_unnamed_meeting_may_still_get_a_name(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path, title=UNTITLED)
    meeting.info_file.unlink()
    repair(meeting)
    assert meeting.title == UNTITLED


# Repairing


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


def test_a_recorder_of_before_markers_counts_by_what_it_runs(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path)
    meeting.recording_marker.unlink()
    assert unfinished(meeting) is not None
    assert is_meeting(meeting.folder)


# Whatever happened

_garbage = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["rate", "channels", "stages", "record", "status", "title", "created", "chunk_frames"]),
                inner,
                max_size=5,
            ),
        ),
        max_leaves=8,
    ).map(lambda data: json.dumps(data).encode()),
)
_damage = st.lists(
    st.one_of(
        st.tuples(st.just("truncate"), st.integers(0, 4), st.integers(0, 2 * HEADER_BYTES + 300)),
        st.tuples(st.just("append"), st.integers(0, 4), st.binary(max_size=7)),
        st.tuples(st.just("head"), st.integers(0, 4), st.binary(min_size=1, max_size=HEADER_BYTES)),
        st.tuples(st.just("remove"), st.integers(0, 4), st.none()),
        st.tuples(st.just("info"), st.just(0), st.one_of(st.none(), _garbage)),
        st.tuples(st.just("field"), st.sampled_from(["rate", "channels", "chunk_frames", "stages"]), _garbage),
        st.tuples(st.just("marker"), st.just(0), st.one_of(st.none(), _garbage)),
    ),
    max_size=6,
)


def _harm(meeting: Meeting, kind: str, where: Any, what: Any) -> None:
    if kind in ("info", "marker"):
        file = meeting.info_file if kind == "info" else meeting.recording_marker
        file.unlink(missing_ok=True)
        if what is not None:
            file.write_bytes(what)
    elif kind == "field":
        try:
            info = meeting.info()
            value = json.loads(what)
        except (SottoError, ValueError):
            return
        meeting.info_file.write_text(json.dumps(info | {where: value}))
    elif (path := chunk_path(meeting.audio, where)).exists():
        data = path.read_bytes()
        match kind:
            case "truncate":
                os.truncate(path, min(what, len(data)))
            case "append":
                path.write_bytes(data + what)
            case "head":
                path.write_bytes(what + data[len(what) :])
            case "remove":
                path.unlink()


def _read(meeting: Meeting) -> Pcm | None:
    try:
        return samples(meeting)
    except SottoError:
        return None


@settings(max_examples=300, deadline=None)
@given(damage=_damage, seconds=st.integers(0, 450), channels=st.integers(1, 2))
def test_no_damage_makes_repair_lose_anything(damage: list[tuple[str, Any, Any]], seconds: int, channels: int) -> None:
    """Feature: recovery, Property 1: whatever happened to a meeting's folder, repair raises nothing but a SottoError,
    removes and shortens no file, and the samples that could be read before are read after; twice is like once."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        meeting = Meeting.create(root, "Weekly", {"stages": {"record": {"status": "running", "pid": NOBODY}}})
        meeting.update(rate=1000, channels=[{}] * channels, chunk_frames=100)
        writer = ChunkWriter(meeting.audio, 1000, channels, 0.1)
        writer.write(RANDOM.integers(-9999, 9999, (seconds, channels), np.int16))
        writer.close()
        for kind, where, what in damage:
            _harm(meeting, kind, where, what)
        find(root)
        files, before = tree(meeting.folder), _read(meeting)
        try:
            repair(meeting)
        except SottoError:
            assert tree(meeting.folder) == files
            return
        after = tree(meeting.folder)
        for path, data in files.items():
            if path.startswith("audio"):
                assert after[path][HEADER_BYTES:] == data[HEADER_BYTES:]
                assert len(after[path]) == len(data)
            elif path not in (".recording", "meeting.json"):
                assert after[path] == data
        try:
            sound = isinstance(json.loads(files.get("meeting.json", b"")), dict)
        except (ValueError, RecursionError):
            sound = False
        if not sound and "meeting.json" in files:
            assert after["meeting.json.damaged"] == files["meeting.json"]
        if before is not None:
            now = _read(meeting)
            assert now is not None
            assert np.array_equal(now, before)
        assert repair(meeting).changed is False
        assert tree(meeting.folder) == after


def test_a_chunk_whose_header_lies_is_measured_by_its_size(tmp_path: Path) -> None:
    meeting = cut_off(tmp_path, 0.5)
    path = chunk_path(meeting.audio, 0)
    with path.open("r+b") as file:
        file.seek(40)
        file.write(struct.pack("<I", 0xFFFFFFFF))
    assert repair(meeting).seconds == 0.5
