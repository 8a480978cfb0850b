"""SIGSTOP for two seconds, as a laptop's lid, a debugger or a machine without memory does it."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from services.recording.messages import RecordingStatus
from tests.faults import driving
from tests.faults.listening import Witness, playing
from tests.faults.sound import EDGE, Beacon, Stretch, found, in_place
from tests.functional.pulse import MICROPHONE, MOUTH, Pulse

pytestmark = pytest.mark.audio

APART = 0.05
STOPPED_SECONDS = 2.0


def recorded_around_a_stop(home: Path, pulse: Pulse, beacon: Beacon, who: str) -> tuple[RecordingStatus, float]:
    """Record two sources that hear `beacon`, and stop somebody for a while; returns how much of it was heard."""
    with driving.recording(home, MICROPHONE, f"{MOUTH}.monitor") as client, Witness() as ears, playing(beacon):
        pid = client.status().pid if who == "recorder" else pulse.pid
        ears.wait_for(beacon, 0.7)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        os.kill(pid, signal.SIGCONT)
        ears.wait_for(beacon, ears.place(beacon) + 1.0)
        said = ears.place(beacon)
        driving.caught_up(client)
        status = client.stop()
    assert (status.state, status.error) == ("done", None)
    return status, said


def side_by_side(channels: list[list[Stretch]]) -> None:
    """Assert that two channels have the same sound at the same place, as far as both have it."""
    first, second = channels
    for one in first:
        for other in second:
            if min(one.of_end, other.of_end) - max(one.of, other.of) > APART:
                assert one.shift == pytest.approx(other.shift, abs=APART)


def test_after_a_stop_of_the_recorder_everything_is_at_its_place(home: Path, pulse: Pulse) -> None:
    beacon = Beacon(20.0)
    status, said = recorded_around_a_stop(home, pulse, beacon, "recorder")
    meeting = driving.folder_of(status)
    channels = []
    for channel, source in enumerate((MICROPHONE, MOUTH)):
        stretches = in_place(driving.heard(meeting, channel), beacon, driving.gaps(meeting, source), APART)
        assert stretches[0].of <= EDGE
        assert stretches[-1].of_end >= said - EDGE
        channels.append(stretches)
    side_by_side(channels)


def test_after_a_stop_of_the_sound_server_nothing_is_lost(home: Path, pulse: Pulse) -> None:
    """It delivers late what it heard meanwhile. Silence has taken its place by then, and is marked."""
    beacon = Beacon(20.0)
    status, said = recorded_around_a_stop(home, pulse, beacon, "sound server")
    meeting = driving.folder_of(status)
    channels = []
    for channel in (0, 1):
        stretches = found(driving.heard(meeting, channel), beacon)
        assert stretches[0].of <= EDGE
        assert stretches[-1].of_end >= said - EDGE
        for before, after in pairwise(stretches):
            assert after.of - before.of_end <= EDGE, "something is missing"
            assert after.at - before.end <= STOPPED_SECONDS + APART
        channels.append(stretches)
    assert sum(long for _, long in driving.gaps(meeting, MICROPHONE)) <= STOPPED_SECONDS + APART
    side_by_side(channels)
