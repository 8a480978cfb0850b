"""Windows: whatever the pattern of speech, each bit of it belongs to exactly one of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.audio.vad import FRAME, RATE, Samples
from services.audio.windows import Policy, Window, WindowCutter

FRAME_SECONDS = FRAME / RATE


def frames_of(count: int) -> Samples:
    """Frames whose every sample is the frame's number, so that a window shows where it was cut from."""
    return np.repeat(np.arange(count, dtype=np.float32)[:, None], FRAME, axis=1)


def cut(probabilities: list[float], policy: Policy, pieces: list[int] | None = None) -> list[Window]:
    """All windows, fed in pieces of the given lengths (in turn)."""
    cutter, at, windows = WindowCutter(policy), 0, []
    frames, said = frames_of(len(probabilities)), np.array(probabilities, np.float32)
    sizes = pieces or [max(1, len(probabilities))]
    turn = 0
    while at < len(said):
        size = sizes[turn % len(sizes)]
        before = cutter.position
        found = cutter.feed(frames[at : at + size], said[at : at + size])
        assert all(window.start >= before for window in found), "a window from a time that was called settled"
        windows += found
        at, turn = at + size, turn + 1
    return windows + cutter.flush()


def voiced(probabilities: list[float], policy: Policy) -> set[int]:
    """The frames of speech: on from `on` until below `off`."""
    found, speaking = set(), False
    for i, probability in enumerate(np.array(probabilities, np.float32).tolist()):
        speaking = probability >= (policy.off if speaking else policy.on)
        if speaking:
            found.add(i)
    return found


def span(window: Window) -> range:
    """The frames in a window, by its samples."""
    numbers = window.samples.reshape(-1, FRAME)[:, 0].astype(int)
    assert (window.samples.reshape(-1, FRAME) == numbers[:, None]).all()
    assert list(numbers) == list(range(numbers[0], numbers[-1] + 1))
    return range(int(numbers[0]), int(numbers[-1]) + 1)


def committed(window: Window) -> range:
    """The frames that belong to a window: up to the middle of what it shares, on each side."""
    part = span(window)
    first, last = window.overlap / 2 / FRAME_SECONDS, window.continued / 2 / FRAME_SECONDS
    assert first == round(first) and last == round(last), "an overlap without a middle"
    return part[round(first) : len(part) - round(last)]


def runs(lengths: list[tuple[bool, int, float]]) -> list[float]:
    """Stretches of speech and silence as probabilities, with some unrest in each."""
    out: list[float] = []
    for speech, length, unrest in lengths:
        out += [(0.9 - 0.3 * unrest * (i % 3)) if speech else 0.2 * unrest * (i % 2) for i in range(length)]
    return out


PATTERNS = st.one_of(
    st.lists(st.floats(0, 1, width=32), max_size=300),
    st.lists(st.tuples(st.booleans(), st.integers(1, 120), st.floats(0, 1)), max_size=12).map(runs),
)
POLICIES = st.builds(
    Policy,
    longest=st.floats(0.05, 4.0),
    pause=st.floats(0.0, 2.0),
    target=st.floats(0.0, 3.0),
    short_pause=st.floats(0.0, 1.0),
    pad=st.floats(0.0, 0.6),
    overlap=st.one_of(st.just(0.0), st.floats(0.0, 6.0)),
)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, POLICIES)
def test_windows_hold_all_speech_once_in_order_and_in_size(probabilities: list[float], policy: Policy) -> None:
    """Feature: windows, Property 1: windows cover all speech exactly once, are ordered, never longer than allowed."""
    windows = cut(probabilities, policy)
    covered = [frame for window in windows for frame in committed(window)]
    assert covered == sorted(set(covered)), "a frame belongs to two windows, or they go back in time"
    assert voiced(probabilities, policy) <= set(covered)
    longest = max(1, round(policy.longest / FRAME_SECONDS))
    for window in windows:
        part = span(window)
        assert len(part) <= longest
        assert window.start == pytest.approx(part[0] * FRAME_SECONDS)
        assert window.end == pytest.approx((part[-1] + 1) * FRAME_SECONDS)
        inside = voiced(probabilities, policy) & set(part)
        assert inside & set(committed(window)), "a window without speech of its own"
        assert window.voiced == pytest.approx(len(inside) * FRAME_SECONDS)
        assert window.peak == pytest.approx(max(probabilities[i] for i in inside))
        assert window.certainty == pytest.approx(sum(probabilities[i] for i in inside) / len(inside))


