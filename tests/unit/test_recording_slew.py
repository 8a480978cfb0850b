"""Sound is made shorter or longer without being heard to be, and left alone as long as it may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.recording.slew import Slewer

RATE = 16000
MOST = 0.001


def tone(places: NDArray[np.float64], hertz: float) -> NDArray[np.float64]:
    """What stands at some places, in samples."""
    return 0.5 * np.sin(2 * np.pi * hertz * places / RATE)


@pytest.mark.parametrize(("hertz", "quality"), [(100, 90), (440, 90), (1000, 90), (3000, 90), (6000, 80)])
@pytest.mark.parametrize("rate", [3e-4, -3e-4, MOST, -MOST])
def test_a_tone_stays_a_tone(hertz: float, quality: float, rate: float) -> None:
    sound = tone(np.arange(10 * RATE, dtype=float), hertz).astype(np.float32)[:, None]
    slewer = Slewer()
    pieces = [slewer.process(sound[:RATE])]
    slewer.rate = rate
    pieces += [slewer.process(sound[start : start + 1600]) for start in range(RATE, 10 * RATE, 1600)]
    bent = np.concatenate([*pieces, slewer.flush()])[:, 0]
    assert np.array_equal(bent[:RATE], sound[:RATE, 0]), "untouched until it has to be"
    wanted = tone(np.concatenate([np.arange(RATE), RATE + (1 + rate) * np.arange(len(bent) - RATE)]), hertz)[:-32]
    error = bent[:-32] - wanted
    assert 20 * np.log10(np.sqrt((wanted**2).mean() / (error**2).mean())) > quality
    assert len(sound) - len(bent) == pytest.approx(slewer.removed, abs=1)
    assert slewer.removed == pytest.approx(9 * RATE * rate, rel=0.01)


def test_a_change_of_the_rate_is_not_heard() -> None:
    sound = tone(np.arange(4 * RATE, dtype=float), 440).astype(np.float32)[:, None]
    slewer = Slewer()
    pieces = []
    for number, start in enumerate(range(0, len(sound), 800)):
        slewer.rate = (0.0, MOST, -MOST, 2e-4)[number % 4]
        pieces.append(slewer.process(sound[start : start + 800]))
    bent = np.concatenate(pieces).astype(float)[:, 0]
    # A step anywhere would stand out in the second difference of a slow sine.
    assert np.abs(np.diff(bent, 2)).max() < 1.05 * np.abs(np.diff(sound[:, 0].astype(float), 2)).max()


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 400), st.sampled_from([0.0, MOST, -MOST, 1e-4])), max_size=30))
def test_nothing_but_the_rate_changes_the_length(steps: list[tuple[int, float]]) -> None:
    """Feature: recording, Property 6: what goes in comes out, less what was removed, in any pieces."""
    slewer = Slewer()
    given_, got = 0, 0
    for frames, rate in steps:
        slewer.rate = rate
        got += len(slewer.process(np.full((frames, 1), 0.25, np.float32)))
        given_ += frames
    assert given_ - got - slewer.removed <= 17, "it holds back a millisecond"
    got += len(slewer.flush())
    assert given_ - got == pytest.approx(slewer.removed, abs=1)
    slewer.rate = 0.0
    after = np.linspace(-1, 1, 50, dtype=np.float32)[:, None]
    assert np.array_equal(slewer.process(after), after), "what comes behind a gap begins afresh"
