"""faster-whisper with its real runtime, on models that the tests build: they say the same in every window."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import ctranslate2
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from services.errors import ModelError, UsageError
from services.events import Event, ModelChanged
from services.hosted import HostedModel
from services.lifecycle import ModelState
from services.models.options import EngineOptions
from services.sample import MEETING
from services.transcription.whisper import Whisper, _piece
from services.worker.client import Worker
from services.worker.handler import Json
from tests.models.fixtures import scripted_whisper
from tests.models.whisper_ct2 import SCRIPT, Recipe, Said

__all__ = ["scripted_whisper"]

RATE = 16_000
Build = Callable[[Recipe], Path]


def window(seconds: float) -> NDArray[np.float32]:
    """Something to listen to; what it is makes no difference to these models."""
    return np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32) * np.float32(0.1)


@pytest.fixture
def load(scripted_whisper: Build) -> Iterator[Callable[..., Whisper]]:
    loaded: list[Whisper] = []

    def make(recipe: Recipe = Recipe(), options: EngineOptions = EngineOptions()) -> Whisper:  # noqa: B008 - both frozen
        engine = Whisper(str(scripted_whisper(recipe)), options)
        engine.load()
        loaded.append(engine)
        return engine

    yield make
    for engine in loaded:
        engine.unload()


def test_it_says_the_script_with_the_time_of_each_word(load: Callable[..., Whisper]) -> None:
    first, second = load().transcribe(window(6), "en")
    assert [first.text, second.text] == [said.text for said in SCRIPT]
    assert first.start == pytest.approx(0.0, abs=0.3)
    assert second.end == pytest.approx(5.0, abs=0.3)
    for piece, said in zip((first, second), SCRIPT, strict=True):
        assert " ".join(word.text for word in piece.words) == said.text
        share = (said.end - said.start) / len(piece.words)
        middles = [said.start + (at + 0.5) * share for at in range(len(piece.words))]
        assert [(word.start + word.end) / 2 for word in piece.words] == pytest.approx(middles, abs=0.3)
    words = first.words + second.words
    assert all(word.start <= word.end for word in words)
    assert all(before.end <= after.start for before, after in zip(words, words[1:], strict=False))


@pytest.mark.parametrize(
    ("language", "heard", "words"),
    [
        (
            "en",
            (" About", " 50", "%", " of", " a", " well", "-known", " - thing."),
            "About 50% of a well-known - thing.",
        ),
        ("zh", ("我", "们", "走"), "我 们 走"),
    ],
)
def test_words_are_those_of_the_text(language: str, heard: tuple[str, ...], words: str) -> None:
    told = [SimpleNamespace(word=text, start=at / 2, end=(at + 1) / 2) for at, text in enumerate(heard)]
    segment = SimpleNamespace(start=0, end=9, text="".join(heard), words=told, avg_logprob=-0.1, no_speech_prob=0.1)
    piece = _piece(segment, 9.0, language != "zh")
    assert [word.text for word in piece.words] == words.split()
    assert piece.text == (words if language == "en" else words.replace(" ", ""))
    assert [word.start for word in piece.words] == sorted(word.start for word in piece.words)


def test_nothing_is_later_than_the_window(load: Callable[..., Whisper]) -> None:
    pieces = load().transcribe(window(3), "en")
    assert pieces
    assert all(piece.end <= 3 and all(word.end <= 3 for word in piece.words) for piece in pieces)


def test_a_short_last_sentence_is_not_lost(load: Callable[..., Whisper]) -> None:
    """The one before reaches into the window's last second, where no further pass is worth its time."""
    script = (Said(0.0, 4.4, "We agreed to ship the report on Friday."), Said(4.52, 4.9, "Yes."))
    assert [piece.text for piece in load(Recipe(script)).transcribe(window(5), "en")] == [said.text for said in script]


def test_where_it_stops_early_it_is_gone_on_with_for_a_while(load: Callable[..., Whisper]) -> None:
    script = (*SCRIPT, Said(5.02, 6.0, "And then"))
    texts = [piece.text for piece in load(Recipe(script, breaks_off=True)).transcribe(window(29.9), "en")]
    assert texts == 4 * [said.text for said in SCRIPT], "the last pass counts as a whole"


