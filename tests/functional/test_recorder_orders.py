"""What a person can ask of a recording that runs: a pause, more time; and what is written down about it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from services.errors import StorageError
from services.events import Event, Failed, RecordingStopped
from services.library.meeting import Meeting
from services.library.moments import read_moments
from services.recording.archive import archive
from services.recording.chunkfiles import HEADER_BYTES
from services.recording.client import RecorderClient, start
from services.recording.messages import SYSTEM, Order, RecordingStatus, State
from services.recording.reader import MeetingAudio
from services.recording.service import RecordingService
from tests.functional.pulse import MICROPHONE, MONITOR, SPEAKERS, Pulse, pactl
from tests.functional.recordings import RATE, file_of, noise, request
from tests.functional.test_recorder_archive import Patient
from tests.functional.waiting import until


def wait_for(client: RecorderClient, state: State) -> RecordingStatus:
    until(lambda: client.status().state == state)
    return client.status()


def meeting_of(status: RecordingStatus) -> Meeting:
    assert status.meeting is not None
    return Meeting(status.meeting)


def test_a_pause_leaves_no_mark_in_the_sound_and_one_in_the_journal(home: Path, tmp_path: Path) -> None:
    samples = noise(3.0)
    with start(request(home, file_of(tmp_path, samples))) as client:
        until(lambda: client.status().seconds > 0.5)
        client.order(Order("pause"))
        client.order(Order("pause"))  # the second one changes nothing
        paused = wait_for(client, "paused")
        assert paused.stops_in is None
        client.order(Order("resume"))
        client.order(Order("resume"))
        *_, last = client.updates()
    assert (last.state, last.error, last.seconds) == ("done", None, 3.0)
    meeting = meeting_of(last)
    with MeetingAudio(meeting.folder) as audio:
        assert np.array_equal(audio.read(0, audio.frames), samples)
    pause, resume = read_moments(meeting)
    assert (pause.kind, resume.kind) == ("pause", "resume")
    assert pause.at_s == resume.at_s == paused.seconds
    assert datetime.fromisoformat(pause.time) <= datetime.fromisoformat(resume.time)
    assert meeting.info()["paused_s"] == pytest.approx(resume.seconds, abs=0.002)
    assert resume.seconds > 0


def test_who_follows_is_told_while_the_recorder_does_not_answer(home: Path, tmp_path: Path) -> None:
    with start(request(home, file_of(tmp_path, noise(600.0)))) as client:
        status = client.status()
        updates = client.updates()
        os.kill(status.pid, signal.SIGSTOP)
        try:
            told = next(each for each in updates if each.alerts)
        finally:
            os.kill(status.pid, signal.SIGCONT)
        (alert,) = told.alerts
        assert (alert.kind, alert.severity, told.state) == ("no_answer", "critical", "recording")
        assert f"kill -CONT {status.pid}" in alert.hint
        after = next(each for each in updates if "no_answer" not in {alert.kind for alert in each.alerts})
        assert after.seconds >= told.seconds
        client.stop()


def test_a_disk_that_does_not_answer_is_told(home: Path, tmp_path: Path) -> None:
    with start(request(home, file_of(tmp_path, noise(600.0)))) as client:
        until(lambda: client.status().seconds > 0.2)
        folder = os.open(meeting_of(client.status()).folder, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)  # as a network mount that waits for its server holds up whoever writes
        try:
            client.order(Order("stop"))
            until(lambda: bool(client.status().alerts))
            status = client.status()
        finally:
            os.close(folder)
        assert [(alert.kind, alert.severity) for alert in status.alerts] == [("disk_stuck", "critical")]
        *_, last = client.updates()
    assert (last.state, last.error, last.alerts) == ("done", None, ())


def test_a_paused_recording_can_be_stopped(home: Path, tmp_path: Path) -> None:
    with start(request(home, file_of(tmp_path, noise(30.0)))) as client:
        until(lambda: client.status().seconds > 0.3)
        client.order(Order("pause"))
        paused = wait_for(client, "paused")
        last = client.stop()
    assert (last.state, last.error, last.seconds) == ("done", None, paused.seconds)
    info = meeting_of(last).info()
    assert info["paused_s"] > 0
    assert info["duration_s"] == paused.seconds


def test_more_time_is_given_to_the_sample(home: Path, tmp_path: Path) -> None:
    with start(request(home, file_of(tmp_path, noise(30.0)), seconds=1.0)) as client:
        left = client.order(Order("extend", 0.5)).stops_in
        assert left is not None
        assert left <= 1.0
        *_, last = client.updates()
    assert (last.state, last.seconds, last.detail) == ("done", 1.5, "1 s were recorded")
    meeting = meeting_of(last)
    assert [moment.kind for moment in read_moments(meeting)][-1] == "stop"
    assert meeting.info()["stages"]["record"] == {"status": "done", "detail": last.detail}


def lengths_of(meeting: Meeting) -> list[int]:
    """Frames in each chunk."""
    return [(path.stat().st_size - HEADER_BYTES) // 2 for path in sorted(meeting.audio.glob("*.wav"))]


def test_chunks_get_another_length_without_a_lost_sample(home: Path, tmp_path: Path) -> None:
    samples = noise(150.0)
    with start(request(home, file_of(tmp_path, samples), speed=30.0, chunk_seconds=10.0)) as client:
        for seconds in (5.0, 10.0, 1.0, 7.5):
            reached = client.status().seconds
            client.order(Order("chunk", seconds))
            until(lambda before=reached: client.status().seconds > before + 21.0)  # type: ignore[misc]
        *_, last = client.updates()
    meeting = meeting_of(last)
    with MeetingAudio(meeting.folder) as audio:
        assert np.array_equal(audio.read(0, audio.frames), samples)
    lengths = [frames / RATE for frames in lengths_of(meeting)]
    assert set(lengths[:-1]) == {5.0, 1.0, 7.5, 10.0}
    assert lengths[0] == 10.0, "the chunk at work is finished as it was begun"
    (meeting.audio / "lengths.jsonl").unlink()
    with MeetingAudio(meeting.folder) as audio:
        assert np.array_equal(audio.read(0, audio.frames), samples), "meeting.json has the lengths as well"
    archive({"meeting": str(meeting.folder), "format": "flac"}, Patient())
    assert not meeting.audio.exists()
    with MeetingAudio(meeting.folder) as audio:
        assert np.array_equal(audio.read(0, audio.frames), samples)


def test_the_service_changes_chunks_also_of_a_recording_that_is_just_starting(home: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    service = RecordingService(events.append)
    service.use_chunks(7.0)  # nothing is recorded: nothing happens
    service.start(request(home, file_of(tmp_path, noise(8.0)), speed=4.0, chunk_seconds=1.0))
    service.use_chunks(2.0)
    until(lambda: any(isinstance(event, RecordingStopped) for event in events))
    service.close()
    (stopped,) = (event for event in events if isinstance(event, RecordingStopped))
    assert not [event for event in events if isinstance(event, Failed)]
    lengths = lengths_of(Meeting(stopped.meeting))
    assert sum(lengths) == 8 * RATE
    assert 2 * RATE in lengths
    assert 7 * RATE not in lengths


@pytest.mark.audio
def test_what_loudspeakers_play_is_the_others_whatever_comes_first(home: Path, pulse: Pulse) -> None:
    with start(request(home, MONITOR, MICROPHONE)) as client:
        status = client.stop()
    assert [channel.speaker for channel in status.channels] == ["Others", "You"]


@pytest.mark.audio
def test_loudspeakers_that_play_nothing_are_silence_from_the_start(home: Path, pulse: Pulse) -> None:
    pactl("suspend-sink", SPEAKERS, "1")  # as a server does on its own after a while: the monitor delivers nothing
    with start(request(home, SYSTEM)) as client:
        until(lambda: client.status().seconds > 1)
        status = client.stop()
    assert status.error is None
    with MeetingAudio(meeting_of(status).folder) as audio:
        assert audio.frames > RATE
        assert not audio.read(0, audio.frames).any()
    assert [moment for moment in read_moments(meeting_of(status)) if moment.kind == "gap"] == []


def test_without_room_on_the_disk_nothing_is_begun(home: Path, tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    more_than_there_is = disk.f_blocks * disk.f_frsize / 1e6 + 1
    with pytest.raises(StorageError, match="MB are free"):
        start(request(home, file_of(tmp_path, noise(1.0)), disk_stop_mb=more_than_there_is))
    assert not (home / "recordings").exists()


def test_a_disk_that_fills_up_ends_it_in_order_before_it_is_full(home: Path, tmp_path: Path) -> None:
    folder = home / "recordings"
    folder.mkdir()
    size = 40
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with start(request(home, file_of(tmp_path, noise(60.0)), disk_stop_mb=20, disk_warn_mb=30)) as client:
            assert client.status().alerts == ()
            (folder / "big").write_bytes(bytes(15 * 10**6))
            until(lambda: any(alert.kind == "disk_low" for alert in client.status().alerts))
            (folder / "bigger").write_bytes(bytes(15 * 10**6))
            *_, last = client.updates()
        assert isinstance(last.error, StorageError)
        assert "MB are free" in last.error.message
        info = meeting_of(last).info()
        assert info["stages"]["record"] == {"status": "done", "detail": last.error.message}
        assert info["duration_s"] == last.seconds > 0
        with MeetingAudio(meeting_of(last).folder) as audio:
            assert audio.frames == round(last.seconds * RATE)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
