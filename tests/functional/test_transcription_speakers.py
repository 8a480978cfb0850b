"""Speakers of one channel through the whole of a transcription: real speech, real engines, a worker of its own."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from services import sample
from services.errors import CancelledError
from services.events import Event, SegmentReady
from services.hosted import HostedModel
from services.library.meeting import Meeting
from services.library.segments import read_segments
from services.models.catalogue import EngineSpec
from services.models.options import EngineOptions
from services.residency import Residency
from services.sample import script
from services.transcription.service import Transcriber, Transcription
from tests.models.fixtures import scripted_vosk as scripted_vosk

APART = EngineSpec("moonshine", "tiny-en", EngineOptions(speakers=True))


class Runs:
    """A speech model, and as many transcriptions of the sample in one channel as wanted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        samples, rate = soundfile.read(sample.MEETING, dtype="float32", frames=42 * 16_000)
        self.mixed = root / "mixed.wav"
        soundfile.write(self.mixed, 0.7 * samples.sum(axis=1), rate)
        self.stt = HostedModel("stt", self._took)
        self.residency = Residency((self.stt,))
        self._transcriber = Transcriber(self.stt, self.residency, self._took)
        self.cancel = threading.Event()
        self.cancel_after = 0

    def _took(self, event: Event) -> None:
        if isinstance(event, SegmentReady):
            self.cancel_after -= 1
            if self.cancel_after == 0:
                self.cancel.set()

    def meeting(self) -> Meeting:
        return Meeting.create(self._root, "Mixed")

    def run(self, meeting: Meeting, spec: EngineSpec = APART, source: Path | None = None) -> Transcription:
        return self._transcriber.transcribe(meeting, source or self.mixed, spec, "en", lambda *_: None, self.cancel)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    runs = Runs(tmp_path_factory.mktemp("meetings"))
    yield runs
    runs.residency.unload_all("the tests end")


@pytest.fixture(scope="module")
def whole(runs: Runs) -> bytes:
    meeting = runs.meeting()
    assert runs.run(meeting).warnings == ()
    return meeting.transcript.read_bytes()


def _said_by(text: str) -> str:
    """Who says most of these words in the script of the sample."""
    words = Counter(text.lower().replace(".", "").replace(",", "").split())
    turns = script.read().turns
    found = max(
        turns, key=lambda turn: (words & Counter(turn.text.lower().replace(".", "").replace(",", "").split())).total()
    )
    return found.speaker


def test_who_speaks_has_one_label_and_another_one_another(whole: bytes) -> None:
    labels: dict[str, Counter[str]] = {}
    for line in whole.splitlines():
        segment = json.loads(line)
        if len(segment["text"].split()) >= 5:
            labels.setdefault(_said_by(segment["text"]), Counter())[segment["speaker"]] += 1
    susan, martin = labels["Susan"], labels["Martin"]
    assert susan.most_common(1)[0][0] == "Speaker 1", "Susan speaks first"
    assert martin.most_common(1)[0][0] == "Speaker 2"
    for counted in (susan, martin):
        assert counted.most_common(1)[0][1] >= 0.75 * counted.total(), labels


def test_nothing_is_left_in_the_transcript_of_how_it_was_made(whole: bytes) -> None:
    for line in whole.splitlines():
        assert set(json.loads(line)) <= {"start", "end", "speaker", "text", "words"}


@pytest.mark.parametrize("after", [1, 6])
def test_an_interruption_changes_no_speaker(runs: Runs, whole: bytes, after: int) -> None:
    meeting = runs.meeting()
    runs.cancel_after = after
    with pytest.raises(CancelledError):
        runs.run(meeting)
    (first, *_) = meeting.transcript.read_text().splitlines()
    assert json.loads(first)["voice"], "voices are kept until all are known"
    runs.cancel = threading.Event()
    runs.run(meeting)
    assert meeting.transcript.read_bytes() == whole


def test_unasked_nobody_is_told_apart(runs: Runs) -> None:
    meeting = runs.meeting()
    runs.run(meeting, EngineSpec("moonshine", "tiny-en", EngineOptions()))
    assert {segment.speaker for segment in read_segments(meeting.transcript)} == {""}
    assert b"voice" not in meeting.transcript.read_bytes()


def test_two_channels_keep_their_labels(runs: Runs) -> None:
    meeting = runs.meeting()
    runs.run(meeting, source=sample.MEETING)
    assert {segment.speaker for segment in read_segments(meeting.transcript)} == {"You", "Others"}


def test_an_engine_that_has_no_voices_gets_them_too(runs: Runs, scripted_vosk: Callable[..., Path]) -> None:
    meeting = runs.meeting()
    model = scripted_vosk("one", "two", "three")
    runs.run(meeting, EngineSpec("vosk", str(model), EngineOptions(speakers=True)))
    assert {segment.speaker for segment in read_segments(meeting.transcript)} >= {"Speaker 1", "Speaker 2"}


def test_silence_has_no_speakers(runs: Runs, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, [0.0] * 32_000, 16_000)
    meeting = runs.meeting()
    assert runs.run(meeting, source=silence).segments == 0
    assert meeting.transcript.read_bytes() == b""
