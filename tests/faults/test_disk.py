"""The disk is full, or becomes read-only, while it records: what fitted is there, and can be finished afterwards.

`test_recorder_orders` has the disk that fills up and the recording that ends in order before. Sound comes from files
here, so that what was recorded can be compared to the last sample.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from services.errors import StorageError
from services.library.meeting import Meeting
from services.library.unfinished import find
from services.recording.chunks import Pcm
from services.recording.client import RecorderClient, attach, start
from services.recording.messages import RecordingStatus
from services.recording.reader import MeetingAudio
from tests.faults import driving
from tests.functional.recordings import RATE, file_of, noise, request

FRAME_BYTES = 2
SIZE = 600_000


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[None]:
    """Mount something at `folder`; skips the test where that is not allowed."""
    done = subprocess.run(["mount", *arguments, str(folder)], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount_again(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def last_of(client: RecorderClient) -> RecordingStatus:
    *_, last = client.updates()
    assert attach() is None
    return last


def recorded(meeting: Meeting) -> Pcm:
    with MeetingAudio(meeting.folder) as audio:
        return audio.read(0, audio.frames)


def test_a_full_disk_costs_what_did_not_fit(home: Path, tmp_path: Path) -> None:
    samples = noise(40)
    folder = home / "recordings"
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs"):
        with start(request(home, file_of(tmp_path, samples), speed=20, disk_stop_mb=0, disk_warn_mb=0)) as client:
            last = last_of(client)
        assert last.state == "failed"
        assert isinstance(last.error, StorageError)
        meeting = driving.folder_of(last)
        got = recorded(meeting)
        assert len(got) * FRAME_BYTES > 0.6 * SIZE
        assert np.array_equal(got, samples[: len(got)])
        (left,) = find(folder)
        assert (left.meeting, left.state) == (meeting.folder, "cut off")

        mount_again(folder, f"size={10 * SIZE}")
        driving.process(meeting)
        assert np.array_equal(recorded(meeting), got)


def test_a_folder_that_becomes_read_only_costs_what_came_after(home: Path, tmp_path: Path) -> None:
    samples = noise(40)
    with start(request(home, file_of(tmp_path, samples), chunk_seconds=1.0)) as client:
        driving.reached(client, 0.3)
        meeting = driving.folder_of(client.status())
        # A mount of the folder on itself: the file that is being written belongs to the one below, and lets it be.
        with mounted(meeting.folder, "--bind", str(meeting.folder)):
            mount_again(meeting.folder, "bind,ro")
            last = last_of(client)
            assert isinstance(last.error, StorageError)
            got = recorded(meeting)
            assert len(got) >= RATE
            assert np.array_equal(got, samples[: len(got)])
    (left,) = find(home / "recordings")
    assert (left.meeting, left.state) == (meeting.folder, "cut off")
    driving.process(meeting)
    assert np.array_equal(recorded(meeting), got)


def test_a_read_only_folder_is_refused_before_the_recording(home: Path, tmp_path: Path) -> None:
    folder = home / "recordings"
    folder.mkdir()
    with (
        mounted(folder, "-t", "tmpfs", "-o", "ro", "tmpfs"),
        pytest.raises(StorageError, match="[Rr]ead-only") as refused,
    ):
        start(request(home, file_of(tmp_path, noise(1)), disk_stop_mb=0))
    assert refused.value.hint
    assert attach() is None
