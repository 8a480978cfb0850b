"""A reading cut anywhere, through the real engine: what the seams lose and double, beside windows cut in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.models.options import EngineOptions
from services.transcription.moonshine import Moonshine
from tests import seamset, speechset
from tests.seamset import Damage, Reading, Told

pytestmark = pytest.mark.speech


@pytest.fixture(scope="module")
def engine() -> Iterator[Moonshine]:
    moonshine = Moonshine("tiny-en", EngineOptions())
    moonshine.load()
    yield moonshine
    moonshine.unload()


@pytest.fixture(scope="module")
def reading(speech: Path) -> Reading:
    """The first two readings: 2.3 minutes."""
    return seamset.reading(speech, seamset.READINGS[:2])


@pytest.fixture(scope="module")
def silence(reading: Reading, engine: Moonshine) -> Told:
    return seamset.tell(seamset.cut_in_silence(reading, engine.policy), engine)


def harm(reading: Reading, silence: Told, engine: Moonshine, longest: float, overlap: float) -> Damage:
    policy = replace(engine.policy, longest=longest, overlap=overlap)
    told = seamset.tell(seamset.cut_anywhere(reading, policy, seed=1), engine)
    return seamset.damage(reading.said, silence.words, told)


@pytest.mark.parametrize("longest", [9.0, 14.0])
def test_seams_double_no_word_and_lose_none(reading: Reading, silence: Told, engine: Moonshine, longest: float) -> None:
    """Two words of grace: the engine understands each window a little differently, so words go anywhere."""
    sewn = harm(reading, silence, engine, longest, engine.policy.overlap)
    assert sewn.seams >= reading.seconds / longest - 2
    assert sewn.doubled == 0
    assert sewn.lost <= sewn.near * sewn.lost_elsewhere + 2
    errors = speechset.word_errors(reading.said, silence.words) / len(reading.said)
    assert sewn.errors < errors + 0.03


def test_without_an_overlap_the_same_cuts_do_harm(reading: Reading, silence: Told, engine: Moonshine) -> None:
    """What the test above measures is there to be found."""
    apart = harm(reading, silence, engine, 9.0, 0.0)
    errors = speechset.word_errors(reading.said, silence.words) / len(reading.said)
    assert apart.errors > errors + 0.03
