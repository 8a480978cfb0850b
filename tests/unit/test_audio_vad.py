"""Voice detection: the same whatever pieces the stream comes in, and found without importing what ships it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.audio import vad
from services.audio.decode import open_audio
from services.audio.vad import FRAME, RATE, Framer, LevelGate, Samples, Silero, VoiceDetector, detectors


def noise(seconds: float, level: float, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def listen(detector: VoiceDetector, samples: Samples) -> Samples:
    framer = Framer()
    return np.concatenate([detector.probabilities(framer.feed(samples)), detector.probabilities(framer.flush())])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=12))
def test_frames_are_the_stream_whatever_it_comes_in(lengths: list[int]) -> None:
    """Feature: voice-detection, Property 1: frames put together are the stream, and silence to fill the last one."""
    stream = np.arange(sum(lengths), dtype=np.float32)
    framer, parts, at = Framer(), [], 0
    for length in lengths:
        parts.append(framer.feed(stream[at : at + length]))
        at += length
    parts.append(framer.flush())
    joined = np.concatenate(parts).reshape(-1)
    assert (joined[: len(stream)] == stream).all()
    assert not joined[len(stream) :].any()
    assert len(joined) - len(stream) < FRAME


@pytest.mark.parametrize("make", [detectors(), LevelGate])
@settings(max_examples=100, deadline=None)
@given(cuts=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_pieces_change_no_probability(make: type[LevelGate], cuts: list[int]) -> None:
    """Feature: voice-detection, Property 2: the state is carried on, so the same frames give the same answer."""
    frames = np.concatenate([noise(0.5, 0.001), noise(0.5, 0.2, 1), noise(0.3, 0.01, 2)])
    frames = frames[: len(frames) // FRAME * FRAME].reshape(-1, FRAME)
    whole = make().probabilities(frames)
    detector, parts, at, turn = make(), [], 0, 0
    while at < len(frames):
        size = cuts[turn % len(cuts)]
        parts.append(detector.probabilities(frames[at : at + size]))
        at, turn = at + size, turn + 1
    assert np.concatenate(parts) == pytest.approx(whole, abs=1e-5)
    assert len(whole) == len(frames)


def test_silero_is_what_there_is() -> None:
    assert isinstance(detectors()(), Silero)


def test_detectors_do_not_share_their_state() -> None:
    make = detectors()
    first, second = make(), make()
    frames = noise(0.512, 0.3).reshape(-1, FRAME)
    once = first.probabilities(frames)
    assert second.probabilities(frames) == pytest.approx(once)
    assert first.probabilities(frames) != pytest.approx(once)


def test_without_the_model_a_level_gate_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vad, "_silero_file", lambda: None)
    assert isinstance(detectors()(), LevelGate)


def test_faster_whisper_is_not_imported() -> None:
    code = (
        "import sys; from services.audio.vad import detectors; detectors()\n"
        "print('faster_whisper' in sys.modules, 'ctranslate2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("make", [detectors(), LevelGate])
@pytest.mark.parametrize("level", [0.0, 0.0005, 0.01])
def test_silence_and_steady_noise_are_no_speech(make: type[LevelGate], level: float) -> None:
    assert (listen(make(), noise(20, level)) < 0.5).all()


@pytest.mark.speech
@pytest.mark.parametrize("make", [detectors(), LevelGate])
def test_a_question_between_silences_is_found(make: type[LevelGate], speech: Path) -> None:
    with open_audio(speech / "hostile" / "silence-padded-question.wav") as audio:
        samples = np.concatenate(list(audio.blocks()))[:, 0]
    found = np.flatnonzero(listen(make(), samples) > 0.5) * FRAME / RATE
    assert 1.5 < found[0] < 2.6
    assert 3.2 < found[-1] < 4.3