def test_a_window_shorter_than_any_word_is_no_error(load: Callable[..., Whisper]) -> None:
    load().transcribe(window(0.01), "en")


def test_how_sure_it_is_goes_with_the_text(load: Callable[..., Whisper]) -> None:
    sure = load().transcribe(window(6), "en")[0]
    guess = load(Recipe(no_speech=0.7, log_probability=-2.0)).transcribe(window(6), "en")[0]
    assert sure.log_probability == pytest.approx(0.0, abs=0.05)
    assert sure.no_speech == pytest.approx(0.0, abs=0.05)
    assert guess.log_probability is not None
    assert guess.log_probability < -1.0, "what it guesses is told, not left out"
    assert guess.no_speech == pytest.approx(0.7, abs=0.1)


def test_the_same_window_gives_the_same_again(load: Callable[..., Whisper]) -> None:
    guessing = load(Recipe(log_probability=-2.0))
    assert guessing.transcribe(window(6), "en") == guessing.transcribe(window(6), "en")


def test_a_loop_is_decoded_once_more_without_repeats(load: Callable[..., Whisper]) -> None:
    looping = load(Recipe(script=(Said(0.0, 4.0, "Thank you all"),), loops=True))
    text = " ".join(piece.text for piece in looping.transcribe(window(6), "en"))
    assert text.startswith("Thank you all")
    assert len(text.split()) < 40, "a loop goes on for 224 tokens"


@pytest.mark.parametrize(("language", "certainty"), [("de", 0.9), ("pt", 0.4)])
def test_the_language_is_detected(language: str, certainty: float, load: Callable[..., Whisper]) -> None:
    found, probability = load(Recipe(language=language, certainty=certainty)).detect(window(6))
    assert found == language
    assert probability == pytest.approx(certainty, abs=0.1)


def test_an_english_model_hears_english(load: Callable[..., Whisper]) -> None:
    english = load(Recipe(multilingual=False))
    assert english.detect(window(6)) == ("en", 1.0)
    assert english.transcribe(window(6), "en")[0].text == SCRIPT[0].text


def test_a_model_of_the_third_generation_needs_no_file_that_tells_its_bands(
    scripted_whisper: Build, tmp_path: Path
) -> None:
    folder = shutil.copytree(scripted_whisper(Recipe(mels=128)), tmp_path / "large")
    (folder / "preprocessor_config.json").unlink()
    engine = Whisper(str(folder), EngineOptions())
    engine.load()
    assert engine.transcribe(window(6), "en")[0].text == SCRIPT[0].text
    engine.unload()


def test_a_vocabulary_of_any_length_fits(load: Callable[..., Whisper], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sotto.transcription")
    terms = tuple(f"Zürich-{number}" for number in range(500))
    engine = load(options=EngineOptions(vocabulary=terms))
    assert engine.transcribe(window(6), "en")[0].text == SCRIPT[0].text
    assert "the vocabulary has no room for" in caplog.text


def test_several_windows_at_once_give_what_each_gives_alone(load: Callable[..., Whisper]) -> None:
    engine = load(options=EngineOptions(batch=2))
    assert engine.at_once == 2
    windows = [window(seconds) for seconds in (6, 20, 3, 29)]
    alone = [engine.transcribe(each, "en") for each in windows]
    with ThreadPoolExecutor(engine.at_once) as pool:
        assert list(pool.map(lambda each: engine.transcribe(each, "en"), windows)) == alone


def test_after_unloading_it_refuses_and_can_load_again(load: Callable[..., Whisper]) -> None:
    engine = load()
    engine.unload()
    engine.unload()
    with pytest.raises(ModelError, match="not loaded"):
        engine.transcribe(window(6), "en")
    engine.load()
    assert engine.transcribe(window(6), "en")


def _truncate(folder: Path) -> None:
    model = folder / "model.bin"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])


