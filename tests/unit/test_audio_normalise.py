"""The two-pass normaliser: nothing lost, nothing cancelled, and people who were recorded apart kept apart."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.audio.normalise import ChannelPlan, LiveNormaliser, Normaliser, Resampler
from services.audio.vad import RATE
from tests.unit.sound_files import survey

Block = NDArray[np.float32]


def voice(seconds: float, rate: int, seed: int) -> Block:
    """Something that comes and goes as speech does: noise in syllables; float32 (n,)."""
    random = np.random.default_rng(seed)
    count = round(seconds * rate)
    shape = np.repeat(random.random(round(seconds * 4) + 1) > 0.4, -(-rate // 4))[:count]
    return (random.normal(0, 0.1, count) * np.maximum(shape, 0.001)).astype(np.float32)


def side_by_side(*channels: Block) -> Block:
    return np.stack(channels, axis=1).astype(np.float32)


def plan_of(audio: Block, rate: int = RATE, apart: tuple[str, ...] = ()) -> ChannelPlan:
    return survey(blocks(audio, rate), rate, audio.shape[1]).plan(apart)


def blocks(audio: Block, size: int) -> list[Block]:
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def normalised(audio: Block, rate: int = RATE, group: int = 0) -> Block:
    plan = plan_of(audio, rate)
    normaliser = Normaliser(plan.groups[group], rate)
    parts = [normaliser.feed(block) for block in blocks(audio, rate)]
    return np.concatenate([*parts, normaliser.flush()])


def likeness(one: Block, other: Block) -> float:
    return float(np.corrcoef(one, other)[0, 1])


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(st.sampled_from([8000, 11025, 16000, 22257, 44100, 48000, 96000, 192000]), st.integers(8000, 192_000)),
    st.integers(0, 30_000),
    st.lists(st.integers(0, 30_000), max_size=6),
)
def test_no_sample_is_lost(rate: int, frames: int, cuts: list[int]) -> None:
    """Feature: normaliser, Property 1: ceil(n * 16000 / rate) samples come out, the same ones whatever pieces go in."""
    samples = np.random.default_rng(frames).normal(0, 0.1, frames).astype(np.float32)
    edges = sorted({0, frames, *(cut for cut in cuts if cut < frames)})
    resampler, at_once = Resampler(rate), Resampler(rate)
    parts = [resampler.feed(samples[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    out = np.concatenate([*parts, resampler.flush()])
    assert len(out) == -(-frames * RATE // rate)
    assert out.dtype == np.float32
    assert np.array_equal(out, np.concatenate([at_once.feed(samples), at_once.flush()]))


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_streaming_gives_what_resampling_at_once_gives(rate: int) -> None:
    samples = voice(3.0, rate, 1)
    resampler = Resampler(rate)
    parts = [resampler.feed(samples[at : at + 1000]) for at in range(0, len(samples), 1000)]
    streamed = np.concatenate([*parts, resampler.flush()])
    whole = soxr.resample(samples.astype(np.float64), rate, RATE, quality="VHQ")
    length = min(len(streamed), len(whole))
    error = np.sqrt(np.mean((streamed[:length] - whole[:length]) ** 2))
    assert error < 1 / 32768  # one step of 16 bits


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-3, 4.0), st.floats(-0.9, 0.9), st.integers(1, 3))
def test_level_and_offset_of_the_file_do_not_matter(scale: float, offset: float, channels: int) -> None:
    """Feature: normaliser, Property 2: any level from -60 dB on and any offset give the same peak and no offset."""
    one = voice(1.0, RATE, 3)
    out = normalised(side_by_side(*[one * scale + offset] * channels))
    peak = float(np.abs(out).max())
    quietest = scale * float(np.abs(one).max())
    assert peak == pytest.approx(min(0.9, quietest * 10**1.5), rel=0.02)
    assert abs(float(out.mean())) < 0.01


def test_the_gain_has_a_limit() -> None:
    out = normalised(side_by_side(voice(1.0, RATE, 3) * 1e-3))
    assert 0.003 < np.abs(out).max() < 0.1


def test_opposite_phases_do_not_cancel() -> None:
    one = voice(2.0, RATE, 1)
    audio = side_by_side(one, -one)
    assert len(plan_of(audio).groups) == 1
    assert abs(likeness(normalised(audio), one)) > 0.99


def test_a_silent_channel_is_left_out() -> None:
    one = voice(2.0, RATE, 1)
    (group,) = plan_of(side_by_side(np.zeros_like(one), one)).groups
    assert group.weights[0] == 0
    assert group.weights[1] > 0
    assert group.speaker == ""


@pytest.mark.parametrize("live", range(6))
def test_of_surround_with_one_live_channel_that_one_is_used(live: int) -> None:
    channels = [np.zeros(RATE, np.float32)] * 6
    channels[live] = voice(1.0, RATE, 1)
    (group,) = plan_of(side_by_side(*channels)).groups
    assert [weight != 0 for weight in group.weights] == [i == live for i in range(6)]


def test_two_people_are_kept_apart() -> None:
    you, others = voice(4.0, RATE, 1), voice(4.0, RATE, 2) * 0.2
    audio = side_by_side(you, others)
    assert [group.speaker for group in plan_of(audio).groups] == ["You", "Others"]
    assert likeness(normalised(audio, group=0), you) > 0.99
    assert likeness(normalised(audio, group=1), others) > 0.99


@pytest.mark.parametrize("delay", [0, 40, 160, 400])
def test_one_voice_in_two_microphones_stays_one(delay: int) -> None:
    one = voice(6.0, RATE, 1)
    noise = np.random.default_rng(9).normal(0, 0.003, len(one)).astype(np.float32)
    audio = side_by_side(one, np.roll(one, delay) * 0.5 + noise)
    assert len(plan_of(audio).groups) == 1


def test_channels_that_are_known_to_be_apart_stay_apart() -> None:
    one = voice(2.0, RATE, 1)
    plan = plan_of(side_by_side(one, one), apart=("You", "Others"))
    assert [group.speaker for group in plan.groups] == ["You", "Others"]
    assert [group.weights[i] == 0 for i, group in enumerate(plan.groups)] == [False, False]
    assert plan.groups[0].weights[1] == plan.groups[1].weights[0] == 0


def test_silence_stays_silence() -> None:
    audio = np.zeros((RATE, 2), np.float32)
    (group,) = plan_of(audio).groups
    assert group.speaker == ""
    assert not normalised(audio).any()


def test_nothing_has_no_plan() -> None:
    plan = survey([], RATE, 2).plan()
    assert plan.groups == ()
    assert plan.seconds == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=4))
def test_the_survey_does_not_depend_on_the_blocks(sizes: list[int]) -> None:
    """Feature: normaliser, Property 3: however the file is cut into blocks, the plan is the same."""
    audio = side_by_side(voice(2.0, RATE, 1) + 0.2, voice(2.0, RATE, 2))
    parts, at, turn = [], 0, 0
    while at < len(audio):
        parts.append(audio[at : at + sizes[turn % len(sizes)]])
        at, turn = at + len(parts[-1]), turn + 1
    assert survey(parts, RATE, 2).plan() == plan_of(audio)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.02, 1.0), st.floats(-0.3, 0.3), st.sampled_from([16000, 48000]))
def test_a_live_channel_never_clips_and_finds_its_level(level: float, offset: float, rate: int) -> None:
    """Feature: normaliser, Property 4: live audio of any level and offset ends up near full scale."""
    audio = side_by_side(np.zeros(4 * rate, np.float32), voice(4.0, rate, 5) * 2 * level + offset)
    live = LiveNormaliser(1, rate)
    out = np.concatenate([*(live.feed(block) for block in blocks(audio, rate // 4)), live.flush()])
    assert len(out) == 4 * RATE
    assert np.abs(out).max() <= 1.0
    assert np.abs(out[2 * RATE :]).max() > 0.2
