"""Whatever devices do: every sample stands once, in order, where it was heard; pauses leave out what they should."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.recording.gaps import TOO_BUSY
from tests.unit.recording_devices import Device, Moments, Recorder, World

RATE = 1000
TICK = 0.1
FADE = 5
_START = World().now


def ramp(moments: Moments) -> Moments:
    """Values that tell when they were heard: milliseconds since the start, and 1, in steps of 2**-15."""
    return (np.round((moments - _START) * 1000) + 1) / 32768


@dataclass
class Story:
    """What happens to some devices, and what should be heard of it."""

    count: int
    world: World = field(default_factory=World)
    pauses: list[tuple[float, float]] = field(default_factory=list)
    seams: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.devices = [Device(self.world, f"device {number}", RATE, ramp) for number in range(self.count)]
        self.recorder = Recorder(self.world, self.devices, RATE)
        self.heard: list[set[int]] = [set() for _ in self.devices]

    def run(self, ticks: int, *silent: int) -> None:
        """All deliver but those with the numbers `silent`."""
        for _ in range(ticks):
            self.world.now = round(self.world.now + TICK, 6)
            self.deliver(*silent)
            self.recorder.tick(TICK)

    def deliver(self, *silent: int) -> None:
        for number, device in enumerate(self.devices):
            if number not in silent:
                first, last = device.deliver(self.world.now)
                self.heard[number] |= set(range(first + 1, last + 1))

    def stop(self, ticks: int) -> None:
        """The whole process stands still; nothing is lost."""
        self.world.now = round(self.world.now + ticks * TICK, 6)
        self.recorder.tick(ticks * TICK)
        self.run(1)

    def away(self, ticks: int, number: int) -> None:
        """One device loses what it hears."""
        self.run(ticks, number)
        self.devices[number].lose(self.world.now)

    def late(self, ticks: int, number: int) -> None:
        """One device delivers later what it hears."""
        self.run(ticks, number)

    def pause(self, ticks: int) -> None:
        self.deliver()
        self.recorder.blocks.append(self.recorder.mixer.pause())
        self.seams.append(sum(len(block) for block in self.recorder.blocks))
        began = round(self.world.now - _START, 6)
        self.run(ticks)
        self.recorder.mixer.resume()
        self.pauses.append((began, round(self.world.now - _START, 6)))
        self.run(1)

    def recorded(self, moment: float) -> float:
        """How much had been recorded at `moment`, in seconds."""
        return moment - sum(min(moment, end) - begin for begin, end in self.pauses if begin < moment)

    def paused(self, value: int) -> bool:
        return any(begin < value / 1000 <= end for begin, end in self.pauses)

    def faded(self, spots: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of the places `spots` may belong to a seam."""
        near = np.zeros(len(spots), bool)
        for seam in self.seams:
            behind = int(np.searchsorted(spots, seam))
            near[max(0, behind - FADE) : behind] = True
            near |= (spots >= seam) & (spots < seam + FADE)
        return near


STEPS = st.tuples(st.sampled_from(["run", "stop", "away", "late", "pause"]), st.integers(1, 15), st.integers(0, 1))


