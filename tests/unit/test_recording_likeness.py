"""When audio that came back from a codec counts as what was recorded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recording.chunks import Pcm
from services.recording.likeness import alike

RATE = 16000
TIME = np.arange(RATE) / RATE


def noise(seed: int, decibels: float, frames: int = RATE, channels: int = 1) -> Pcm:
    samples = np.random.default_rng(seed).normal(0, 32768 * 10 ** (decibels / 20), (frames, channels))
    return np.clip(samples, -32768, 32767).astype(np.int16)


def tone(hertz: float, decibels: float) -> Pcm:
    return (32767 * 10 ** (decibels / 20) * np.sin(2 * np.pi * hertz * TIME)).astype(np.int16)[:, None]


@settings(max_examples=200)
@given(
    st.integers(0, 99), st.floats(-100, 0), st.integers(8000, 20_000), st.integers(1, 2), st.sampled_from([8000, 48000])
)  # fmt: skip
def test_everything_is_like_itself(seed: int, decibels: float, frames: int, channels: int, rate: int) -> None:
    """Feature: likeness, Property 1: any block of any level is like itself."""
    samples = noise(seed, decibels, frames, channels)
    assert alike(samples, samples, rate)


@settings(max_examples=200)
@given(st.integers(0, 1000), st.integers(1001, 2000), st.floats(-50, 0), st.floats(-50, 0))
def test_nothing_is_like_something_else(seed: int, other: int, level: float, other_level: float) -> None:
    """Feature: likeness, Property 2: two noises are never alike, whatever their levels."""
    assert not alike(noise(seed, level), noise(other, other_level), RATE)


@settings(max_examples=100)
@given(st.integers(0, 1000), st.floats(-50, -10), st.floats(-5, 5), st.floats(-40, -6))
def test_a_little_noise_and_level_do_not_matter(seed: int, level: float, gain: float, added: float) -> None:
    """Feature: likeness, Property 3: what codecs do is let pass: other by 5 dB, noise from 6 dB below."""
    samples = noise(seed, level)
    changed = samples * 10 ** (gain / 20) + noise(seed + 1, level + added)
    assert alike(samples, np.clip(changed, -32768, 32767).astype(np.int16), RATE)


@pytest.mark.parametrize(("shape", "other"), [((RATE, 1), (RATE - 1, 1)), ((RATE, 1), (RATE, 2)), ((RATE, 1), (0, 1))])
def test_another_length_is_another_recording(shape: tuple[int, int], other: tuple[int, int]) -> None:
    assert not alike(np.zeros(shape, np.int16), np.zeros(other, np.int16), RATE)


def test_silence_stays_silence() -> None:
    silence = np.zeros((RATE, 1), np.int16)
    assert alike(silence, noise(1, -70), RATE)
    assert not alike(silence, noise(1, -40), RATE)
    assert not alike(noise(1, -40), silence, RATE)


def test_each_channel_counts() -> None:
    one, other = noise(1, -20), noise(2, -20)
    assert alike(np.hstack([one, other]), np.hstack([one, other]), RATE)
    assert not alike(np.hstack([one, other]), np.hstack([one, one]), RATE)
    assert not alike(np.hstack([one, other]), np.hstack([other, one]), RATE)


def test_level_alone_is_enough_to_fail() -> None:
    samples = noise(1, -20)
    assert not alike(samples, samples // 3, RATE)
    assert not alike(samples, -samples, RATE)


def test_what_is_no_speech_may_change() -> None:
    # Hum, and a tone above the band, whose remains in the band are nothing anybody said.
    for loud in (tone(50, -3), tone(6000, -3)):
        assert alike(loud, loud + noise(1, -45), RATE)
        assert not alike(loud, loud // 2 + noise(1, -12), RATE)
