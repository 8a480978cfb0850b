"""Devices and their server go away and come back. What was heard is there, at its place, and what was not is marked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.recording.client import RecorderClient
from services.recording.messages import SYSTEM
from tests.faults import driving
from tests.faults.listening import Witness, playing
from tests.faults.sound import EDGE, Beacon, Signal, Stretch, found, whole
from tests.functional.pulse import (
    MICROPHONE,
    MOUTH,
    Pulse,
    pactl,
    plug_microphone,
    unplug,
)
from tests.functional.waiting import until

pytestmark = pytest.mark.audio

MOUTH_MONITOR = f"{MOUTH}.monitor"
"""Hears the same as the microphone."""

APART = 0.05
"""So far may anything be from its place, in seconds: by the clock, and from what the other channel heard."""

NOTICED = 0.5
"""So much of the sound of a device may be missing that has just been chosen, in seconds."""


def devices(client: RecorderClient) -> list[str]:
    """What is recorded now on each channel; empty for a device that is away."""
    return [channel.device for channel in client.status().channels]


def both(sound: Signal, first: Beacon, second: Beacon) -> tuple[Stretch, Stretch]:
    """Assert that one channel has both beacons, each of them without a seam from where it begins; returns where."""
    (before,), (after,) = found(sound, first), found(sound, second)
    assert before.of <= EDGE
    assert before.end <= after.at
    return before, after


def test_a_sound_server_that_is_killed_and_comes_back(home: Path, pulse: Pulse) -> None:
    first, second = Beacon(20.0), Beacon(20.0, seed=2)
    with driving.recording(home, MICROPHONE, MOUTH_MONITOR) as client:
        with Witness() as ears, playing(first):
            ears.wait_for(first, 1.0)
            said, first_began = ears.place(first), ears.began(first)
            pulse.kill()
        until(lambda: devices(client) == ["", ""])
        pulse.restart()
        restarted = time.monotonic()
        until(lambda: "" not in devices(client))
        back = time.monotonic()
        with Witness() as ears, playing(second):
            ears.wait_for(second, 1.0)
            later, second_began = ears.place(second), ears.began(second)
            driving.caught_up(client)
            status = client.stop()
    assert (status.state, status.error) == ("done", None)
    meeting = driving.folder_of(status)
    places = [both(driving.heard(meeting, channel), first, second) for channel in (0, 1)]
    for before, after in places:
        assert before.of_end >= said - 0.5
        assert after.of <= EDGE
        assert after.of_end >= later - EDGE
        assert after.shift - before.shift == pytest.approx(second_began - first_began, abs=APART)
    for one, other in zip(*places, strict=True):
        assert one.shift == pytest.approx(other.shift, abs=APART)
    before, _ = places[0]
    ((at, long),) = driving.gaps(meeting, MICROPHONE)
    began = first_began - before.shift
    assert at == pytest.approx(before.end, abs=2 * EDGE)
    assert restarted - began - APART <= at + long <= back - began + APART
    assert driving.gaps(meeting, MOUTH_MONITOR)


def test_a_microphone_that_is_unplugged_and_plugged_in_again(home: Path, pulse: Pulse) -> None:
    beacon = Beacon(60.0)
    with driving.recording(home, "mic", MOUTH_MONITOR) as client, Witness(MOUTH_MONITOR) as ears, playing(beacon):
        ears.wait_for(beacon, 1.0)
        gone_at = ears.place(beacon)
        unplug(MICROPHONE)
        until(lambda: devices(client)[0] == "")
        ears.wait_for(beacon, ears.place(beacon) + 0.5)
        plug_microphone()
        plugged_at = ears.place(beacon)
        until(lambda: "" not in devices(client))
        back_at = ears.place(beacon)
        ears.wait_for(beacon, back_at + 1.0)
        said = ears.place(beacon)
        driving.caught_up(client)
        status = client.stop()
    assert (status.state, status.error) == ("done", None)
    meeting = driving.folder_of(status)
    other = whole(driving.heard(meeting, 1), beacon, said)
    before, after = found(driving.heard(meeting, 0), beacon)
    assert before.of <= EDGE
    assert gone_at - 0.5 <= before.of_end <= plugged_at
    assert plugged_at - APART <= after.of <= back_at + APART
    assert after.of_end >= said - EDGE
    assert before.shift == pytest.approx(other.shift, abs=APART)
    assert after.shift == pytest.approx(other.shift, abs=APART)
    ((at, long),) = driving.gaps(meeting)
    assert at == pytest.approx(before.end, abs=2 * EDGE)
    assert at + long == pytest.approx(after.at, abs=2 * EDGE)


def test_the_defaults_are_followed(home: Path, pulse: Pulse) -> None:
    """Another microphone and other loudspeakers are chosen: from then on, each channel hears the new one."""
    first, second = Beacon(20.0), Beacon(20.0, seed=2)
    plug_microphone("headset", "Headset", "other-mouth")
    pactl("set-default-sink", MOUTH)
    with driving.recording(home, "mic", SYSTEM) as client:
        before = devices(client)
        with Witness() as ears, playing(first):
            ears.wait_for(first, 1.0)
            driving.caught_up(client)
        pactl("set-default-source", "headset")
        pactl("set-default-sink", "other-mouth")
        until(lambda: not {*before, ""} & set(devices(client)))
        assert devices(client)[0] == "Headset"
        with Witness("headset") as ears, playing(second, "other-mouth"):
            ears.wait_for(second, 1.0)
            said = ears.place(second)
            driving.caught_up(client)
            status = client.stop()
    assert (status.state, status.error) == ("done", None)
    meeting = driving.folder_of(status)
    places = [both(driving.heard(meeting, channel), first, second) for channel in (0, 1)]
    for one, other in places:
        assert one.seconds >= 1.0
        assert other.of <= NOTICED
        assert other.of_end >= said - EDGE
    for one, other in zip(*places, strict=True):
        assert one.shift == pytest.approx(other.shift, abs=APART)
