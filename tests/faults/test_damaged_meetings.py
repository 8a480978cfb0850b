"""What a killed recorder left, damaged further: files cut short, emptied, overwritten. All that is there comes back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from services.library.meeting import Meeting
from services.recording.chunks import HEADER_BYTES, chunk_path
from tests.faults import driving
from tests.faults.listening import playing
from tests.faults.sound import RATE, Beacon, Signal, whole
from tests.functional.pulse import Pulse

pytestmark = pytest.mark.audio

BEACON = Beacon(30.0)
GARBAGE = np.random.default_rng(3).bytes(4096)
FRAME_BYTES = 2


@pytest.fixture(scope="module")
def cut_off(sound_server: Pulse) -> Iterator[Meeting]:
    """A recording in chunks of a second whose recorder was killed in the fourth of them."""
    with driving.temporary_home() as home, driving.recording(home, chunk_seconds=1.0) as client, playing(BEACON):
        driving.reached(client, 3.4)
        status = client.status()
        driving.kill(status.pid)
        meeting = driving.folder_of(status)
        assert whole(driving.heard(meeting), BEACON, until=2.0).end > 3.4
        yield meeting


def chunk(meeting: Meeting, number: int) -> Path:
    return chunk_path(meeting.audio, number)


def shorten(file: Path, frames: float) -> None:
    with file.open("r+b") as opened:
        opened.truncate(HEADER_BYTES + int(frames * FRAME_BYTES))


def overwrite_header(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(GARBAGE[:HEADER_BYTES])


def last_cut(meeting: Meeting) -> None:
    shorten(chunk(meeting, 3), 1000.5)


def last_empty(meeting: Meeting) -> None:
    chunk(meeting, 3).write_bytes(b"")


def last_overwritten(meeting: Meeting) -> None:
    overwrite_header(chunk(meeting, 3))


def first_overwritten(meeting: Meeting) -> None:
    overwrite_header(chunk(meeting, 0))


def middle_empty(meeting: Meeting) -> None:
    chunk(meeting, 1).write_bytes(b"")


def middle_cut(meeting: Meeting) -> None:
    shorten(chunk(meeting, 2), RATE // 2)


def info_overwritten(meeting: Meeting) -> None:
    meeting.info_file.write_bytes(GARBAGE)


def info_gone(meeting: Meeting) -> None:
    meeting.info_file.unlink()
    meeting.recording_marker.unlink()


def info_of_another_kind(meeting: Meeting) -> None:
    meeting.info_file.write_text('{"title": ["a"], "rate": "fast", "channels": 7, "chunk_frames": -1, "stages": "x"}')
    middle_empty(meeting)


def without(start: int, stop: int) -> Callable[[Signal], Signal]:
    """What was recorded, with silence between two positions."""

    def remove(signal: Signal) -> Signal:
        left = signal.copy()
        left[start:stop] = 0
        return left

    return remove


def up_to(end: int) -> Callable[[Signal], Signal]:
    return lambda signal: signal[:end]


def everything(signal: Signal) -> Signal:
    return signal


CASES = [
    (last_cut, up_to(3 * RATE + 1000)),
    (last_empty, up_to(3 * RATE)),
    (last_overwritten, everything),
    (first_overwritten, everything),
    (middle_empty, without(RATE, 2 * RATE)),
    (middle_cut, without(RATE * 5 // 2, 3 * RATE)),
    (info_overwritten, everything),
    (info_gone, everything),
    (info_of_another_kind, without(RATE, 2 * RATE)),
]


def contents(meeting: Meeting) -> set[bytes]:
    return {file.read_bytes() for file in meeting.folder.iterdir() if file.is_file()}


def test_everything_that_is_left_comes_back_at_its_place(cut_off: Meeting, home: Path) -> None:
    original = driving.heard(cut_off)
    damaged: list[tuple[Meeting, Signal]] = []
    for damage, left in CASES:
        meeting = Meeting(home / "recordings" / damage.__name__)
        shutil.copytree(cut_off.folder, meeting.folder)
        damage(meeting)
        damaged.append((meeting, left(original)))
    driving.process(*(meeting for meeting, _ in damaged))
    for meeting, expected in damaged:
        assert np.array_equal(driving.heard(meeting), expected), meeting.folder.name
        assert meeting.duration_s == pytest.approx(len(expected) / RATE, abs=0.001)
    overwritten = Meeting(home / "recordings" / info_overwritten.__name__)
    assert GARBAGE in contents(overwritten), "recovery removes nothing"
