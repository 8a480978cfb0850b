"""Two sources side by side: nothing is lost, and everything stands where it was heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import SottoError
from services.recording.chunks import Pcm
from services.recording.gaps import NOTHING_CAME, Absence, Gap
from services.recording.mixer import Mixer, to_pcm
from services.recording.ring import Ring, Samples

RATE = 1000
TICK = 0.1
FADE = 5


class Feed:
    """A source that delivers what the test tells it to, at the time that the test tells."""

    def __init__(
        self, label: str, live: bool = True, channels: int = 1, rate: int = RATE, monitor: bool = False
    ) -> None:
        self.label = label
        self.live = live
        self.rate = rate
        self.channels = channels
        self.moment = 0.0
        self.ring = Ring(10 * rate, channels, lambda: self.moment)
        self.began: float | None = None
        self.ended = False
        self.lost = 0
        self.error: SottoError | None = None
        self.absent = ""
        self.monitor = monitor
        self.device = label if live else ""

    def deliver(self, samples: Samples, now: float) -> None:
        """`samples` have just been heard, the last one at `now`."""
        if self.began is None:
            self.began = now - len(samples) / self.rate
        self.moment = now
        self.ring.write(samples)

    def start(self) -> None: ...
    def stop(self) -> None:
        self.ended = True

    def consumed(self) -> None: ...


def ramp(start: float, seconds: float, channels: int = 1) -> Samples:
    """Samples that tell by their value when they were heard, in steps of 2**-15."""
    moments = np.arange(round(start * RATE), round((start + seconds) * RATE))
    return np.repeat(((moments % 30_000 + 1) / 32768).astype(np.float32)[:, None], channels, axis=1)


class Clock:
    """Feeds and pulls in ticks, as the recorder does."""

    def __init__(self, *feeds: Feed) -> None:
        self.now = 0.0
        self.feeds = feeds
        self.mixer = Mixer(feeds, RATE, lambda: self.now)
        self.blocks: list[Pcm] = []

    def run(self, until: float, *playing: Feed) -> None:
        """Until the time `until` the feeds in `playing` deliver, the others do not."""
        while self.now < until - TICK / 2:
            self.now = round(self.now + TICK, 6)
            for feed in playing:
                feed.deliver(ramp(self.now - TICK, TICK), self.now)
            self.blocks.append(self.mixer.pull(TICK))

    def all(self) -> Pcm:
        for feed in self.feeds:
            feed.stop()
        return np.concatenate([*self.blocks, self.mixer.finish()])


def heard_at(column: Pcm) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For every sample that is not silence, how far it stands from where it was heard, in samples."""
    places = np.flatnonzero(column)
    offsets = column[places].astype(np.int64) - 1 - places
    return np.asarray(offsets)


@settings(max_examples=150, deadline=None)
@given(
    first=st.integers(0, 15),
    second=st.integers(0, 15),
    seconds=st.integers(20, 60),
)
def test_two_devices_that_start_apart_are_placed_by_the_clock(first: int, second: int, seconds: int) -> None:
    """Feature: recording, Property 3: both channels stand where they were heard, whichever device began first."""
    a, b = Feed("mic"), Feed("system")
    clock = Clock(a, b)
    for tick in range(1, seconds + 1):
        clock.run(tick * TICK, *(feed for feed, begins in ((a, first), (b, second)) if tick > begins))
    recording = clock.all()
    earlier = min(first, second) * round(TICK * RATE)
    for channel, begins in ((0, first), (1, second)):
        assert set(heard_at(recording[:, channel])) <= {earlier}
        assert np.count_nonzero(recording[:, channel]) == (seconds - begins) * round(TICK * RATE), "all of it is there"


def test_a_device_that_never_comes_is_silence_and_does_not_hold_up_the_other() -> None:
    mic, dead = Feed("mic"), Feed("system")
    clock = Clock(mic, dead)
    clock.run(8.0, mic)
    on_disk = sum(len(block) for block in clock.blocks)
    assert on_disk >= 7.5 * RATE
    assert clock.mixer.absent == [Absence(1, "system", NOTHING_CAME, False)]
    assert not clock.mixer.ended
    recording = clock.all()
    assert len(recording) == 8 * RATE
    assert not heard_at(recording[:, 0]).any()
    assert not recording[:, 1].any()


