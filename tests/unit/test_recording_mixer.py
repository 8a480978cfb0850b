"""Two sources side by side: nothing is lost, and everything stands where it was heard."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import DeviceError, SottoError
from services.recording.chunks import Pcm
from services.recording.mixer import Mixer, to_pcm
from services.recording.ring import Ring, Samples

RATE = 1000
TICK = 0.1


class Feed:
    """A source that delivers what the test tells it to, at the time that the test tells."""

    def __init__(self, label: str, live: bool = True, channels: int = 1, rate: int = RATE) -> None:
        self.label = label
        self.live = live
        self.rate = rate
        self.channels = channels
        self.ring = Ring(10 * rate, channels)
        self.began: float | None = None
        self.ended = False
        self.lost = 0
        self.error: SottoError | None = None
        self.absent = ""
        self.monitor = False
        self.device = label if live else ""

    def deliver(self, samples: Samples, now: float) -> None:
        """`samples` have just been heard, the last one at `now`."""
        if self.began is None:
            self.began = now - len(samples) / self.rate
        self.ring.write(samples)

    def end(self, error: SottoError | None = None) -> None:
        self.ended, self.error = True, error

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
        self.mixer = Mixer(feeds, RATE)
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


def ended(clock: Clock) -> bool:
    return clock.mixer.ended


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
    assert "system" in clock.mixer.detail
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
    system.began = None  # what a device does when it is asked for the time of its next sample
    clock.run(10.0, mic, system)
    assert clock.mixer.detail == ""
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


def test_one_device_that_delivers_nothing_any_more_ends_the_recording() -> None:
    mic = Feed("mic")
    clock = Clock(mic)
    clock.run(1.0, mic)
    clock.run(10.0)
    assert not ended(clock), "it may come back"
    clock.run(12.0)
    assert ended(clock)
    assert isinstance(clock.mixer.error, DeviceError)
    assert len(clock.all()) == RATE


def test_a_device_that_is_gone_ends_the_recording_when_it_was_the_only_one() -> None:
    mic = Feed("mic")
    clock = Clock(mic)
    clock.run(1.0, mic)
    mic.end(DeviceError("gone"))
    clock.run(1.2)
    assert clock.mixer.ended
    assert clock.mixer.error is mic.error
    assert len(clock.all()) == RATE


def test_of_two_devices_one_may_go() -> None:
    mic, system = Feed("mic"), Feed("system")
    clock = Clock(mic, system)
    clock.run(1.0, mic, system)
    system.end(DeviceError("gone"))
    clock.run(3.0, mic)
    assert not clock.mixer.ended
    assert "system" in clock.mixer.detail
    recording = clock.all()
    assert np.count_nonzero(recording[:, 0]) == 3 * RATE
    assert np.count_nonzero(recording[:, 1]) == RATE


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
