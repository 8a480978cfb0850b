"""kill -9 of who writes a meeting up: the command, or one of two apps. It is done again, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from services import sample
from services.events import Stage
from services.library.meeting import Meeting
from services.library.segments import Segment, read_segments
from services.recording.chunks import Pcm
from services.recording.client import attach, start
from services.recording.reader import MeetingAudio
from tests.functional import command
from tests.functional.command import sotto
from tests.functional.pty_screen import Screen
from tests.functional.recordings import request
from tests.functional.waiting import until


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some sentences of the sample meeting."""
    heard, rate = soundfile.read(sample.MEETING, frames=7 * 16000, dtype="int16")
    assert rate == 16000
    file = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(file, heard, rate)
    return file


def samples(meeting: Meeting) -> Pcm:
    with MeetingAudio(meeting.folder) as audio:
        return audio.read(0, audio.frames)


def said(path: Path) -> list[Segment]:
    """Segments of a transcript. Each of them stands there once."""
    segments = list(read_segments(path))
    assert segments
    keys = [(segment.start, segment.speaker) for segment in segments]
    assert len(set(keys)) == len(keys), segments
    return segments


def kill_with_children_gone(pid: int) -> None:
    """kill -9; waits until what it had started is gone as well."""
    process = psutil.Process(pid)
    children = process.children(recursive=True)
    process.kill()
    until(lambda: not any(child.is_running() for child in children))


STAGES: tuple[Stage, ...] = ("transcribe", "archive")


def kill_in(stage: Stage, meeting: Meeting) -> None:
    """Let a command write the meeting up, and kill it when it has come to `stage`."""
    with command.start(["process", meeting.folder, "--summary", "none"]) as working:
        until(lambda: meeting.stage(stage) == "running" or working.poll() is not None)
        kill_with_children_gone(working.pid)
    assert meeting.stage(stage) == "running", "it was killed in time"


def test_processing_that_is_killed_in_every_stage_is_done_again(home: Path, talk: Path) -> None:
    with start(request(home, f"file:{talk}", speed=50)) as client:
        *_, last = client.updates()
    assert last.meeting is not None
    meeting = Meeting(last.meeting)
    recorded = samples(meeting)
    for stage in STAGES:
        kill_in(stage, meeting)
        assert np.array_equal(samples(meeting), recorded)
    done = sotto("process", meeting.folder, "--json", "--summary", "none")
    (result,) = done.objects
    assert (done.code, result["error"]) == (0, None)
    assert meeting.archive.exists()
    assert not meeting.audio.exists()
    assert np.array_equal(samples(meeting), recorded)
    (clean,) = sotto("process", talk, "--json", "--summary", "none").objects
    assert [segment.text for segment in said(meeting.transcript)] == [s["text"] for s in clean["segments"]]


@contextmanager
def app(talk: Path) -> Iterator[Screen]:
    environ = {
        "TERM": "xterm-256color",
        "SOTTO_RECORDING_SOURCES": json.dumps([f"file:{talk}"]),
        "SOTTO_SUMMARY_ENGINE": "none",
    }
    screen = Screen(120, 40, environ)
    try:
        yield screen
    finally:
        if screen.app.poll() is None:
            os.kill(screen.app.pid, signal.SIGKILL)
        screen.close()


def meanwhile(screens: Sequence[Screen], condition: Callable[[], bool]) -> None:
    """Wait for a condition, and let the apps draw."""

    def drawn() -> bool:
        for screen in screens:
            screen.read(0.01)
        return condition()

    until(drawn)


def test_of_two_apps_on_one_recording_one_is_killed_at_work(home: Path, talk: Path) -> None:
    with app(talk) as first, ExitStack() as more:
        first.wait_for("Not recording")
        first.press("r")
        first.wait_for("REC")
        second = more.enter_context(app(talk))
        second.wait_for("REC")
        client = attach()
        assert client is not None
        folder = client.status().meeting
        assert folder is not None
        meeting = Meeting(folder)
        meanwhile((first, second), lambda: b"morning" in first.seen and b"morning" in second.seen)
        meanwhile((first, second), lambda: meeting.stage("transcribe") == "running" and meeting.transcript.exists())
        worker = json.loads(meeting.processing_marker.read_bytes())["pid"]
        (survivor,) = (screen for screen in (first, second) if screen.app.pid != worker)
        recorded = samples(meeting)
        kill_with_children_gone(worker)
        meanwhile((survivor,), lambda: meeting.stage("archive") == "done")
    (only,) = (home / "recordings").iterdir()
    assert only == meeting.folder
    assert np.array_equal(samples(meeting), recorded)
    assert np.array_equal(recorded[:, 0], soundfile.read(talk, dtype="int16", always_2d=True)[0][:, 0])
    said(meeting.transcript)
    said(meeting.live)