def test_a_device_that_pauses_comes_back_where_it_belongs() -> None:
    mic, system = Feed("mic"), Feed("system")
    clock = Clock(mic, system)
    clock.run(2.0, mic, system)
    clock.run(7.0, mic)
    assert sum(len(block) for block in clock.blocks) >= 6.5 * RATE
    clock.run(10.0, mic, system)
    assert clock.mixer.absent == []
    recording = clock.all()
    assert not heard_at(recording[:, 0]).any()
    assert not heard_at(recording[:, 1]).any()
    assert not recording[2 * RATE : 7 * RATE, 1].any()
    assert np.count_nonzero(recording[:, 1]) == 5 * RATE


def test_a_stop_of_the_whole_process_moves_nothing() -> None:
    mic, system = Feed("mic"), Feed("system")
    clock = Clock(mic, system)
    clock.run(1.0, mic, system)
    # Three seconds later everything arrives at once, the one device a tick after the other.
    clock.now = 4.0
    mic.deliver(ramp(1.0, 3.0), 4.0)
    clock.blocks.append(clock.mixer.pull(3.0))
    system.deliver(ramp(1.0, 3.0), 4.1)
    clock.blocks.append(clock.mixer.pull(TICK))
    recording = clock.all()
    assert len(recording) == 4 * RATE
    assert not heard_at(recording[:, 0]).any()
    assert not heard_at(recording[:, 1]).any()


def test_a_lone_device_that_delivers_nothing_is_silence_by_the_clock_until_it_is_back() -> None:
    mic = Feed("mic")
    clock = Clock(mic)
    clock.run(1.0, mic)
    clock.run(13.0)
    assert sum(len(block) for block in clock.blocks) >= 12.5 * RATE, "what was recorded is on disk"
    assert not clock.mixer.ended
    assert clock.mixer.absent == [Absence(0, "mic", NOTHING_CAME, False)]
    assert clock.mixer.take_gaps() == [], "it is not over"
    clock.run(15.0, mic)
    assert clock.mixer.absent == []
    assert clock.mixer.take_gaps() == [Gap(0, "mic", RATE, 12 * RATE, NOTHING_CAME)]
    recording = clock.all()
    assert len(recording) == 15 * RATE
    assert np.count_nonzero(recording) == 3 * RATE
    assert not heard_at(recording[:, 0]).any()


def test_a_recording_that_ends_while_the_only_device_is_away_has_its_full_length() -> None:
    mic = Feed("mic")
    clock = Clock(mic)
    clock.run(1.0, mic)
    mic.absent = "the device was unplugged"
    clock.run(5.0)
    assert clock.mixer.absent == [Absence(0, "mic", "the device was unplugged", False)]
    assert len(clock.all()) == 5 * RATE
    assert clock.mixer.take_gaps() == [Gap(0, "mic", RATE, 4 * RATE, "the device was unplugged")]
    assert clock.mixer.error is None


def test_of_two_devices_one_may_go() -> None:
    mic, system = Feed("mic"), Feed("system")
    clock = Clock(mic, system)
    clock.run(1.0, mic, system)
    system.absent = "the sound server is gone"
    clock.run(3.0, mic)
    assert not clock.mixer.ended
    assert clock.mixer.absent == [Absence(1, "system", "the sound server is gone", False)]
    recording = clock.all()
    assert np.count_nonzero(recording[:, 0]) == 3 * RATE
    assert np.count_nonzero(recording[:, 1]) == RATE
    assert clock.mixer.take_gaps() == [Gap(1, "system", RATE, 2 * RATE, "the sound server is gone")]


