"""Vosk's real runtime on models of a few kilobytes: alone, and in the worker as the app runs it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from services.audio.vad import RATE
from services.errors import MissingPackageError, ModelError
from services.models.catalogue import engine_class, find_engine, parse_engine
from services.models.options import EngineOptions
from services.sample import MEETING
from services.transcription.vosk import Vosk
from services.worker.client import Worker
from services.worker.handler import Json
from tests.models.fixtures import scripted_vosk as scripted_vosk

Build = Callable[..., Path]


def bursts(count: int, seconds: float = 1.0, pause: float = 1.0) -> NDArray[np.float32]:
    """Noise as loud as speech, `count` times, with near silence around each."""
    random = np.random.default_rng(1)
    loud = random.normal(0, 0.1, (count, round(seconds * RATE)))
    quiet = random.normal(0, 0.0002, (count, round(pause * RATE)))
    return np.concatenate([quiet[0], np.concatenate([loud, quiet], axis=1).reshape(-1)]).astype(np.float32)


@pytest.fixture
def engine(scripted_vosk: Build) -> Iterator[Vosk]:
    vosk = Vosk(str(scripted_vosk("guten", "tag", "zusammen")), EngineOptions())
    vosk.load()
    yield vosk
    vosk.unload()


def test_an_utterance_is_a_piece_with_words_and_times(engine: Vosk) -> None:
    pieces = engine.transcribe(bursts(2), "de")
    assert [piece.text for piece in pieces] == ["Guten", "Guten"]
    for piece, begun in zip(pieces, (1.0, 3.0), strict=True):
        (word,) = piece.words
        assert (word.text, word.start, word.end) == (piece.text, piece.start, piece.end)
        assert word.start == pytest.approx(begun, abs=0.15)
        assert begun < word.end < begun + 1.3
        assert piece.voice == ()


def test_words_of_one_utterance_are_a_sentence_that_begins_with_a_capital(engine: Vosk) -> None:
    (piece,) = engine.transcribe(bursts(3, 0.5, 0.2), "de")
    assert piece.text == "Guten tag zusammen"
    assert [word.text for word in piece.words] == piece.text.split()
    times = [time for word in piece.words for time in (word.start, word.end)]
    assert times == sorted(times)


def test_chinese_and_japanese_have_no_blanks(scripted_vosk: Build) -> None:
    vosk = Vosk(str(scripted_vosk("你好", "世界")), EngineOptions())
    vosk.load()
    (piece,) = vosk.transcribe(bursts(2, 0.5, 0.2), "zh")
    assert piece.text == "你好世界"


def test_words_that_the_model_does_not_know_are_left_out(scripted_vosk: Build) -> None:
    vosk = Vosk(str(scripted_vosk("[unk]", "yes")), EngineOptions())
    vosk.load()
    (piece,) = vosk.transcribe(bursts(2, 0.5, 0.2), "en")
    assert piece.text == "Yes"
    assert vosk.transcribe(bursts(1), "en") == []


@pytest.mark.parametrize("count", [0, 1, 100, 399, 3200, 3201])
def test_windows_of_any_length_are_taken(engine: Vosk, count: int) -> None:
    for samples in (bursts(1)[RATE : RATE + count], np.zeros(count, np.float32)):
        assert all(0 <= piece.start <= piece.end <= count / RATE for piece in engine.transcribe(samples, "de"))


def test_a_window_depends_on_nothing_but_itself(engine: Vosk) -> None:
    before = engine.transcribe(bursts(2), "de")
    engine.transcribe(bursts(1, 3.0), "de")
    assert engine.transcribe(bursts(2), "de") == before


def test_samples_beyond_the_scale_do_not_turn_over(engine: Vosk) -> None:
    assert engine.transcribe(bursts(1) * 30, "de")[0].text == "Guten"


def test_beside_a_speaker_model_pieces_have_voices(scripted_vosk: Build) -> None:
    vosk = Vosk(str(scripted_vosk("hello", speakers=True)), EngineOptions(speakers=True))
    vosk.load()
    low, high = bursts(1, 2.0), np.diff(bursts(1, 2.0), prepend=np.float32(0))
    voices = [np.array(vosk.transcribe(samples, "en")[0].voice) for samples in (low, low, high)]
    assert all(voice.shape == (13,) and np.isfinite(voice).all() for voice in voices)
    assert (voices[0] == voices[1]).all(), "the noise that Kaldi adds is not the same each time"
    assert not np.allclose(voices[0], voices[2], atol=0.01)
    assert vosk.transcribe(bursts(1, 0.3), "en")[0].voice == (), "half a second is not enough for a vector"
    unasked = Vosk(str(scripted_vosk("hello", speakers=True)), EngineOptions())
    unasked.load()
    assert unasked.transcribe(low, "en")[0].voice == ()


def test_unloading_lets_go_of_everything_and_it_loads_again(scripted_vosk: Build) -> None:
    vosk = Vosk(str(scripted_vosk("hello", speakers=True)), EngineOptions(speakers=True))
    vosk.unload()
    for _ in range(2):
        vosk.load()
        assert vosk.transcribe(bursts(1, 2.0), "en")[0].voice
        vosk.unload()
        with pytest.raises(ModelError, match="not loaded"):
            vosk.transcribe(bursts(1), "en")


def test_window_after_window_takes_no_more_memory(engine: Vosk) -> None:
    process = psutil.Process()
    window = bursts(3)
    for _ in range(5):
        engine.transcribe(window, "de")
    before = process.memory_info().rss
    for _ in range(40):
        engine.transcribe(window, "de")
    assert process.memory_info().rss - before < 5e6  # recognisers that stay would hold 40 windows


_FILES = ("am/final.mdl", "conf/mfcc.conf", "conf/model.conf", "graph/HCLG.fst", "graph/words.txt")


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("damage", ["gone", "empty", "cut"])
def test_a_damaged_model_is_told_and_ends_nothing(scripted_vosk: Build, tmp_path: Path, name: str, damage: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(scripted_vosk("hello"), model)
    whole = (model / name).read_bytes()
    if damage == "gone":
        (model / name).unlink()
    else:
        (model / name).write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    with pytest.raises(ModelError) as caught:
        Vosk(str(model), EngineOptions()).load()
    assert str(model) in caught.value.message
    assert "sotto models pull" in caught.value.hint


def test_what_is_no_model_is_told(scripted_vosk: Build, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no folder"):
        Vosk(str(tmp_path / "gone"), EngineOptions()).load()
    with pytest.raises(ModelError, match="tells voices apart"):
        Vosk(str(scripted_vosk("hello", speakers=True).parent / "spk"), EngineOptions()).load()


def test_without_the_package_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = find_engine("stt", "vosk")
    assert entry.installed
    absent = replace(entry, package="vosk_that_is_not_there")
    assert importlib.util.find_spec(absent.package) is None
    with pytest.raises(MissingPackageError, match="vosk is not installed") as caught:
        engine_class(absent)
    assert "pip install vosk" in caught.value.hint


def test_the_worker_transcribes_a_meeting_with_a_model_given_by_path(scripted_vosk: Build, tmp_path: Path) -> None:
    model = scripted_vosk("well", "then", "good")
    spec = parse_engine("stt", f"vosk:{model}")
    segments: list[Json] = []
    with Worker("stt", log=tmp_path / "log") as worker:
        worker.call("load", spec.load_args())
        result = worker.call(
            "transcribe",
            {"path": str(MEETING), "language": "de"},
            on_item=lambda item: segments.append(item["segment"]),
        )
    assert result["windows"] > 5
    assert len(segments) > 5
    for segment in segments:
        assert set(segment["text"].lower().split()) <= {"well", "then", "good"}
        assert segment["text"][0].isupper()
        assert [word[2] for word in segment["words"]] == segment["text"].split()
        assert segment["start"] == segment["words"][0][0]
    assert {segment["speaker"] for segment in segments} == {"You", "Others"}
    assert "VoskAPI" not in (tmp_path / "log").read_text(errors="replace")
