"""A recording ends by itself when it should: after a time, at a time of day, when nobody is heard."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recording.autostop import AutoStop, in_words
from services.recording.hearing import Ear
from services.recording.messages import EXTEND_SECONDS

RATE = 8000
NOON = time.mktime((2026, 3, 14, 12, 0, 0, 0, 0, -1))


def told(stop: AutoStop) -> str:
    return stop.alert.message if stop.alert else ""


def minute(stop: AutoStop, *, recorded: float = 0.0, wall: float = NOON) -> Iterator[tuple[float, str]]:
    """The announcements of a minute in silence, each with the seconds that are left."""
    for second in range(60):
        stop.feed(recorded + second, wall + second, heard=False)
        left = stop.stops_in
        assert left is not None
        yield left, told(stop)


def test_without_limits_it_goes_on() -> None:
    stop = AutoStop()
    stop.feed(1e6, NOON, heard=False)
    stop.extend(900)
    assert (stop.stops_in, stop.due, stop.alert, stop.seconds) == (None, "", None, None)


def test_after_a_time() -> None:
    stop = AutoStop(seconds=3600)
    stop.feed(3539, NOON, heard=True)
    assert stop.stops_in == 61
    assert not told(stop)
    assert not stop.due
    stop.feed(3557.2, NOON, heard=True)
    assert stop.alert is not None
    assert stop.alert.kind == "stopping"
    assert stop.alert.severity == "warning"
    assert stop.alert.message == "Stops in 45 s, after 60 minutes."
    stop.feed(3600, NOON, heard=True)
    assert (stop.stops_in, stop.due) == (0, "60 minutes were recorded")


def test_at_a_time_of_day() -> None:
    stop = AutoStop(until=NOON + 1800)
    assert not stop.stops_in, "nobody has told the time yet"
    stop.feed(1.0, NOON, heard=True)
    assert stop.stops_in == 1800
    assert not told(stop)
    stop.feed(2.0, NOON + 1795, heard=True)
    assert told(stop) == "Stops in 5 s, at 12:30."
    stop.feed(2.0, NOON + 1800, heard=True)
    assert stop.due == "it is 12:30"


def test_the_clock_is_followed_wherever_it_is_set() -> None:
    stop = AutoStop(until=NOON)
    stop.feed(0.0, NOON - 100, heard=False)
    stop.feed(1.0, NOON - 4000, heard=False)
    assert (stop.stops_in, stop.due) == (4000, "")
    stop.feed(2.0, NOON + 4000, heard=False)
    assert stop.stops_in == 0
    assert stop.due
    stop.feed(3.0, NOON - 10, heard=False)
    assert (stop.stops_in, stop.due) == (10, "")


def test_after_silence() -> None:
    stop = AutoStop(silence_seconds=600)
    stop.feed(1000, NOON, heard=True)
    stop.feed(1539, NOON, heard=False)
    assert stop.stops_in == 61
    assert not told(stop)
    stop.feed(1555, NOON, heard=False)
    assert told(stop) == "Stops in 45 s: nobody was heard for 9 minutes."
    stop.feed(1599, NOON, heard=True)
    assert stop.stops_in == 600
    assert not told(stop)
    stop.feed(2199, NOON, heard=False)
    assert stop.due == "nobody was heard for 10 minutes"


def test_a_pause_stops_the_silence_and_not_the_clock() -> None:
    stop = AutoStop(seconds=1000, until=NOON + 5000, silence_seconds=600)
    stop.feed(500, NOON, heard=False)
    for second in range(2000):
        stop.feed(500, NOON + second, heard=False)
        assert (stop.due, stop.stops_in) == ("", 100)
    stop.feed(500, NOON + 5000, heard=False)
    assert stop.due


def test_a_short_silence_is_no_news() -> None:
    stop = AutoStop(silence_seconds=60)
    announced = [second for second, (_, message) in enumerate(minute(stop)) if message]
    assert announced == list(range(30, 60))


def test_the_first_end_is_the_one_that_is_told() -> None:
    stop = AutoStop(seconds=1000, until=NOON + 40, silence_seconds=630)
    stop.feed(600, NOON, heard=False)
    assert stop.stops_in == 30
    assert "nobody was heard" in told(stop)
    stop.feed(600.1, NOON, heard=True)
    assert told(stop).startswith("Stops in 40 s, at 12:00")


@pytest.mark.parametrize("silence", [100, 600])
def test_the_announcement_is_calm(silence: float) -> None:
    announced = list(minute(AutoStop(silence_seconds=silence), recorded=silence - 50))[:50]
    assert len({message for _, message in announced}) == 10
    for left, message in announced:
        shown = float(message.split()[2])
        assert shown % 5 == 0
        assert 0 <= shown - left < 5


def test_more_time_after_silence_is_more_than_its_limit() -> None:
    stop = AutoStop(silence_seconds=600)
    stop.feed(595, NOON, heard=False)
    stop.extend(EXTEND_SECONDS)
    assert stop.stops_in == 5 + EXTEND_SECONDS
    assert not told(stop)
    stop.feed(1480, NOON, heard=False)
    assert told(stop).endswith("nobody was heard for 24 minutes."), "more time does not make it shorter"
    stop = AutoStop(silence_seconds=600)
    stop.feed(595, NOON, heard=False)
    stop.extend(EXTEND_SECONDS)
    stop.feed(600, NOON, heard=True)
    assert stop.stops_in == EXTEND_SECONDS
    stop.feed(1400, NOON, heard=True)
    assert stop.stops_in == 600, "speech counts anew"
    stop.feed(1900, NOON, heard=False)
    stop.extend(1)
    assert stop.stops_in == 600, "and so does a person's hand"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (4.9, "4 s"), (60, "60 s"), (119, "119 s"), (120, "2 minutes"), (7199, "119 minutes")]
    + [(7200, "2 h"), (9060, "2 h 31 min"), (90000, "25 h")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


_LIMIT = st.one_of(st.none(), st.floats(0.1, 1e5))
_STEPS = st.lists(
    st.tuples(st.floats(0, 500), st.floats(-1e6, 1e6), st.booleans(), st.one_of(st.none(), st.floats(0, 86400))),
    max_size=30,
)


@settings(max_examples=200)
@given(seconds=_LIMIT, until=st.one_of(st.none(), st.floats(0, 1e300)), silence=_LIMIT, steps=_STEPS)
def test_it_never_stops_in_less_than_nothing(
    seconds: float | None,
    until: float | None,
    silence: float | None,
    steps: list[tuple[float, float, bool, float | None]],
) -> None:
    """Feature: auto-stop, Property 1: never negative, due at 0, announced before, extended by what was given."""
    stop = AutoStop(seconds, until, silence)
    recorded = 0.0
    for step, wall, heard, more in steps:
        recorded += step
        stop.feed(recorded, NOON + wall, heard)
        left = stop.stops_in
        assert (left is None) == (seconds is None and until is None and silence is None)
        if left is None:
            continue
        assert left >= 0
        assert bool(stop.due) == (left == 0)
        assert left > 0 or stop.alert is not None
        assert left <= 60 or stop.alert is None
        if more is not None:
            stop.extend(more)
            after = stop.stops_in
            assert after is not None
            assert after >= left + more - 1e-6 * (1 + left)


@settings(max_examples=100)
@given(
    limits=st.tuples(_LIMIT, _LIMIT, _LIMIT).filter(any),
    steps=st.lists(st.floats(0, 100), min_size=2, max_size=50),
)
def test_it_only_comes_closer(limits: tuple[float | None, ...], steps: list[float]) -> None:
    """Feature: auto-stop, Property 2: while nobody is heard and the clock is left alone, the end comes no later."""
    seconds, until, silence = limits
    stop = AutoStop(seconds, None if until is None else NOON + until, silence)
    now, before = 0.0, float("inf")
    for step in steps:
        now += step
        stop.feed(now, NOON + now, heard=False)
        assert stop.stops_in is not None
        assert stop.stops_in <= before
        before = stop.stops_in


# Who is heard


def _hear(ear: Ear, amplitudes: list[float]) -> list[bool]:
    random = np.random.default_rng(3)
    return [
        ear.heard(np.rint(random.normal(0, amplitude, (RATE // 10, 1))).clip(-32768, 32767).astype(np.int16))
        for amplitude in amplitudes
    ]


@pytest.mark.parametrize("amplitude", [0.0, 1.0, 10.0, 50.0, 200.0])
def test_even_noise_is_nobody(amplitude: float) -> None:
    # Up to -35 dB of full scale at its peaks: a loud fan. One that is switched on counts for half a minute.
    ear = Ear(RATE, 1)
    assert not any(_hear(ear, [0.5] * 100 + [amplitude] * 1000)[400:])


@pytest.mark.parametrize("room", [0.0, 5.0, 50.0, 150.0])
def test_syllables_are_heard_in_any_room(room: float) -> None:
    # A quarter of a second of voice, a gap, for a minute and a half: somebody who never takes a breath.
    speech = ([600.0 + room] * 2 + [room] * 2) * 225
    heard = _hear(Ear(RATE, 1), [room] * 300 + speech)
    assert not any(heard[:300])
    assert all(heard[300::4])


def test_what_is_loud_is_heard_however_even_it_is() -> None:
    assert all(_hear(Ear(RATE, 1), [3000.0] * 700))


def test_one_channel_is_enough_and_nothing_is_nobody() -> None:
    ear = Ear(RATE, 2)
    block = np.zeros((800, 2), np.int16)
    assert not ear.heard(block)
    assert not ear.heard(block[:0])
    block[::2, 1] = 3000
    assert ear.heard(block)
    block[:, 1] = 3000
    assert not ear.heard(block), "a constant offset is no sound"
