"""A transcription that was interrupted goes on where it was, and what comes of it is what would have come anyway."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.errors import CancelledError, WorkerDiedError
from services.events import Event, SegmentReady
from services.hosted import HostedModel
from services.library.meeting import Meeting
from services.models.catalogue import EngineSpec
from services.models.options import EngineOptions
from services.residency import Residency
from services.sample import MEETING
from services.transcription.checkpoint import Checkpoint, finish, take_up
from services.transcription.service import Transcriber, Transcription, work_of
from tests.models.fixtures import scripted_whisper as scripted_whisper
from tests.models.whisper_ct2 import Recipe

_SPEC = EngineSpec("moonshine", "tiny-en", EngineOptions())
_GREEDY = EngineSpec("moonshine", "tiny-en", EngineOptions(beam=1))
_FRESH = Checkpoint(engines=(_SPEC.label,))
_INTERRUPTED_AFTER = 5


class Runs:
    """One loaded speech model, and as many transcriptions of the sample as wanted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbers = itertools.count()
        self.events: list[Event] = []
        self.stt = HostedModel("stt", self.events.append)
        self.residency = Residency((self.stt,))
        self._transcriber = Transcriber(self.stt, self.residency, self._took)
        self.after = 0
        self.cancel = threading.Event()
        self.interruption: Callable[[], None] | None = None
        """What happens after the fifth segment of a run."""

    def _took(self, event: Event) -> None:
        self.events.append(event)
        heard = sum(isinstance(each, SegmentReady) for each in self.events) - self.after
        if self.interruption is not None and heard == _INTERRUPTED_AFTER:
            self.interruption()
            self.interruption = None

    def kill(self) -> None:
        worker = self.stt._worker
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)

    def meeting(self) -> Meeting:
        return Meeting.create(self._root, f"Meeting {next(self._numbers)}")

    def run(self, meeting: Meeting, spec: EngineSpec = _SPEC, language: str = "en") -> Transcription:
        self.after = sum(isinstance(each, SegmentReady) for each in self.events)
        return self._transcriber.transcribe(meeting, MEETING, spec, language, lambda *_: None, self.cancel)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    runs = Runs(tmp_path_factory.mktemp("meetings"))
    yield runs
    runs.residency.unload_all("the tests end")


@pytest.fixture(scope="module")
def whole(runs: Runs) -> bytes:
    """The transcript of a run that nothing interrupts."""
    meeting = runs.meeting()
    runs.run(meeting)
    text = meeting.transcript.read_bytes()
    assert text.count(b"\n") > 8
    return text


def _marked(transcript: bytes) -> bytes:
    """A transcript that no run writes: whether its first line was kept can be seen."""
    return transcript.replace(b'"text":"', b'"text":"Kept: ', 1)


@pytest.mark.parametrize(
    ("share", "kept"), [(0.0, False), (0.05, False), (0.35, True), (0.6, True), (0.85, True), (0.99, True)]
)
def test_cut_anywhere_the_next_run_completes_it(runs: Runs, whole: bytes, share: float, kept: bool) -> None:
    meeting = runs.meeting()
    assert take_up(meeting, meeting.transcript, work_of(MEETING, _SPEC, "en")) == _FRESH
    meeting.transcript.write_bytes(_marked(whole)[: int(len(whole) * share)])
    runs.run(meeting)
    assert meeting.transcript.read_bytes() == (_marked(whole) if kept else whole)


def test_a_killed_engine_costs_no_more_than_the_window_at_hand(runs: Runs, whole: bytes) -> None:
    meeting = runs.meeting()
    runs.interruption = runs.kill
    with pytest.raises(WorkerDiedError):
        runs.run(meeting)
    before = meeting.transcript.read_bytes()
    assert whole.startswith(before)
    assert before.count(b"\n") >= _INTERRUPTED_AFTER
    meeting.transcript.write_bytes(_marked(before))
    runs.run(meeting)
    assert meeting.transcript.read_bytes() == _marked(whole), "it was begun anew"


