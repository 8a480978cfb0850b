"""The front end as a whole: order in time, crosstalk, and memory that does not grow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.audio.front import FrontEnd, Heard
from services.audio.normalise import Normaliser
from services.audio.vad import RATE, LevelGate
from services.audio.windows import Policy
from tests.unit.sound_files import survey
from tests.unit.test_audio_echo import later, voice

Block = NDArray[np.float32]

POLICY = Policy(longest=6.0, pause=0.5, target=3.0, short_pause=0.25, pad=0.1)


def talk(*stretches: tuple[float, float], seed: int = 0) -> Block:
    """Stretches of (level, seconds) of noise over a faint floor; float32 (n,)."""
    random = np.random.default_rng(seed)
    levels = np.concatenate([np.full(round(seconds * RATE), level) for level, seconds in stretches])
    samples: Block = (random.normal(0, 1, len(levels)) * np.maximum(levels, 1e-4)).astype(np.float32)
    return samples


def hear(*channels: Block, ordered: bool = True, size: int = RATE) -> list[Heard]:
    length = max(len(channel) for channel in channels)
    audio = np.zeros((length, len(channels)), np.float32)
    for i, channel in enumerate(channels):
        audio[: len(channel), i] = channel
    blocks = [audio[at : at + size] for at in range(0, length, size)]
    labels = ("You", "Others")[: len(channels)] if len(channels) > 1 else ("",)
    plan = survey(blocks, RATE, len(channels)).plan(apart=labels)
    front = FrontEnd([(Normaliser(g, RATE), g.speaker) for g in plan.groups], LevelGate, POLICY, 10.0, ordered)
    return [heard for block in blocks for heard in front.feed(block)] + front.flush()


def said(heard: list[Heard]) -> list[tuple[str, float]]:
    return [(one.speaker, round(one.window.start - 10.0)) for one in heard]


def test_one_channel_has_no_speaker() -> None:
    assert said(hear(talk((0, 1), (0.2, 2), (0, 2), (0.2, 1), (0, 1)))) == [("", 1), ("", 5)]


def test_two_channels_come_in_order_of_time() -> None:
    you = talk((0, 1), (0.2, 5), (0, 10), seed=1)
    others = talk((0, 2), (0.2, 1), (0, 7), (0.2, 2), (0, 4), seed=2)
    assert said(hear(you, others)) == [("You", 1), ("Others", 2), ("Others", 10)]


def test_live_windows_come_when_they_have_ended() -> None:
    you = talk((0, 1), (0.2, 5), (0, 10), seed=1)
    others = talk((0, 2), (0.2, 1), (0, 7), (0.2, 2), (0, 4), seed=2)
    assert said(hear(you, others, ordered=False)) == [("Others", 2), ("You", 1), ("Others", 10)]


@pytest.mark.parametrize("delay", [0.03, 0.1, 0.2])
def test_an_echo_is_not_heard_twice(delay: float) -> None:
    others = np.concatenate([np.zeros(RATE, np.float32), voice(1, 12.0), np.zeros(4 * RATE, np.float32)])
    own = talk((0, 14), (0.2, 1), (0, 2), seed=2)
    heard = hear(own + later(others, delay, 0.5), others)
    assert said(heard)[-1] == ("You", 14)
    voiced = {
        speaker: sum(h.window.voiced for h in heard[:-1] if h.speaker == speaker) for speaker in ("You", "Others")
    }
    assert voiced["You"] < 0.25 * voiced["Others"]


def test_who_talks_at_the_same_time_is_heard() -> None:
    you, others = talk((0, 1), (0.2, 2), (0, 2), seed=1), talk((0, 1.5), (0.1, 2), (0, 1.5), seed=2)
    assert {one.speaker for one in hear(you, others)} == {"You", "Others"}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3]), st.floats(0.1, 3.0)), min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3]), st.floats(0.1, 3.0)), min_size=1, max_size=5),
    st.integers(500, 3 * RATE),
)
@example([(0.0, 1.0), (0.1, 3.0), (0.3, 3.0)], [(0.0, 2.0), (0.1, 3.0), (0.3, 2.0), (0.0, 2.0)], 500)
def test_starts_never_decrease(one: list[tuple[float, float]], other: list[tuple[float, float]], size: int) -> None:
    """Feature: front-end, Property 1: times never decrease, and the blocks it is fed in change nothing."""
    channels = talk(*one, seed=1), talk(*other, seed=2)
    heard = hear(*channels, size=size)
    starts = [each.window.start for each in heard]
    assert starts == sorted(starts)
    at_once = hear(*channels, size=10**6)
    assert [(h.speaker, h.window.start) for h in heard] == [(h.speaker, h.window.start) for h in at_once]