@settings(max_examples=300, deadline=None)
@given(PATTERNS, POLICIES)
def test_windows_share_what_lies_around_a_cut_in_speech_and_nothing_else(
    probabilities: list[float], policy: Policy
) -> None:
    """Feature: windows, Property 4: windows overlap exactly where they say so, within measure, never in a silence."""
    windows = cut(probabilities, policy)
    speech = voiced(probabilities, policy)
    assert not any(window.overlap for window in windows[:1])
    assert not any(window.continued for window in windows[-1:])
    for before, after in pairwise(windows):
        shared = sorted(set(span(before)) & set(span(after)))
        assert before.continued == after.overlap == pytest.approx(len(shared) * FRAME_SECONDS)
        assert after.start > before.start
        assert len(shared) * FRAME_SECONDS <= min(policy.overlap + FRAME_SECONDS, policy.longest / 3 + FRAME_SECONDS)
        if shared:
            middle = shared[len(shared) // 2]
            silence = 0
            for frame in range(middle, -1, -1):
                if frame in speech:
                    break
                silence += 1
            assert silence < 3, "a cut in a silence that was sure"


@settings(max_examples=100, deadline=None)
@given(PATTERNS, POLICIES)
def test_memory_is_that_of_one_window(probabilities: list[float], policy: Policy) -> None:
    """Feature: windows, Property 5: what is kept is never more than the longest window and what was just fed."""
    cutter, frames = WindowCutter(policy), frames_of(len(probabilities))
    longest = max(1, round(policy.longest / FRAME_SECONDS))
    for at in range(0, len(probabilities), 10):
        cutter.feed(frames[at : at + 10], np.array(probabilities[at : at + 10], np.float32))
        assert len(cutter._samples) <= (longest + 1) * FRAME


@settings(max_examples=150, deadline=None)
@given(PATTERNS, POLICIES, st.lists(st.integers(1, 90), min_size=1, max_size=6))
def test_the_pieces_it_is_fed_in_change_nothing(probabilities: list[float], policy: Policy, pieces: list[int]) -> None:
    """Feature: windows, Property 2: cutting the stream into other pieces gives the same windows."""
    whole, parts = cut(probabilities, policy), cut(probabilities, policy, pieces)
    facts = [[(w.start, w.voiced, w.overlap, w.continued) for w in windows] for windows in (whole, parts)]
    assert facts[0] == facts[1]
    assert all((a.samples == b.samples).all() for a, b in zip(whole, parts, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 150), st.floats(0, 1)), max_size=12).map(runs))
def test_long_silence_is_in_no_window(probabilities: list[float]) -> None:
    """Feature: windows, Property 3: no window holds a silence longer than its pause, but for the pads."""
    policy = Policy(longest=4.0, pause=0.8, target=2.0, short_pause=0.3, pad=0.2)
    speech = voiced(probabilities, policy)
    for window in cut(probabilities, policy):
        silence = 0
        for frame in span(window):
            silence = 0 if frame in speech else silence + 1
            assert silence * FRAME_SECONDS <= policy.pause + policy.pad + 2 * FRAME_SECONDS


def speak(*stretches: tuple[float, float]) -> list[float]:
    """Probabilities of stretches of (probability, seconds)."""
    return [p for p, seconds in stretches for _ in range(round(seconds / FRAME_SECONDS))]


def test_a_full_window_is_cut_in_its_longest_silence() -> None:
    policy = Policy(longest=10.0, pause=1.0, target=10.0, short_pause=1.0, pad=0.2)
    first, second = cut(speak((0.9, 4.5), (0.1, 0.2), (0.9, 2.0), (0.1, 0.6), (0.9, 5.0)), policy)
    assert 6.7 < first.end < 7.3
    assert first.end <= second.start + 1e-6
    assert second.voiced == pytest.approx(5.0, abs=0.05)


def test_a_full_window_is_rather_cut_late_than_in_its_longest_silence() -> None:
    policy = Policy(longest=10, target=10, pause=5, short_pause=0.1)
    said = runs([(True, 120, 0.0), (False, 40, 0.0), (True, 120, 0.0), (False, 5, 0.0), (True, 100, 0.0)])
    first, second = cut(said, policy)
    assert 120 + 40 + 120 <= span(first)[-1] < 120 + 40 + 120 + 5
    assert (first.continued, second.overlap) == (0, 0)


def test_without_any_silence_it_is_cut_where_speech_is_least_likely() -> None:
    policy = Policy(longest=10.0, pause=1.0, target=10.0, short_pause=1.0, pad=0.2, overlap=0.0)
    first, _ = cut(speak((0.9, 8.0), (0.5, 0.032), (0.9, 5.0)), policy)
    assert first.end == pytest.approx(8.0, abs=2 * FRAME_SECONDS)