def test_what_was_kept_is_told_again_to_who_listens_now(runs: Runs, whole: bytes) -> None:
    meeting = runs.meeting()
    take_up(meeting, meeting.transcript, work_of(MEETING, _SPEC, "en"))
    meeting.transcript.write_bytes(whole[: len(whole) // 2])
    runs.run(meeting)
    told = [event.segment.text for event in runs.events if isinstance(event, SegmentReady)][runs.after :]
    assert told == [json.loads(line)["text"] for line in whole.splitlines()]


def test_a_cancelled_run_is_taken_up_like_a_killed_one(runs: Runs, whole: bytes) -> None:
    meeting = runs.meeting()
    runs.interruption = runs.cancel.set
    with pytest.raises(CancelledError):
        runs.run(meeting)
    runs.cancel = threading.Event()
    meeting.transcript.write_bytes(_marked(meeting.transcript.read_bytes()))
    runs.run(meeting)
    assert meeting.transcript.read_bytes() == _marked(whole), "it was begun anew"


def test_what_other_options_wrote_is_not_taken_up(runs: Runs, whole: bytes) -> None:
    meeting = runs.meeting()
    take_up(meeting, meeting.transcript, work_of(MEETING, _GREEDY, "en"))
    meeting.transcript.write_bytes(whole.replace(b'"text":"', b'"text":"WRONG '))
    assert take_up(meeting, meeting.transcript, work_of(MEETING, _SPEC, "en")) == _FRESH
    assert not meeting.transcript.exists()


def test_a_finished_transcript_is_no_checkpoint(runs: Runs, whole: bytes) -> None:
    meeting = runs.meeting()
    take_up(meeting, meeting.transcript, work_of(MEETING, _SPEC, "en"))
    meeting.transcript.write_bytes(whole)
    finish(meeting)
    assert take_up(meeting, meeting.transcript, work_of(MEETING, _SPEC, "en")) == _FRESH


def test_lines_that_are_damaged_or_out_of_order_end_what_is_kept(runs: Runs) -> None:
    lines = [
        b'{"start":0,"end":1,"text":"one","batch":0}\n',
        b'{"start":1,"end":2,"text":"two","batch":2,"language":{"language":"de"}}\n',
        b'{"start":2,"end":3,"text":"three","batch":2,"language":{"language":"de"}}\n',
    ]
    for damage in (b'{"start":3,"end":4,"te\n', b'{"start":3,"end":4,"text":"four","batch":1}\n', b"[]\n", b"{}\n"):
        meeting = runs.meeting()
        take_up(meeting, meeting.transcript, work_of(MEETING, _SPEC, "en"))
        meeting.transcript.write_bytes(b"".join([*lines, damage, *lines]))
        assert take_up(meeting, meeting.transcript, work_of(MEETING, _SPEC, "en")) == replace(
            _FRESH, window=2, segments=1, language={"language": "de"}
        )
        assert meeting.transcript.read_bytes() == lines[0]


def test_what_was_known_of_the_language_is_taken_up_too(runs: Runs, scripted_whisper: Callable[..., Path]) -> None:
    model = scripted_whisper(Recipe(language="de", certainty=0.75))
    spec = EngineSpec("faster-whisper", str(model), EngineOptions(beam=1))
    meeting = runs.meeting()
    assert runs.run(meeting, spec, "auto").language == "de"
    whole = meeting.transcript.read_bytes()
    states = [json.loads(line)["language"] for line in whole.splitlines() if b'"language"' in line]
    assert states[0]["language"] == ""
    assert states[-1]["language"] == "de"
    for share in (0.3, 0.7):
        meeting = runs.meeting()
        take_up(meeting, meeting.transcript, work_of(MEETING, spec, "auto"))
        meeting.transcript.write_bytes(whole[: int(len(whole) * share)])
        runs.run(meeting, spec, "auto")
        assert meeting.transcript.read_bytes() == whole
