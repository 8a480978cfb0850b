"""Devices whose clocks are off: their sound stays where it was heard, for hours, and is left alone where it can be."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.recording.chunks import Pcm
from services.recording.mixer import to_pcm
from tests.unit.recording_devices import Device, Moments, Recorder, World

RATE = 1000
EVERY = 20.0
_START = World().now


def clicks(moments: Moments) -> Moments:
    """A click of 10 ms every 20 s."""
    return np.where((moments - _START) % EVERY < 0.01, 0.5, 0.0)


def noise(moments: Moments) -> Moments:
    """Different at every moment."""
    return np.sin(moments * moments * 7.0) * 0.9


def run(world: World, recorder: Recorder, devices: list[Device], seconds: float, tick: float) -> None:
    """Every device delivers ten times a second, or a little later; what comes late comes with the next delivery."""
    chance = random.Random(7)
    steps = round(0.1 / tick) if tick < 0.1 else 1
    for number in range(round(seconds / tick)):
        end = world.now + tick
        if number % steps == 0:
            late = chance.choice([0.0, 0.0, 0.003, 0.01, 0.03])
            for device in devices:
                world.now = end - chance.uniform(0.0, min(tick, 0.1) / 2)
                device.deliver(world.now - late)
        world.now = end
        recorder.tick(tick)


def places(column: Pcm) -> Moments:
    """Where the clicks are, in seconds."""
    loud = np.flatnonzero(np.abs(column.astype(np.int32)) > 4000)
    begins = loud[np.concatenate([[True], np.diff(loud) > RATE])]
    return np.asarray(begins / RATE)


@pytest.mark.parametrize(("first", "second"), [(150.0, -80.0), (-300.0, 20.0)])
def test_two_clocks_stay_together_for_three_hours(first: float, second: float) -> None:
    world = World()
    devices = [Device(world, "mic", RATE, clicks, first), Device(world, "system", RATE, clicks, second)]
    recorder = Recorder(world, devices, RATE)
    run(world, recorder, devices, 3 * 3600, 0.25)
    mic, system = recorder.mixer.drift
    assert mic.ppm == pytest.approx(first, abs=3)
    assert system.ppm == pytest.approx(second, abs=3)
    assert mic.corrected_ms == pytest.approx(3 * 3600 * first / 1000, abs=30)
    recording = recorder.all()
    a, b = places(recording[:, 0]), places(recording[:, 1])
    assert len(a) == len(b) == 3 * 3600 / EVERY
    assert np.abs(a - b).max() < 0.02
    assert np.abs(a - np.arange(len(a)) * EVERY).max() < 0.05
    assert recorder.mixer.take_gaps() == []


def test_clocks_that_are_off_and_sound_of_another_rate() -> None:
    world = World()
    devices = [Device(world, "mic", 4800, clicks, 400.0), Device(world, "system", 4410, clicks, -400.0)]
    recorder = Recorder(world, devices, RATE)
    run(world, recorder, devices, 400, 0.1)
    recording = recorder.all()
    a, b = places(recording[:, 0]), places(recording[:, 1])
    # Ten times what clocks differ by: it takes a minute to know, then they are closer.
    assert np.abs(a - b)[5:].max() < 0.01
    assert len(a) == len(b) == 400 / EVERY
    assert np.abs(a - b).max() < 0.03
    assert np.abs(a - np.arange(len(a)) * EVERY).max() < 0.05
    assert len(recording) == pytest.approx(400 * RATE, abs=0.05 * RATE)


def test_clocks_that_are_right_leave_every_sample_as_it_was() -> None:
    world = World()
    devices = [Device(world, name, RATE, noise) for name in ("mic", "system")]
    recorder = Recorder(world, devices, RATE)
    run(world, recorder, devices, 120, 0.1)
    recording = recorder.all()
    expected = to_pcm(noise(_START + np.arange(121 * RATE) / RATE).astype(np.float32))
    for column in recording.T:
        begins = int(np.flatnonzero(column)[0])
        sound = column[begins : begins + 119 * RATE]
        (shift,) = (by for by in range(100) if np.array_equal(sound, expected[by : by + len(sound)]))
        assert abs(shift - begins) < 50
    assert [drift.corrected_ms for drift in recorder.mixer.drift] == [0.0, 0.0]


def test_a_lone_device_keeps_its_own_time_and_every_sample() -> None:
    world = World()
    device = Device(world, "mic", RATE, noise, 200.0)
    recorder = Recorder(world, [device], RATE)
    run(world, recorder, [device], 600, 0.1)
    (drift,) = recorder.mixer.drift
    assert drift.ppm == pytest.approx(200, abs=10)
    assert drift.corrected_ms == 0.0
    recording = recorder.all()[:, 0]
    moments = _START + np.arange(len(recording)) / (RATE * (1 + 200e-6))
    assert np.array_equal(recording, to_pcm(noise(moments).astype(np.float32)))


def test_a_lone_device_that_drifted_leaves_a_gap_of_the_right_length() -> None:
    world = World()
    device = Device(world, "mic", RATE, noise, 500.0)
    recorder = Recorder(world, [device], RATE)
    run(world, recorder, [device], 200, 0.1)
    run(world, recorder, [], 5, 0.1)
    device.lose(world.now)
    run(world, recorder, [device], 2, 0.1)
    (gap,) = recorder.mixer.take_gaps()
    assert gap.frames == pytest.approx(5 * RATE, abs=0.04 * RATE)
    assert recorder.mixer.take_gaps() == []


def test_a_device_whose_first_sound_came_late_is_put_right() -> None:
    world = World()
    devices = [Device(world, name, RATE, clicks) for name in ("mic", "system")]
    recorder = Recorder(world, devices, RATE)
    world.now += 0.1
    devices[0].deliver(world.now)
    devices[1].deliver(world.now - 0.06)
    recorder.tick(0.1)
    run(world, recorder, devices, 300, 0.1)
    recording = recorder.all()
    a, b = places(recording[:, 0]), places(recording[:, 1])
    assert abs(a - b)[1] > 0.04
    assert np.abs(a - b)[-5:].max() < 0.01