def test_a_cut_in_speech_is_shared_and_one_in_a_short_silence_is_not() -> None:
    policy = Policy(longest=10.0, pause=1.0, target=10.0, short_pause=1.0, pad=0.2, overlap=2.0)
    first, second = cut(speak((0.9, 8.0), (0.5, 0.032), (0.9, 5.0)), policy)
    assert first.continued == second.overlap == pytest.approx(2.0, abs=2 * FRAME_SECONDS)
    assert second.start + second.overlap / 2 == pytest.approx(8.0, abs=2 * FRAME_SECONDS)
    assert not first.overlap
    first, second = cut(speak((0.9, 8.0), (0.1, 0.13), (0.9, 5.0)), policy)
    assert first.continued == second.overlap == 0.0


def test_a_voice_that_never_pauses_is_shared_at_every_cut() -> None:
    policy = Policy(longest=10.0, overlap=2.0)
    windows = cut(speak((0.9, 60.0)), policy)
    assert all(window.overlap for window in windows[1:])
    assert sum(len(committed(window)) for window in windows) * FRAME_SECONDS == pytest.approx(60.0, abs=0.1)


def test_a_window_whose_speech_may_be_over_promises_no_other() -> None:
    frame = FRAME_SECONDS
    policy = Policy(longest=10 * frame, pause=2.0, target=2.0, pad=0.0, overlap=2 * frame)
    windows = cut(speak((0.9, 8 * frame), (0.1, 100 * frame)), policy)
    assert [(window.overlap, window.continued) for window in windows] == [(0.0, 0.0)]


def test_a_window_that_ends_at_once_still_holds_all_that_it_shares() -> None:
    frame = FRAME_SECONDS
    policy = Policy(longest=30 * frame, pause=10 * frame, target=1.0, pad=0.0, overlap=8 * frame)
    windows = cut(speak((0.9, 25 * frame), (0.5, frame), (0.9, 2 * frame), (0.1, 100 * frame)), policy)
    assert windows[1].overlap == windows[0].continued > 0.0
    assert windows[1].end >= windows[0].end


def test_after_the_target_a_short_pause_is_enough() -> None:
    policy = Policy(longest=30.0, pause=1.5, target=8.0, short_pause=0.25, pad=0.1)
    windows = cut(speak((0.9, 5.0), (0.1, 0.5), (0.9, 4.0), (0.1, 0.5), (0.9, 3.0)), policy)
    assert [round(window.voiced) for window in windows] == [9, 3]


def test_speech_keeps_its_pads_but_not_those_of_its_neighbour() -> None:
    policy = Policy(longest=30.0, pause=0.5, target=30.0, pad=0.4)
    first, second = cut(speak((0.1, 2.0), (0.9, 1.0), (0.1, 0.6), (0.9, 1.0), (0.1, 2.0)), policy)
    assert first.start == pytest.approx(1.6, abs=0.05)
    assert span(first)[-1] < span(second)[0]
    assert second.end == pytest.approx(5.0, abs=0.05)


def test_silence_gives_nothing_and_keeps_nothing() -> None:
    cutter = WindowCutter(Policy())
    for _ in range(600):
        assert cutter.feed(frames_of(31), np.zeros(31, np.float32)) == []
    assert cutter.open() is None
    assert cutter.flush() == []
    assert len(cutter._samples) <= RATE


def test_the_open_window_grows_until_it_is_given_out() -> None:
    cutter = WindowCutter(Policy(pause=0.5, target=30.0), start=100.0)
    cutter.feed(frames_of(31), np.full(31, 0.9, np.float32))
    open_window = cutter.open()
    assert open_window is not None
    assert open_window.start == 100.0
    assert open_window.voiced == pytest.approx(31 * FRAME_SECONDS)
    (given_out,) = cutter.feed(frames_of(31), np.zeros(31, np.float32))
    assert given_out.start == 100.0
    assert cutter.open() is None


@given(POLICIES, st.floats(0.5, 30), st.floats(0, 40))
def test_a_shorter_policy_is_never_longer_and_keeps_its_shape(policy: Policy, longest: float, seconds: float) -> None:
    policy = replace(policy, longest=longest)
    shorter = policy.within(seconds)
    if seconds == 0 or seconds >= policy.longest:
        assert shorter == policy
    else:
        assert shorter.longest == max(seconds, min(4.0, policy.longest))
        assert shorter.target / shorter.longest == pytest.approx(policy.target / policy.longest)