def _garble(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{", encoding="utf-8")


def _other(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"GGUF" + bytes(1000))


@pytest.mark.parametrize("harm", [_truncate, _garble, _other])
def test_a_damaged_model_says_so(harm: Callable[[Path], None], scripted_whisper: Build, tmp_path: Path) -> None:
    folder = shutil.copytree(scripted_whisper(Recipe()), tmp_path / "hurt")
    harm(folder)
    with pytest.raises(ModelError, match="hurt did not load") as caught:
        Whisper(str(folder), EngineOptions()).load()
    assert "again" in caught.value.hint


@pytest.mark.parametrize("file", ["model.bin", "tokenizer.json", "vocabulary.json", "config.json"])
def test_a_missing_file_is_named_and_not_looked_for_elsewhere(
    file: str, scripted_whisper: Build, tmp_path: Path
) -> None:
    folder = shutil.copytree(scripted_whisper(Recipe()), tmp_path / "part")
    (folder / file).unlink()
    with pytest.raises(ModelError, match=file):
        Whisper(str(folder), EngineOptions()).load()


def test_a_folder_that_is_not_there_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no folder"):
        Whisper(str(tmp_path / "tiny"), EngineOptions()).load()


def test_a_number_type_that_the_device_has_not_is_told(scripted_whisper: Build) -> None:
    if "float16" in ctranslate2.get_supported_compute_types("cpu") or ctranslate2.get_cuda_device_count():
        pytest.skip("this machine computes in float16")
    with pytest.raises(ModelError, match="float16") as caught:
        Whisper(str(scripted_whisper(Recipe())), EngineOptions(compute="float16")).load()
    assert "int8" in caught.value.hint


def test_a_person_gives_a_path_and_the_worker_transcribes(scripted_whisper: Build, tmp_path: Path) -> None:
    items: list[Json] = []
    with Worker("stt", log=tmp_path / "log") as worker:
        worker.call("load", {"engine": "whisper", "model": str(scripted_whisper(Recipe()))})
        worker.call("transcribe", {"path": str(MEETING), "language": "en"}, on_item=items.append)
    segments = [item["segment"] for item in items]
    assert {segment["text"] for segment in segments} <= {said.text for said in SCRIPT}
    assert all(segment["words"] for segment in segments)
    assert [segment["start"] for segment in segments] == sorted(segment["start"] for segment in segments)


def test_a_language_of_many_is_accepted_and_one_of_none_refused(scripted_whisper: Build, tmp_path: Path) -> None:
    with Worker("stt", log=tmp_path / "log") as worker:
        worker.call("load", {"engine": "whisper", "model": str(scripted_whisper(Recipe()))})
        worker.call("transcribe", {"path": str(MEETING), "language": "de-AT"})
        with pytest.raises(UsageError, match="tlh"):
            worker.call("transcribe", {"path": str(MEETING), "language": "tlh"})


def test_the_language_of_a_meeting_is_found_out(scripted_whisper: Build, tmp_path: Path) -> None:
    model = scripted_whisper(Recipe(language="de", certainty=0.95))
    with Worker("stt", log=tmp_path / "log") as worker:
        worker.call("load", {"engine": "whisper", "model": str(model)})
        assert worker.call("transcribe", {"path": str(MEETING), "language": "auto"})["language"] == "de"


def test_silence_and_guesses_are_not_written(scripted_whisper: Build, tmp_path: Path) -> None:
    items: list[Json] = []
    with Worker("stt", log=tmp_path / "log") as worker:
        model = scripted_whisper(Recipe(no_speech=0.9, log_probability=-1.7))
        worker.call("load", {"engine": "whisper", "model": str(model)})
        worker.call("transcribe", {"path": str(MEETING), "language": "en"}, on_item=items.append)
    assert items == []
    assert "silence (no speech 0." in (tmp_path / "log").read_text(encoding="utf-8")


def test_all_memory_is_back_when_the_process_is_gone(scripted_whisper: Build) -> None:
    events: list[Event] = []
    model = HostedModel("stt", events.append)
    before = {child.pid for child in psutil.Process().children()}
    model.choose("whisper", {"engine": "whisper", "model": str(scripted_whisper(Recipe()))})
    model.load_model()
    assert model.state is ModelState.READY
    args = {"path": str(MEETING), "language": "en"}
    model.run("transcribe", args, on_item=lambda _: None, on_progress=lambda *_: None)
    model.unload_model("tested")
    assert {child.pid for child in psutil.Process().children()} <= before
    changes = [event for event in events if isinstance(event, ModelChanged)]
    assert [change.new for change in changes] == [
        "Loading", "Ready", "Processing", "Ready", "Unloading", "Unloaded",
    ]  # fmt: skip
    assert (changes[-1].freed_mb or 0) > 50
