"""The recorder while it is made to fail: started, killed, and what it left."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from services.library.meeting import Meeting
from services.library.moments import read_moments
from services.recording.client import RecorderClient, attach, start
from services.recording.messages import RecordingRequest, RecordingStatus
from services.recording.reader import MeetingAudio
from tests.faults.sound import Signal
from tests.functional.command import sotto
from tests.functional.waiting import until

_BEHIND_SECONDS = 0.6
"""What is heard is on its way for a moment: through the sound server, PortAudio and the ring."""


@contextmanager
def temporary_home() -> Iterator[Path]:
    """An empty SOTTO_HOME for as long as it lasts."""
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as name, pytest.MonkeyPatch.context() as environment:
        environment.setenv("SOTTO_HOME", name)
        yield Path(name)


@contextmanager
def recording(home: Path, *sources: str, **more: Any) -> Iterator[RecorderClient]:
    """A recording that has begun; it is ended, if the test did not."""
    request = RecordingRequest(sources or ("mic",), home / "recordings", **({"chunk_seconds": 2.0} | more))
    with start(request) as client:
        try:
            yield client
        finally:
            if (left := attach()) is not None:
                left.stop()


def reached(client: RecorderClient, seconds: float) -> None:
    """Wait until so much has been recorded."""
    until(lambda: client.status().seconds >= seconds)


def caught_up(client: RecorderClient) -> None:
    """Wait until all that has been played by now is in the recording."""
    reached(client, client.status().seconds + _BEHIND_SECONDS)


def folder_of(status: RecordingStatus) -> Meeting:
    """The meeting that is being recorded."""
    assert status.meeting is not None
    return Meeting(status.meeting)


def kill(pid: int) -> None:
    """kill -9; returns when the process is gone."""
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def heard(meeting: Meeting, channel: int = 0) -> Signal:
    """One channel of what was recorded, as sotto reads it."""
    with MeetingAudio(meeting.folder) as audio:
        return np.asarray(audio.read(0, audio.frames)[:, channel] / 32768, np.float64)


def gaps(meeting: Meeting, source: str = "") -> list[tuple[float, float]]:
    """The gaps of a source that are marked, or of all: where in the recording, and how long, in seconds."""
    return [
        (moment.at_s, moment.seconds)
        for moment in read_moments(meeting)
        if moment.kind == "gap" and moment.text.startswith(source)
    ]


def played_by_others(meeting: Meeting) -> Signal:
    """What a reader of WAV files that knows nothing of sotto gets out of the chunks, one after another."""
    chunks = [soundfile.read(path)[0] for path in sorted(meeting.audio.iterdir())]
    return np.concatenate([np.zeros(0), *chunks])


def process(*meetings: Meeting) -> None:
    """Finish meetings from the shell, as a person does: recovered, transcribed, archived."""
    done = sotto("process", *(meeting.folder for meeting in meetings), "--json", "--summary", "none")
    assert [result["error"] for result in done.objects] == [None] * len(meetings), done.out
    assert done.code == 0
    for meeting in meetings:
        assert meeting.stage("record") == meeting.stage("transcribe") == meeting.stage("archive") == "done"
        assert meeting.archive.exists()
        assert not meeting.audio.exists()
