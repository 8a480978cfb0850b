"""What a recorder that was killed leaves, and what it does not let go of while it lives."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import psutil
import pytest

from services import sample
from services.library.meeting import Meeting
from services.recording.client import RecorderClient, start
from services.recording.messages import RecordingRequest
from tests.functional.command import sotto
from tests.functional.waiting import until


@pytest.fixture
def recording(home: Path) -> tuple[RecorderClient, Meeting]:
    """The sample meeting as it is being recorded; two seconds of it are on disk."""
    client = start(RecordingRequest((f"file:{sample.MEETING}",), home / "recordings", "Weekly"))
    meeting = client.status().meeting
    assert meeting is not None
    until(lambda: client.status().seconds > 2)
    return client, Meeting(meeting)


def kill(client: RecorderClient) -> None:
    recorder = psutil.Process(client.status().pid)
    recorder.kill()
    until(lambda: not recorder.is_running() or recorder.status() == psutil.STATUS_ZOMBIE)
    client.close()


def test_a_killed_recorder_s_meeting_is_finished_by_process(recording: tuple[RecorderClient, Meeting]) -> None:
    client, meeting = recording
    kill(client)
    assert meeting.stage("record") == "running"
    done = sotto("process", meeting.folder, "--json", "--summary", "none")
    (result,) = done.objects
    assert (done.code, result["error"]) == (0, None)
    assert result["duration_s"] > 2
    assert meeting.stage("record") == "done"
    assert meeting.archive.exists()
    assert not meeting.audio.exists()
    (again,) = sotto("process", meeting.folder, "--json", "--summary", "none").objects
    assert (again["ok"], again["duration_s"]) == (True, result["duration_s"])


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_meeting_that_is_being_recorded_is_not_taken_for_whole(
    recording: tuple[RecorderClient, Meeting], state: str
) -> None:
    client, meeting = recording
    pid = client.status().pid
    if state == "stopped":
        psutil.Process(pid).suspend()
    try:
        done = sotto("process", meeting.folder, "--json", "--summary", "none")
    finally:
        psutil.Process(pid).send_signal(signal.SIGCONT)
    (result,) = done.objects
    assert (done.code, result["ok"]) == (1, False)
    assert "still being recorded" in result["error"]
    assert meeting.stage("transcribe") is None
    client.stop()
    client.close()
    assert meeting.stage("record") == "done"


def test_a_number_that_went_to_another_program_is_no_recorder(
    recording: tuple[RecorderClient, Meeting], tmp_path: Path
) -> None:
    client, meeting = recording
    kill(client)
    meeting.update(stages={"record": {"status": "running", "pid": psutil.Process().pid}})
    assert sotto("process", meeting.folder, "--summary", "none").code == 0


def test_a_meeting_is_found_by_a_relative_name(
    recording: tuple[RecorderClient, Meeting], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, meeting = recording
    client.stop()
    client.close()
    monkeypatch.chdir(meeting.folder.parent)
    (result,) = sotto("process", meeting.folder.name, "--json").objects
    assert (result["ok"], result["error"]) == (True, None)
    assert result["meeting"] == str(meeting.folder)
    shutil.rmtree(meeting.folder)
