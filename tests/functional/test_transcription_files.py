"""Files of every kind through the whole speech-to-text side, with the real engine on real speech."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services.audio.decode import open_audio
from services.errors import AudioFileError
from services.transcription.host import create
from services.worker.handler import Json, Method
from tests import speechset
from tests.speechset import HeldCall

pytestmark = pytest.mark.speech

SILENT = re.compile(r"no text|no invented|no known speech|noise only|no speech")
"""What the set's manifest says of recordings in which nobody speaks."""

SPOKEN_FLAC = re.compile(r"^flac-(subset|uncommon|faulty)")
"""Conformance files that the manifest calls music or tones, though a voice announces in them what they test."""

CLEAR = {"transcribes normally", "full recovery is possible", "both parts; many decoders stop after the first"}
"""What it says of recordings that must be understood."""

UNDERSTOOD = 0.3
"""Word error rate up to which a sentence of about ten words counts as understood."""


@pytest.fixture(scope="module")
def methods() -> Iterator[Mapping[str, Method]]:
    found = create()
    found["load"]({"engine": "moonshine", "model": "tiny-en"}, HeldCall())
    yield found
    found["unload"]({}, HeldCall())


def transcribe(methods: Mapping[str, Method], path: Path) -> tuple[Json, HeldCall]:
    call = HeldCall()
    result = methods["transcribe"]({"path": str(path), "language": "en"}, call)
    starts = [segment["start"] for segment in call.segments()]
    assert starts == sorted(starts)
    assert all(segment["start"] <= segment["end"] <= result["duration_s"] for segment in call.segments())
    assert [done for done, _ in call.steps] == sorted(done for done, _ in call.steps)
    return result, call


def entries(speech: Path, part: str) -> dict[str, Json]:
    manifest = json.loads((speech / "manifest.json").read_text())
    return {Path(entry["file"]).name: entry for entry in manifest if entry["file"].startswith(f"{part}/")}


def test_every_format_gives_the_same_words(methods: Mapping[str, Method], speech: Path) -> None:
    heard = {}
    for path in speechset.recordings(speech / "formats"):
        result, call = transcribe(methods, path)
        assert result["duration_s"] == pytest.approx(7.1, abs=0.1), path.name
        heard[path.name] = speechset.words(call.text())
    assert len(heard) == 17
    said = speechset.words((speech / "formats" / "reference.txt").read_text())
    different = {name: words for name, words in heard.items() if speechset.word_errors(said, words) > 2}
    assert not different


def silent(speech: Path) -> list[str]:
    """The hostile files in which nobody speaks: silence, tones, noise, music, no sound at all, bytes by chance."""
    found = entries(speech, "hostile").items()
    return [
        name
        for name, entry in found
        if not SPOKEN_FLAC.match(name)
        and (entry["speakers"] == 0 or SILENT.search(f"{entry['what']} {entry['expect']}"))
    ]


def test_where_nobody_speaks_there_are_no_words(methods: Mapping[str, Method], speech: Path) -> None:
    names = silent(speech)
    assert {"silence-10min.flac", "tone-30s.flac", "hiss-60s.opus", "background-noise-33s.flac"} <= set(names)
    assert {"video-with-51-aac.mp4", "diffuse-noise-4ch.flac", "random-bytes.mp3"} <= set(names)
    invented = {}
    for name in names:
        try:
            _, call = transcribe(methods, speech / "hostile" / name)
        except AudioFileError:
            continue
        if call.items:
            invented[name] = call.text()
    assert not invented


def test_every_hostile_file_ends_in_text_or_in_a_clear_error(methods: Mapping[str, Method], speech: Path) -> None:
    wrong: dict[str, str] = {}
    for name, entry in entries(speech, "hostile").items():
        path = speech / "hostile" / name
        try:
            _, call = transcribe(methods, path)
        except AudioFileError as error:
            assert error.message and error.hint
            if entry["expect"] in CLEAR:
                wrong[name] = error.message
            continue
        text = call.text()
        said = speechset.reference(path)
        if entry["expect"] in CLEAR and said and speechset.word_error_rate(said, text) > UNDERSTOOD:
            wrong[name] = text
    assert not wrong


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wav-truncated-60pct.wav", "cut short"),
        ("mp3-truncated.mp3", "cut short"),
        ("flac-corrupted-middle.flac", "damaged"),
        ("mp4-fragmented-truncated.mp4", "damaged"),
    ],
)
def test_what_a_damaged_file_holds_is_written_and_the_damage_told(
    name: str, said: str, methods: Mapping[str, Method], speech: Path
) -> None:
    result, call = transcribe(methods, speech / "hostile" / name)
    assert call.text().startswith("You don't mean that you thought")
    assert any(said in warning for warning in result["warnings"])


@pytest.mark.parametrize("name", ["silence-10min.flac", "silence-2s.wav", "tone-30s.flac", "hiss-60s.opus"])
def test_where_nobody_speaks_the_result_says_so(name: str, methods: Mapping[str, Method], speech: Path) -> None:
    result, call = transcribe(methods, speech / "hostile" / name)
    assert call.items == []
    assert (result["speech_s"], result["windows"]) == (0, 0)


def test_a_sentence_after_minutes_of_silence_has_its_time(methods: Mapping[str, Method], speech: Path) -> None:
    _, call = transcribe(methods, speech / "hostile" / "speech-after-long-silence.flac")
    (segment,) = call.segments()
    assert segment["start"] == pytest.approx(247, abs=1.0)
    assert segment["end"] == pytest.approx(250, abs=1.0)


def test_music_and_noise_are_passed_over_until_somebody_speaks(methods: Mapping[str, Method], speech: Path) -> None:
    _, call = transcribe(methods, speech / "hostile" / "music-noise-speech-74s.mp3")
    assert call.segments()
    assert all(segment["start"] > 62.5 for segment in call.segments())


def test_a_sentence_that_is_said_four_times_is_written_four_times(methods: Mapping[str, Method], speech: Path) -> None:
    path = speech / "hostile" / "same-sentence-repeated.flac"
    _, call = transcribe(methods, path)
    assert speechset.word_error_rate(speechset.reference(path), call.text()) < 0.1


def test_two_people_at_once_are_both_written(methods: Mapping[str, Method], speech: Path) -> None:
    _, call = transcribe(methods, speech / "hostile" / "stereo-two-talkers-same-time.flac")
    said = {segment["speaker"]: segment["text"] for segment in call.segments()}
    assert said["You"].startswith("You don't mean that you thought me so silly")
    assert said["Others"].startswith("Tell me what happened")


def test_an_echo_in_the_microphone_is_not_written_twice(
    methods: Mapping[str, Method], speech: Path, tmp_path: Path
) -> None:
    """The first minute of a call: the others come back through the microphone, late and faint."""
    path = speech / "long" / "simulated-call-mic-system-stereo.m4a"
    with open_audio(path) as audio:
        minute = np.concatenate(list(itertools.islice(audio.blocks(), 61)))
        soundfile.write(tmp_path / "call.wav", minute, audio.rate)
    turns = [line.split(maxsplit=5) for line in path.with_suffix(".stm").read_text().splitlines()]
    said = speechset.words(" ".join(turn[5] for turn in turns if float(turn[4]) < 61.1))
    _, call = transcribe(methods, tmp_path / "call.wav")
    heard = speechset.words(call.text())
    assert len(heard) < 1.15 * len(said)
    assert speechset.word_errors(said, heard) / len(said) < 0.35
    assert {segment["speaker"] for segment in call.segments()} == {"You", "Others"}