def test_an_idle_monitor_is_silent_and_misses_nothing() -> None:
    mic, system = Feed("mic"), Feed("system", monitor=True)
    clock = Clock(mic, system)
    clock.run(2.0, mic, system)
    clock.run(5.0, mic)
    assert clock.mixer.absent == []
    clock.run(6.0, mic, system)
    system.absent = "the sound server is gone"
    clock.run(8.0, mic)
    assert clock.mixer.absent == [Absence(1, "system", "the sound server is gone", True)]
    system.absent = ""
    clock.run(9.0, mic, system)
    (gap,) = clock.mixer.take_gaps()
    assert (gap.at, gap.frames, gap.reason) == (6 * RATE, 2 * RATE, "the sound server is gone")
    assert not heard_at(clock.all()[:, 1]).any()


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_heard_in_a_pause_is_left_out_and_nothing_else(count: int) -> None:
    feeds = [Feed(f"device {number}") for number in range(count)]
    clock = Clock(*feeds)
    clock.run(2.0, *feeds)
    clock.blocks.append(clock.mixer.pause())
    assert sum(len(block) for block in clock.blocks) == 2 * RATE
    clock.run(20.0, *feeds)
    assert sum(len(block) for block in clock.blocks) == 2 * RATE
    feeds[0].lost = 100
    assert clock.mixer.overflows == 0
    clock.mixer.resume()
    assert clock.mixer.overflows == 0, "what is lost in a pause, nobody misses"
    feeds[0].lost = 130
    assert clock.mixer.overflows == 30
    clock.run(22.0, *feeds)
    recording = clock.all()
    assert len(recording) == 4 * RATE
    seam = np.arange(2 * RATE - FADE, 2 * RATE + FADE)
    for column in recording.T:
        clean = np.delete(column, seam)
        expected = np.delete(np.concatenate([ramp(0.0, 2.0), ramp(20.0, 2.0)])[:, 0], seam)
        assert np.array_equal(clean, to_pcm(expected))
        before, after = column[2 * RATE - FADE : 2 * RATE], column[2 * RATE : 2 * RATE + FADE]
        assert (np.diff(before.astype(int)) < 0).all(), "it fades out"
        assert (np.diff(after.astype(int)) > 3000).all(), "it fades in"
    assert clock.mixer.take_gaps() == []


def test_a_pause_keeps_everything_of_a_file() -> None:
    file = Feed("file", live=False)
    clock = Clock(file)
    clock.run(2.0, file)
    clock.blocks.append(clock.mixer.pause())
    file.deliver(ramp(2.0, 3.0), 5.0)
    clock.run(5.0)
    assert file.ring.filled == 3 * RATE, "it waits"
    clock.mixer.resume()
    clock.run(6.0)
    assert np.array_equal(clock.all(), to_pcm(ramp(0.0, 5.0)))


def test_a_pause_beside_a_device_keeps_everything_of_a_file() -> None:
    file, mic = Feed("file", live=False), Feed("mic")
    clock = Clock(file, mic)
    clock.run(2.0, file, mic)
    clock.blocks.append(clock.mixer.pause())
    clock.run(5.0, mic)
    clock.mixer.resume()
    file.deliver(ramp(2.0, 4.0), 6.0)
    clock.run(9.0, mic)
    recording = clock.all()
    assert np.array_equal(recording[: 6 * RATE, :1], to_pcm(ramp(0.0, 6.0)))
    assert set(heard_at(recording[2 * RATE + FADE :, 1])) == {5 * RATE + FADE}


def test_a_microphones_channels_are_mixed_and_a_files_are_kept() -> None:
    stereo = np.array([[0.5, 0.25]] * 100, np.float32)
    for live, expected in ((True, [12288]), (False, [16384, 8192])):
        feed = Feed("x", live, channels=2)
        clock = Clock(feed)
        feed.deliver(stereo, 0.1)
        assert (clock.all() == np.array(expected)).all()


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(st.integers(1, 400), min_size=1, max_size=20), rate=st.sampled_from([500, 1000, 1600, 4410]))
def test_no_sample_is_lost_at_the_tail(pieces: list[int], rate: int) -> None:
    """Feature: recording, Property 4: a source of any rate, in any pieces, gives its length at the meeting's rate."""
    feed = Feed("file", live=False, rate=rate)
    clock = Clock(feed)
    for piece in pieces:
        feed.deliver(np.full((piece, 1), 0.25, np.float32), 0.0)
        clock.blocks.append(clock.mixer.pull(TICK))
    assert abs(len(clock.all()) - sum(pieces) * RATE / rate) <= 0.5


def test_integers_come_through_and_loud_samples_are_clipped() -> None:
    every = np.arange(-32768, 32768, dtype=np.int16)[:, None]
    assert np.array_equal(to_pcm((every / 32768).astype(np.float32)), every)
    assert to_pcm(np.array([[1.0], [-1.0], [7.5], [-7.5]], np.float32)).ravel().tolist() == [
        32767,
        -32768,
        32767,
        -32768,
    ]
