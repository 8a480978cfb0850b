"""The echo gate: what one channel has of the other is no voice there, and whoever talks over it still is."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.audio.echo import EchoGate
from services.audio.vad import FRAME, RATE

Sound = NDArray[np.float32]

AHEAD = 160


@functools.cache
def voice(seed: int, seconds: float = 24.0) -> Sound:
    """Something that changes as speech does: bands of noise that come and go by themselves, and pauses between."""
    random = np.random.default_rng(seed)
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(random.normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    total = np.zeros(count)
    for low, high in ((150, 400), (400, 800), (800, 1500), (1500, 2500), (2500, 4000), (4000, 6500)):
        band = np.fft.irfft(np.where((hertz >= low) & (hertz < high), spectrum, 0), count)
        steps = random.choice([0.01, 0.1, 0.5, 1.0], count // 1600 + 2)
        total += band * np.interp(np.arange(count) / 1600, np.arange(len(steps)), steps)
    phrases = np.repeat(random.random(count // RATE + 1) > 0.35, RATE)[:count]
    result: Sound = (0.3 * total * phrases / np.abs(total).max()).astype(np.float32)
    return result


def later(sound: Sound, seconds: float, gain: float) -> Sound:
    """`sound` through a room: late, and dying away over a fifth of a second."""
    tail = np.random.default_rng(3).normal(0, 0.2, 3200) * 10 ** (-3 * np.arange(3200) / 3200)
    tail[0] = 1.0
    size = 1 << (len(sound) + 3200).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size))[: len(sound)]
    shift = round(seconds * RATE)
    level = gain * np.sqrt(np.mean(sound**2) / np.mean(wet**2))
    result: Sound = np.concatenate([np.zeros(shift), wet[: len(sound) - shift] * level]).astype(np.float32)
    return result


def framed(sound: Sound) -> tuple[Sound, Sound]:
    """Frames with a little noise, and 1 for each that somebody is heard in."""
    whole = len(sound) // FRAME * FRAME
    noise = np.random.default_rng(8).normal(0, 1e-4, whole)
    frames = (sound[:whole] + noise).astype(np.float32).reshape(-1, FRAME)
    return frames, (np.sqrt(np.mean(frames**2, axis=1)) > 2e-3).astype(np.float32)


def gated(one: Sound, other: Sound, sizes: list[int], ahead: int = AHEAD) -> tuple[list[Sound], list[Sound]]:
    """What the gate makes of both, fed in turns of so many frames: frames and probabilities of each."""
    gate = EchoGate(ahead)
    inputs = [framed(one), framed(other)]
    parts, at, turn = [], 0, 0
    while at < len(inputs[0][0]):
        size = sizes[turn % len(sizes)]
        parts.append(gate.feed([f[at : at + size] for f, _ in inputs], [p[at : at + size] for _, p in inputs]))
        at, turn = at + size, turn + 1
    parts.append(gate.flush())
    frames = [np.concatenate([part[0][i] for part in parts]) for i in range(2)]
    return frames, [np.concatenate([part[1][i] for part in parts]) for i in range(2)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 150), min_size=1, max_size=5).filter(any), st.sampled_from([0, 10, AHEAD]))
def test_blocks_change_nothing(sizes: list[int], ahead: int) -> None:
    """Feature: echo-gate, Property 1: each frame comes out once and unchanged, judged the same in any blocks."""
    far = voice(1, 6.0)
    mic = later(far, 0.1, 0.5)
    frames, said = gated(mic, far, sizes, ahead)
    assert np.array_equal(frames[0], framed(mic)[0])
    assert np.array_equal(frames[1], framed(far)[0])
    for one, other in zip(said, gated(mic, far, [10**6], ahead)[1], strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("delay", [0.02, 0.11, 0.3])
def test_an_echo_is_no_voice_however_loud_and_late(delay: float, gain: float) -> None:
    far = voice(1)
    mic = later(far, delay, gain)
    _, said = gated(mic, far, [31])
    assert said[0].mean() < 0.25 * framed(mic)[1].mean()
    assert said[1].mean() > 0.95 * framed(far)[1].mean()


def test_who_talks_over_the_echo_is_heard() -> None:
    far, near = voice(1), voice(2)
    mic = near + later(far, 0.1, 0.3)
    _, said = gated(mic, far, [31])
    talks, quiet = framed(near)[1] > 0, framed(near)[1] == 0
    assert said[0][talks].mean() > 0.8
    assert said[0][quiet].mean() < 0.35 * framed(mic)[1][quiet].mean()


def test_without_an_echo_nobody_is_silenced() -> None:
    far, near = voice(1), voice(2)
    _, said = gated(near, far, [31])
    assert np.array_equal(said[0], framed(near)[1])
    assert np.array_equal(said[1], framed(far)[1])


def test_of_two_microphones_in_a_room_each_keeps_its_own() -> None:
    one, other = voice(1), voice(2)
    one, other = one * (np.arange(len(one)) // (2 * RATE) % 2), other * (np.arange(len(one)) // (2 * RATE) % 2 == 0)
    first, second = (one + later(other, 0.01, 0.2)), (other + later(one, 0.01, 0.2))
    _, said = gated(first.astype(np.float32), second.astype(np.float32), [31])
    own, others = framed(one.astype(np.float32))[1] > 0, framed(other.astype(np.float32))[1] > 0
    assert said[0][own].mean() > 0.9
    assert said[1][others].mean() > 0.9
