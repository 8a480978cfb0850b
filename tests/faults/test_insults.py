"""What strangers and accidents do to a recorder at work, one after another in a single recording: no sample is lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from services.errors import RecorderBusyError
from services.library.meeting import Meeting
from services.recording.client import Launch, RecorderClient, attach
from services.recording.messages import RecordingRequest
from services.recording.reader import MeetingAudio
from tests.faults import driving
from tests.faults.listening import Witness, playing
from tests.faults.sound import Beacon, whole
from tests.functional.pulse import Pulse
from tests.functional.recordings import file_of, noise
from tests.functional.waiting import until

pytestmark = pytest.mark.audio

GARBAGE = (
    b"hello\n",
    b"\xff\xfe\x00\n",
    b'{"command": ["stop"]}\n',
    b'{"command": "stop"',
    b"[" * 10_000 + b"\n",
    b"x" * 1_000_000 + b"\n",
)
CROWD = 100
DAMAGED = b"{ not ours"


def insult_the_socket(home: Path) -> None:
    """Garbage, a line without an end, and more connections than anybody has a use for."""
    with ExitStack() as crowd:
        for number in range(CROWD):
            connection = crowd.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(30)
            connection.connect(str(home / "run" / "recorder.sock"))
            try:
                connection.sendall(GARBAGE[number % len(GARBAGE)])
            except ConnectionError:
                continue  # it was shown the door


def start_more(home: Path, count: int) -> None:
    """Others want to record too, past the look whether somebody does."""
    request = RecordingRequest(("mic",), home / "recordings")
    launches = [Launch(request) for _ in range(count)]
    for launch in launches:
        with pytest.raises(RecorderBusyError):
            launch.wait()


def damage_the_folder(meeting: Meeting) -> None:
    """Somebody empties meeting.json, writes into events.jsonl, and removes the marker."""
    meeting.info_file.write_bytes(DAMAGED)
    meeting.events.write_bytes(b"\x00 not a line of ours")
    meeting.recording_marker.unlink()


def signal_it(client: RecorderClient) -> None:
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGCONT, signal.SIGWINCH):
        os.kill(client.status().pid, number)


def test_no_sample_is_lost(home: Path, sound_server: Pulse) -> None:
    beacon = Beacon(60.0)
    with driving.recording(home) as client, Witness() as ears, playing(beacon):
        before = client.status()
        ears.wait_for(beacon, 0.3)
        insult_the_socket(home)
        signal_it(client)
        start_more(home, 2)
        damage_the_folder(driving.folder_of(before))
        ears.wait_for(beacon, ears.place(beacon) + 0.3)
        said = ears.place(beacon)
        driving.caught_up(client)
        after = client.stop()
    assert (after.state, after.pid, after.overflows) == ("done", before.pid, 0), after
    assert [folder.name for folder in (home / "recordings").iterdir()] == [driving.folder_of(before).folder.name]
    whole(driving.heard(driving.folder_of(after)), beacon, said)
    kept = {file.read_bytes() for file in driving.folder_of(after).folder.iterdir() if file.is_file()}
    assert DAMAGED in kept, "nothing is removed"
    driving.process(driving.folder_of(after))
    whole(driving.heard(driving.folder_of(after)), beacon, said)


def test_a_runtime_folder_that_is_cleared_leaves_the_recorder_to_be_found(home: Path, tmp_path: Path) -> None:
    """The end of a login session takes it away, and the next one makes a new one."""
    samples = noise(60)
    source = file_of(tmp_path, samples)
    with driving.recording(home, source) as client:
        pid = client.status().pid
        shutil.rmtree(home / "run")
        assert attach() is None
        until(lambda: attach() is not None)
        assert client.status().pid == pid
        launch = Launch(RecordingRequest((source,), home / "recordings"))
        with pytest.raises(RecorderBusyError):
            launch.wait()
        status = client.stop()
    assert (status.state, status.error) == ("done", None)
    assert not (home / "run" / "recorder.sock").exists()
    with MeetingAudio(driving.folder_of(status).folder) as audio:
        got = audio.read(0, audio.frames)
    assert np.array_equal(got, samples[: len(got)])


def test_what_lies_in_the_runtime_folder_is_in_nobody_s_way(home: Path, tmp_path: Path) -> None:
    folder = home / "run"
    folder.mkdir(mode=0o700)
    (folder / "recorder.lock").write_bytes(b"\x00 99999999")
    (folder / "recorder.sock").write_bytes(b"not a socket")
    assert attach() is None
    with driving.recording(home, file_of(tmp_path, noise(30))) as client:
        assert client.stop().state == "done"