@settings(max_examples=150, deadline=None)
@given(count=st.integers(1, 2), steps=st.lists(STEPS, max_size=5))
def test_every_sample_stands_once_in_order_and_in_its_place(count: int, steps: list[tuple[str, int, int]]) -> None:
    """Feature: recording, Property 5: whatever devices lose, delay or pause, what came stands where it was heard."""
    story = Story(count)
    story.run(12)
    for step, ticks, which in steps:
        if step == "run":
            story.run(ticks)
        elif step == "stop":
            story.stop(ticks)
        elif step == "away":
            story.away(ticks, which % count)
        elif step == "late":
            story.late(min(ticks, 3), which % count)
        else:
            story.pause(ticks)
        story.run(8)
    recording = story.recorder.all()
    assert len(recording) / RATE == pytest.approx(story.recorded(story.world.now - _START), abs=0.15)
    for column, heard in zip(recording.T, story.heard, strict=True):
        spots = np.flatnonzero(column)
        spots = spots[~story.faded(spots)]
        values = column[spots].astype(np.int64)
        assert (np.diff(values) > 0).all(), "once, and in order"
        wanted = {value for value in heard if not story.paused(value)}
        assert set(values.tolist()) <= wanted
        assert len(wanted) - len(values) <= 2 * FADE * len(story.seams)
        places = np.array([story.recorded((value - 1) / 1000) for value in values])
        assert np.abs(spots / RATE - places).max(initial=0) < 0.12


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("ticks", [1, 2, 3, 4])
def test_what_a_running_stream_loses_becomes_silence_where_it_was_lost(count: int, ticks: int) -> None:
    story = Story(count)
    story.run(20)
    story.devices[0].overruns += 1
    story.away(ticks, 0)
    story.run(20)
    recording = story.recorder.all()
    (gap,) = story.recorder.mixer.take_gaps()
    assert (gap.channel, gap.label, gap.reason) == (0, "device 0", TOO_BUSY)
    assert gap.frames == pytest.approx(ticks * TICK * RATE, abs=2)
    assert gap.at == pytest.approx(2 * RATE, abs=110)
    column = recording[:, 0]
    assert not column[gap.at : gap.at + gap.frames].any()
    assert np.abs(column[-RATE:] - 1 - np.arange(len(column) - RATE, len(column))).max() <= 2


def test_what_the_ring_has_no_room_for_is_missing_exactly_there() -> None:
    story = Story(1)
    story.run(20)
    for _ in range(130):  # the writer waits for the disk for 13 s, the ring holds 10
        story.world.now = round(story.world.now + TICK, 6)
        story.deliver()
    story.recorder.tick(13.0)
    story.run(20)
    recording = story.recorder.all()[:, 0]
    (gap,) = story.recorder.mixer.take_gaps()
    assert (gap.at, gap.frames, gap.reason) == (12 * RATE, 3 * RATE, TOO_BUSY)
    assert story.recorder.mixer.overflows == 3 * RATE
    expected = np.arange(17 * RATE) + 1
    expected[12 * RATE : 15 * RATE] = 0
    assert np.array_equal(recording, expected)


@pytest.mark.parametrize("count", [1, 2])
def test_what_follows_a_pause_begins_when_a_person_said_so(count: int) -> None:
    story = Story(count)
    story.run(20)
    story.recorder.blocks.append(story.recorder.mixer.pause())
    story.run(9)
    story.world.now += 0.04  # in the middle of what is delivered next
    story.recorder.mixer.resume()
    story.world.now -= 0.04
    story.run(10)
    recording = story.recorder.all()
    assert len(recording) == 2 * RATE + 960
    for column in recording.T:
        assert np.array_equal(column[2 * RATE + FADE :], np.arange(2941 + FADE, 3901))


def test_a_pause_takes_along_what_was_held_back() -> None:
    story = Story(2)
    story.run(20)
    story.away(3, 0)
    story.run(2)
    story.pause(10)
    story.run(10)
    recording = story.recorder.all()
    for column, heard in zip(recording.T, story.heard, strict=True):
        wanted = {value for value in heard if not story.paused(value)}
        assert len(wanted - set(column.tolist())) <= 2 * FADE
    assert len(recording) / RATE == pytest.approx(story.recorded(story.world.now - _START), abs=0.01)


def test_a_device_that_delivers_in_slow_bursts_loses_nothing() -> None:
    story = Story(1)
    for _ in range(40):
        story.run(3, 0)
        story.run(1)
    assert np.array_equal(story.recorder.all()[:, 0], np.arange(16 * RATE) + 1)
    assert story.recorder.mixer.take_gaps() == []
