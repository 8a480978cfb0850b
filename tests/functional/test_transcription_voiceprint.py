"""The networks that tell voices apart, on real speech: the sample meeting and, where it is, the shared speech set."""

from __future__ import annotations

import ctypes
import functools
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from services.audio.decode import open_audio
from services.audio.front import FrontEnd
from services.audio.normalise import Normaliser, Resampler
from services.audio.vad import RATE, detectors
from services.errors import ModelError
from services.sample import MEETING
from services.transcription import voiceprint
from services.transcription.moonshine import _POLICY
from services.transcription.source import open_source
from services.transcription.voiceprint import Samples, VoicePrints
from services.transcription.voices import SAME, Turn, Utterance, alike, label, pack, unpack
from tests.unit.sound_files import survey


@pytest.fixture(scope="module")
def prints() -> VoicePrints:
    return VoicePrints()


@functools.cache
def channel(number: int) -> Samples:
    """One channel of the sample meeting at 16 kHz: one synthetic voice in the first, another two in the second."""
    with open_audio(MEETING) as audio:
        resampler = Resampler(audio.rate)
        parts = [resampler.feed(np.ascontiguousarray(block[:, number])) for block in audio.blocks()]
        return np.concatenate([*parts, resampler.flush()])


def test_one_voice_is_one_turn(prints: VoicePrints) -> None:
    (turn,) = prints.turns(channel(0)[: 4 * RATE])
    assert (turn.start, turn.end) == (0.0, 4.0)
    assert turn.voice.shape == (256,)
    assert float(np.linalg.norm(turn.voice)) == pytest.approx(1.0, abs=1e-3)


def test_a_turn_ends_where_another_voice_begins(prints: VoicePrints) -> None:
    one, other = channel(0)[: 4 * RATE], _spoken(channel(1))[: 4 * RATE]
    turns = prints.turns(np.concatenate([one, other]))
    assert alike(turns[0].voice, turns[-1].voice) < SAME
    assert min(abs(turn.start - 4.0) for turn in turns[1:]) < 0.6


def _spoken(samples: Samples) -> Samples:
    """`samples` from the first loud one on."""
    return samples[int(np.argmax(np.abs(samples) > 0.05)) :]


@pytest.mark.parametrize("count", [0, 1, 100, 399, 400, 8_000, 159_999, 160_001, 480_000])
def test_turns_cover_a_window_of_any_length_without_gaps(prints: VoicePrints, count: int) -> None:
    for samples in (channel(0)[:count], np.zeros(count, np.float32)):
        turns = prints.turns(samples)
        assert turns[0].start == 0.0
        assert turns[-1].end == pytest.approx(len(samples) / RATE)
        assert all(turn.end == following.start for turn, following in pairwise(turns))
        assert all(np.isfinite(turn.voice).all() for turn in turns)


def test_the_same_window_gives_the_same_turns(prints: VoicePrints) -> None:
    window = channel(0)[: 12 * RATE]
    one, other = prints.turns(window), VoicePrints().turns(window)
    assert [(turn.start, turn.end, pack(turn.voice)) for turn in one] == [
        (turn.start, turn.end, pack(turn.voice)) for turn in other
    ]


def test_without_the_networks_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voiceprint, "_library", lambda: ctypes.CDLL(None))
    with pytest.raises(ModelError) as caught:
        VoicePrints()
    assert "moonshine-voice==0.0.73" in caught.value.hint


def _turns(path: Path, prints: VoicePrints) -> list[Turn]:
    """The turns in a file, by the front end that a transcription has; times from the start of the file."""
    source = open_source(path)
    try:
        plan = survey(source.blocks(), source.rate, source.channels).plan(source.apart)
        streams = [(Normaliser(group, plan.rate), group.speaker) for group in plan.groups]
        front = FrontEnd(streams, detectors(), _POLICY)
        heard = [one for block in source.blocks() for one in front.feed(block)] + front.flush()
    finally:
        source.close()
    return [
        Turn(one.window.start + turn.start, one.window.start + turn.end, turn.voice)
        for one in heard
        for turn in prints.turns(one.window.samples)
    ]


def _speakers(turns: list[Turn]) -> list[int]:
    return label([Utterance(turn.start, turn.end - turn.start, unpack(pack(turn.voice))) for turn in turns])


@pytest.mark.speech
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("long/simulated-meeting-4spk.opus", 4),
        ("long/sonnet-p001.mp3", 1),
        ("single/librispeech-2414-128291.flac", 1),
        ("hostile/speech-gap-speech.flac", 2),
    ],
)
def test_speakers_are_counted(speech: Path, prints: VoicePrints, name: str, count: int) -> None:
    assert max(_speakers(_turns(speech / name, prints))) == count


@pytest.mark.speech
def test_who_speaks_is_right_most_of_the_time(speech: Path, prints: VoicePrints) -> None:
    path = speech / "long" / "simulated-meeting-4spk.opus"
    turns = _turns(path, prints)
    found = _speakers(turns)
    at = np.arange(0, 290, 0.1)
    heard = np.zeros(len(at), int)
    for turn, number in zip(turns, found, strict=True):
        heard[(at >= turn.start) & (at < turn.end)] = number
    said = np.zeros(len(at), int)
    names: dict[str, int] = {}
    for line in path.with_suffix(".rttm").read_text().splitlines():
        fields = line.split()
        start, length = float(fields[3]), float(fields[4])
        said[(at >= start) & (at < start + length)] = names.setdefault(fields[7], len(names) + 1)
    both = (heard > 0) & (said > 0)
    assert float((heard[both] == said[both]).mean()) > 0.9  # both number speakers in order of their first words
