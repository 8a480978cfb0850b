"""The built-in engine with its real weights: what goes in as an array comes out as words, and nothing piles up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from moonshine_voice.moonshine_api import ModelArch
from moonshine_voice.transcriber import Transcriber
from moonshine_voice.utils import get_model_path
from numpy.typing import NDArray

from services.audio.decode import open_audio
from services.audio.normalise import Resampler
from services.errors import ModelError
from services.models.options import EngineOptions
from services.sample import MEETING
from services.transcription.moonshine import _OPTIONS, Moonshine, _lines

Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def engine() -> Iterator[Moonshine]:
    moonshine = Moonshine("tiny-en", EngineOptions())
    moonshine.load()
    yield moonshine
    moonshine.unload()


@pytest.fixture(scope="module")
def susan() -> Samples:
    """The first 30 s of the sample meeting's microphone, at 16 kHz."""
    return _channel(MEETING, 0)[: 30 * 16_000]


def _channel(path: Path, channel: int) -> Samples:
    with open_audio(path) as audio:
        resampler = Resampler(audio.rate)
        parts = [resampler.feed(np.ascontiguousarray(block[:, channel])) for block in audio.blocks()]
        return np.concatenate([*parts, resampler.flush()])


def test_it_writes_what_is_said(engine: Moonshine, susan: Samples) -> None:
    (piece,) = engine.transcribe(susan[: 5 * 16_000], "en")
    assert piece.text.startswith("Good morning, everyone.")
    assert (piece.start, piece.end) == (0.0, 5.0)


def test_our_call_gives_what_the_documented_one_gives(susan: Samples) -> None:
    transcriber = Transcriber(get_model_path("tiny-en"), ModelArch.TINY, options=_OPTIONS)
    try:
        for seconds in (2, 9):
            window = susan[: seconds * 16_000]
            documented = transcriber.transcribe_without_streaming(window.tolist())
            assert _lines(transcriber, window) == [line.text for line in documented.lines]
            assert [line.audio_data for line in documented.lines] == [None]
    finally:
        transcriber.close()


def test_a_window_stays_in_one_piece(engine: Moonshine, susan: Samples) -> None:
    assert len(engine.transcribe(susan, "en")) == 1


@pytest.mark.parametrize("count", [1, 511, 512, 513, 1600, 4095, 4096, 4097])
def test_windows_of_any_length_are_taken(engine: Moonshine, susan: Samples, count: int) -> None:
    for samples in (susan[16_000 : 16_000 + count], np.zeros(count, np.float32)):
        assert all(piece.text for piece in engine.transcribe(samples, "en"))


def test_the_last_instant_is_heard(engine: Moonshine, susan: Samples) -> None:
    """A window that is no whole number of hops is filled up, not cut off."""
    odd = susan[: 5 * 16_000 - 77]
    assert engine.transcribe(odd, "en")[0].text == engine.transcribe(np.pad(odd, (0, 77)), "en")[0].text


def test_the_array_is_left_as_it_was(engine: Moonshine, susan: Samples) -> None:
    window = susan[: 3 * 16_000].copy()
    engine.transcribe(window, "en")
    assert (window == susan[: 3 * 16_000]).all()


def test_window_after_window_takes_no_more_memory(engine: Moonshine, susan: Samples) -> None:
    process = psutil.Process()
    window = susan[: 6 * 16_000]
    for _ in range(3):
        engine.transcribe(window, "en")
    before = process.memory_info().rss
    for _ in range(15):
        engine.transcribe(window, "en")
    assert process.memory_info().rss - before < 5e6  # a library that kept the windows would hold 15 x 0.4 MB more


def test_without_loading_there_is_nothing() -> None:
    moonshine = Moonshine("tiny-en", EngineOptions())
    with pytest.raises(ModelError, match="not loaded"):
        moonshine.transcribe(np.zeros(16_000, np.float32), "en")
    moonshine.unload()


def test_weights_that_are_not_there_are_told() -> None:
    with pytest.raises(ModelError) as caught:
        Moonshine("huge-en", EngineOptions()).load()
    assert "huge-en" in caught.value.message
    assert "moonshine-voice==0.0.73" in caught.value.hint


def test_it_can_be_loaded_again(susan: Samples) -> None:
    moonshine = Moonshine("tiny-en", EngineOptions())
    for _ in range(2):
        moonshine.load()
        assert moonshine.transcribe(susan[: 5 * 16_000], "en")
        moonshine.unload()
