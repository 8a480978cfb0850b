"""What is wrong with a recording is told soon, in words that stand still, and taken back when it is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.recording.chunks import Pcm
from services.recording.gaps import Absence
from services.recording.health import Health, Watched, worst_first
from services.recording.messages import Alert
from services.recording.mixer import to_pcm
from services.sample import MEETING

RATE = 8000
TICK = 0.1
RANDOM = np.random.default_rng(7)
MIC = Watched("mic")
SYSTEM = Watched("system", monitor=True)
PLENTY = 500e9


def noise(peak_db: float, frames: int = round(RATE * TICK)) -> Pcm:
    """(frames,) noise that reaches `peak_db`, on the constant offset of a cheap sound card."""
    peak = 32767 * 10 ** (peak_db / 20)
    offset = 20 if peak < 20000 else 0
    return (np.rint(RANDOM.uniform(-peak, peak, frames)) + offset).astype(np.int16)


def speech(rate: int) -> NDArray[np.float32]:
    """Ten seconds of the sample meeting, the highest sample at full scale."""
    samples, own = soundfile.read(MEETING, frames=10 * 16000, dtype="float32", always_2d=True)
    resampled = soxr.resample(samples[:, 0], own, rate)
    return np.asarray(resampled / np.abs(resampled).max() * (32767 / 32768), np.float32)


def blocks_of(samples: Pcm) -> list[Pcm]:
    return np.array_split(samples, len(samples) // (RATE // 10))


class Room:
    """A recording that goes on in ticks, and what is told at each."""

    def __init__(self, *channels: Watched, warn_bytes: float = 1e9, stop_bytes: float = 2e8) -> None:
        self.count = len(channels)
        self.health = Health(channels, RATE, warn_bytes, stop_bytes)
        self.now = 1000.0
        self.overflows = 0
        self.absences: Sequence[Absence] = ()
        self.free: float | None = PLENTY
        self.devices: Sequence[str] = ()

    def tick(self, block: Pcm) -> tuple[Alert, ...]:
        self.now += TICK
        return self.health.feed(block, self.now, self.overflows, self.absences, self.free, self.devices)

    def ticks(self, seconds: float, *levels: float) -> Iterator[tuple[Alert, ...]]:
        """`seconds` with noise of so many dB in each channel."""
        for _ in range(round(seconds / TICK)):
            yield self.tick(np.stack([noise(level) for level in levels], axis=1))

    def go(self, seconds: float, *levels: float) -> tuple[Alert, ...]:
        """What is told after `seconds`."""
        *_, last = self.ticks(seconds, *levels)
        return last

    def pause(self, seconds: float) -> tuple[Alert, ...]:
        alerts: tuple[Alert, ...] = ()
        for _ in range(round(seconds / TICK)):
            alerts = self.tick(np.zeros((0, self.count), np.int16))
        return alerts

    def until_told(self, *levels: float) -> tuple[float, Alert]:
        """How long it takes until something is told, and what."""
        begin = self.now
        for alerts in self.ticks(1000, *levels):
            if alerts:
                return self.now - begin, alerts[0]
        raise AssertionError("nothing was told")


def kinds(alerts: Sequence[Alert]) -> list[tuple[str, str]]:
    return [(alert.kind, alert.severity) for alert in alerts]


# Signal


@pytest.mark.parametrize("level", [-200.0, -96.0, -80.0, -72.0])
def test_a_microphone_that_delivers_nothing_is_told_within_five_seconds(level: float) -> None:
    room = Room(MIC)
    seconds, alert = room.until_told(level)
    assert 3.9 < seconds < 5
    assert (alert.kind, alert.severity, alert.channel) == ("no_signal", "warning", 0)
    assert alert.message == "No sound comes from mic."
    assert "microphone muted" in alert.hint
    assert "sotto devices" in alert.hint


def test_the_hint_names_the_device_and_trusts_no_name() -> None:
    room = Room(MIC)
    room.devices = ["Headset\x1b[2J Pro\n"]
    _, alert = room.until_told(-200)
    assert alert.hint.startswith("Is Headset Pro muted")


@pytest.mark.parametrize("level", [-65.0, -45.0, -10.0])
def test_a_quiet_room_is_signal(level: float) -> None:
    assert not any(Room(MIC).ticks(60, level))


def test_signal_ends_it_at_once_and_crackle_does_not() -> None:
    room = Room(MIC)
    room.go(10, -90)
    assert kinds(room.go(TICK, -20)) == [("no_signal", "warning")]
    assert kinds(room.go(TICK, -90)) == [("no_signal", "warning")]
    assert room.go(3 * TICK, -50) == ()


def test_crackle_of_a_dead_input_does_not_hide_that_it_is_dead() -> None:
    room = Room(MIC)
    told: list[tuple[Alert, ...]] = []
    for _ in range(20):
        told += [room.go(1, -90), room.go(TICK, -30)]
    assert all(kinds(alerts) == [("no_signal", "warning")] for alerts in told[10:])


def test_a_muted_microphone_is_a_line_at_once_and_a_warning_when_it_lasts() -> None:
    room = Room(MIC)
    assert room.go(10, -30) == ()
    told = list(room.ticks(60, -200))
    assert [bool(alerts) for alerts in told].index(True) * TICK == pytest.approx(4, abs=0.3)
    severities = [alerts[0].severity for alerts in told if alerts]
    assert sorted(severities) == severities, "it only gets worse"
    assert severities.index("warning") * TICK == pytest.approx(26, abs=0.3)
    assert len({alerts[0].message for alerts in told if alerts}) == 1
    assert room.go(1, -30) == ()


def test_loudspeakers_that_play_nothing_are_no_alarm() -> None:
    room = Room(SYSTEM)
    assert kinds(room.go(4.5, -200)) == [("no_signal", "info")]
    assert room.go(1, -30) == ()
    assert not any(room.ticks(50, -200)), "somebody thinks, or nobody talks"
    assert kinds(room.go(60, -200)) == [("no_signal", "info")]
    assert kinds(room.go(240, -200)) == [("no_signal", "warning")], "hours of nothing must not pass unseen"


def test_both_silent_is_said_once() -> None:
    assert kinds(Room(MIC, SYSTEM).go(20, -200, -200)) == [("no_signal", "warning")]
    assert Room(MIC, SYSTEM).until_told(-90, -200)[1].message == "No sound comes from mic and system."


def test_a_microphone_that_was_never_heard_while_the_others_are() -> None:
    room = Room(MIC, SYSTEM)
    seconds, alert = room.until_told(-90, -20)
    assert seconds < 5
    assert (alert.kind, alert.severity, alert.channel) == ("dead_channel", "warning", 0)
    assert alert.message == "Nothing is heard from mic, only from system."
    assert room.go(1, -50, -20) == ()


def test_others_that_were_never_heard_are_a_line() -> None:
    room = Room(MIC, SYSTEM)
    seconds, alert = room.until_told(-20, -200)
    assert seconds < 5
    assert (alert.kind, alert.severity, alert.channel) == ("dead_channel", "info", 1)
    assert alert.message == "Nothing is heard from system: fine while nobody speaks there."


def test_others_that_were_heard_may_be_silent_for_minutes() -> None:
    room = Room(MIC, SYSTEM)
    room.go(2, -50, -20)
    assert not any(room.ticks(290, -50, -200))
    assert kinds(room.go(15, -50, -200)) == [("dead_channel", "info")]


def test_a_muted_microphone_while_others_speak_and_pause_is_told_in_one_line() -> None:
    room = Room(MIC, SYSTEM)
    room.go(10, -30, -20)
    assert kinds(room.go(4.5, -200, -20)) == [("dead_channel", "info")]
    for _ in range(5):  # pauses of 8 s: the line stays
        told = [*room.ticks(8, -200, -200), *room.ticks(4, -200, -20)]
        assert {alert.kind for alerts in told for alert in alerts} == {"dead_channel"}
        assert all(len(alerts) == 1 for alerts in told)
    assert kinds(room.go(TICK, -200, -20)) == [("dead_channel", "warning")]
    assert kinds(room.go(35, -200, -200)) == [("no_signal", "warning")], "now it is all of it"


def test_a_noise_gate_is_learned() -> None:
    room = Room(MIC, SYSTEM)
    for _ in range(2):
        room.go(5, -30, -200)
        room.go(20, -200, -20)
    assert all(alert.severity == "info" for alerts in room.ticks(200, -200, -20) for alert in alerts)
    assert kinds(room.go(110, -200, -20)) == [("dead_channel", "warning")]


def test_the_silence_of_a_file_is_its_own() -> None:
    # The two speakers of a file take turns.
    room = Room(Watched("file:/somewhere/talk.wav"), Watched("file:/somewhere/talk.wav"))
    assert not any(room.ticks(20, -20, -200))
    assert not any(room.ticks(20, -200, -20))
    (alert,) = Room(Watched("file:/somewhere/talk.wav")).go(5, -200)
    assert (alert.kind, alert.severity, alert.message) == ("no_signal", "info", "No sound comes from talk.wav.")


def test_a_pause_is_no_silence() -> None:
    room = Room(MIC)
    assert room.go(3, -200) == ()
    assert room.pause(60) == ()
    assert room.go(3.5, -200) == (), "it counts anew"
    assert kinds(room.go(1, -200)) == [("no_signal", "warning")]
    assert room.pause(2.5) == (), "what is not recorded cannot be wrong"
    room.go(3, -200)
    room.now += 60
    assert room.go(3.5, -200) == (), "nobody has to ask during the pause"


# Levels, losses, devices, disk


def test_clipping_is_told_shown_for_five_seconds_and_gone() -> None:
    room = Room(MIC)
    loud = np.clip(noise(0).astype(np.int32) * 4, -32768, 32767).astype(np.int16)[:, None]
    (alert,) = room.tick(loud)
    assert (alert.kind, alert.severity, alert.channel) == ("clipping", "info", 0)
    assert "mic is too loud" in alert.message
    for _ in range(5):
        alerts = room.tick(loud)
    assert kinds(alerts) == [("clipping", "warning")]
    assert kinds(room.go(4.9, -20)) == [("clipping", "warning")]
    assert room.go(0.2, -20) == ()
    assert kinds(room.tick(loud)) == [("clipping", "info")], "it begins anew"


@pytest.mark.parametrize(("gain", "clipped"), [(2.0, True), (1.0, False)])
def test_what_a_device_has_cut_off_is_clipping_though_it_was_resampled(gain: float, clipped: bool) -> None:
    # Speech that is 6 dB too loud, or just fits, as a device delivers it.
    delivered = np.clip(gain * speech(48000), -1, 1)
    room = Room(MIC)
    told = [room.tick(block) for block in blocks_of(to_pcm(soxr.resample(delivered, 48000, RATE)[:, None]))]
    assert any(alert.kind == "clipping" for alerts in told for alert in alerts) == clipped
    assert any(("clipping", "warning") in kinds(alerts) for alerts in told) == clipped


@settings(max_examples=200, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 900), max_size=5),
    full=st.lists(st.sampled_from([32767, -32767, -32768]), min_size=5, max_size=5),
    cuts=st.lists(st.integers(0, 4500), max_size=8),
)
def test_clipping_is_three_samples_in_a_tenth_of_a_second_however_they_come(
    gaps: list[int], full: list[int], cuts: list[int]
) -> None:
    """Feature: recorder health, Property 1: where blocks begin and end decides nothing about clipping."""
    places = np.cumsum(gaps, dtype=np.intp)
    samples = np.full((4600, 1), 100, np.int16)
    samples[places, 0] = full[: len(gaps)]
    room = Room(MIC)
    told = [room.tick(block) for block in np.split(samples, sorted(cuts))]
    assert any(told) == any(sum(pair) < RATE // 10 for pair in zip(gaps[1:], gaps[2:], strict=False))


def test_lost_sound_is_told_with_how_much_and_for_ten_seconds() -> None:
    room = Room(MIC)
    room.go(1, -30)
    room.overflows = RATE * 3 // 2
    (alert,) = room.go(9, -30)
    assert (alert.kind, alert.severity, alert.channel) == ("overflow", "warning", None)
    assert "1.5 s of sound" in alert.message
    assert room.go(1.5, -30) == ()
    room.overflows += 1
    assert "1.5 s of sound" in room.go(TICK, -30)[0].message
    room.overflows = 0
    assert room.go(TICK, -30) == (), "it turned out that nothing was missing"
    room.overflows = 1
    assert "0.1 s of sound" in room.go(TICK, -30)[0].message


def test_a_device_that_is_away_is_told_with_its_reason_and_not_called_silent() -> None:
    room = Room(MIC, SYSTEM)
    room.absences = [Absence(0, "mic", "the device was\x07 unplugged", False)]
    assert room.go(0.9, -200, -30) == (), "a device that is opened anew is away for a moment"
    (alert,) = room.go(10, -200, -30)
    assert (alert.kind, alert.severity, alert.channel) == ("device_lost", "warning", 0)
    assert alert.message == "mic is away: the device was unplugged. Silence takes its place."
    room.absences = [*room.absences, Absence(1, "system", "the sound server is gone", True)]
    assert kinds(room.go(10, -200, -200)) == [("device_lost", "critical")] * 2
    room.absences = []
    assert room.go(3.5, -200, -30) == (), "its silence counts from its return"
    assert kinds(room.go(1, -200, -30)) == [("dead_channel", "warning")]


def test_the_only_device_is_everything() -> None:
    room = Room(MIC)
    room.absences = [Absence(0, "mic", "the sound server is gone", False)]
    assert kinds(room.go(3, -200)) == [("device_lost", "critical")]


def test_little_room_on_the_disk_is_told_with_how_long_it_lasts() -> None:
    room = Room(MIC, SYSTEM)
    room.free = 1.0e9
    assert room.go(1, -30, -30) == ()
    room.free = 840e6
    (alert,) = room.go(1, -30, -30)
    # (840 - 200) MB at 8000 * 2 channels * 2 bytes a second are 20,000 s.
    assert alert.message == "840 MB are free on the disk: the recording can go on for about 5 hours."
    assert (alert.kind, alert.severity) == ("disk_low", "warning")
    room.free = 840e6 - 3e6
    assert room.go(1, -30, -30)[0].message.startswith("830 MB")
    room.free = 1.02e9
    assert kinds(room.go(1, -30, -30)) == [("disk_low", "warning")], "at the limit it does not flicker"
    room.free = 1.06e9
    assert room.go(1, -30, -30) == ()
    room.free = 205e6
    assert kinds(room.go(1, -30, -30)) == [("disk_low", "critical")]
    room.free = None
    assert room.go(1, -30, -30) == ()


@given(free=st.floats(0, 1e12), count=st.integers(1, 2))
def test_what_is_told_about_the_disk_is_never_too_much(free: float, count: int) -> None:
    """Feature: recorder health, Property 2: neither the space nor the time that is left is told as more than it is."""
    room = Room(*[MIC, SYSTEM][:count], warn_bytes=1e13)
    room.free = free
    (alert,) = room.tick(np.zeros((0, count), np.int16))
    words = alert.message.split()
    assert float(words[0]) * {"MB": 1e6, "GB": 1e9}[words[1]] <= free
    lasts = max(0.0, free - 2e8) / (RATE * 2 * count)
    if "about" in words:
        number, unit = words[-2:]
        told = float(number) * {"minutes.": 60, "hours.": 3600}[unit]
        assert told <= lasts < told + max(3600 * ("hours." == unit), 600)


# All of it


_LEVELS = st.sampled_from([-200.0, -90.0, -60.0, -20.0, 6.0])
_EVENTS = st.tuples(
    st.floats(0.1, 8),
    st.lists(_LEVELS, min_size=2, max_size=2),
    st.integers(0, 2),
    st.sets(st.integers(0, 1)),
    st.one_of(st.none(), st.floats(0, 2e9)),
    st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(events=st.lists(_EVENTS, max_size=6), channels=st.permutations([MIC, SYSTEM]))
def test_whatever_happens_it_is_over_when_it_is_over(
    events: list[tuple[float, list[float], int, set[int], float | None, bool]], channels: list[Watched]
) -> None:
    """Feature: recorder health, Property 3: alerts are in order, one of a kind and channel, and go by themselves."""
    room = Room(*channels)
    for seconds, levels, lost, away, free, paused in events:
        room.overflows += lost
        room.absences = [Absence(number, channels[number].label, "unplugged", False) for number in sorted(away)]
        room.free = free
        for alerts in [room.pause(seconds)] if paused else room.ticks(seconds, *levels):
            assert worst_first(reversed(alerts)) == alerts
            severities = [alert.severity for alert in alerts]
            assert severities == sorted(severities, key=["critical", "warning", "info"].index)
            assert len({(alert.kind, alert.channel) for alert in alerts}) == len(alerts)
            assert all(alert.message.endswith(".") and alert.message.isprintable() for alert in alerts)
            silent = {alert.channel for alert in alerts if alert.kind == "dead_channel"}
            assert not silent & away
    room.absences, room.free = (), PLENTY
    assert room.go(10.2, -20, -20) == ()


@settings(max_examples=100, deadline=None)
@given(levels=st.lists(st.sampled_from([-200.0, -90.0, -75.0]), min_size=1, max_size=2), had=st.booleans())
def test_silence_is_told_within_five_seconds_whatever_was_before(levels: list[float], had: bool) -> None:
    """Feature: recorder health, Property 4: where a microphone is silent, something is told within five seconds."""
    room = Room(*[MIC, SYSTEM][: len(levels)])
    if had:
        room.go(3, *[-30.0] * len(levels))
    told = list(room.ticks(5, *levels))
    assert kinds(told[-1])[0][0] == "no_signal"
    assert not any(told[:35])
