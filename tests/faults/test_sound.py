"""The measure itself: `found` sees what is missing, doubled or moved, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from tests.faults.sound import EDGE, RATE, Beacon, Signal, found, whole

BEACON = Beacon(3.0)
CUT = 20000
SILENCE = np.zeros(RATE // 3)


def as_recorded(signal: Signal) -> Signal:
    """Between silences, softer, through a converter, and with a little noise."""
    noise = np.random.default_rng(9).normal(0, 0.005, len(signal) + 2 * len(SILENCE))
    return np.concatenate([SILENCE, 0.3 * signal, SILENCE]) + noise


def test_it_is_found_whole_after_another_rate() -> None:
    stretch = whole(as_recorded(soxr.resample(BEACON.at(48000), 48000, RATE)), BEACON)
    assert stretch.shift == pytest.approx(len(SILENCE) / RATE, abs=EDGE)


def test_another_sound_is_not_found() -> None:
    assert found(as_recorded(Beacon(3.0, seed=2).samples), BEACON) == []


@pytest.mark.parametrize(
    ("skipped", "moved"),
    [(0.005, -0.005), (0.3, -0.3), (-0.1, 0.1)],
    ids=["5 ms are missing", "a third is missing", "a tenth is doubled"],
)
def test_a_jump_is_seen(skipped: float, moved: float) -> None:
    samples = BEACON.samples
    first, second = found(as_recorded(np.concatenate([samples[:CUT], samples[CUT + round(skipped * RATE) :]])), BEACON)
    assert first.of <= EDGE
    assert second.of_end >= BEACON.seconds - EDGE
    assert first.end == pytest.approx(second.at, abs=EDGE)
    assert second.shift - first.shift == pytest.approx(moved, abs=0.001)


@pytest.mark.parametrize("hole", [0.015, 0.2])
def test_silence_in_the_place_of_sound_is_seen(hole: float) -> None:
    samples = BEACON.samples.copy()
    samples[CUT : CUT + round(hole * RATE)] = 0
    first, second = found(as_recorded(samples), BEACON)
    assert first.end == pytest.approx(len(SILENCE) / RATE + CUT / RATE, abs=EDGE)
    assert second.at - first.end == pytest.approx(hole, abs=EDGE)
    assert first.shift == pytest.approx(second.shift)


def test_clocks_that_differ_are_followed_and_told() -> None:
    stretch = whole(as_recorded(soxr.resample(BEACON.samples, RATE, RATE * 1.0005)), BEACON)
    assert stretch.slip == pytest.approx(3.0 * 0.0005, abs=0.0005)
