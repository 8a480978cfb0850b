"""Single pass: captions become the transcript, and what they missed is filled in from disk."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from services import settings
from services.events import Event, ModelChanged, SegmentReady
from services.files import JsonLines, read_json_lines
from services.hosted import HostedModel
from services.library.meeting import Meeting
from services.library.segments import Segment, as_text, read_segments
from services.pipeline import Outcome, Pipeline
from services.plans import plan_of
from services.recording.chunks import ChunkWriter
from services.residency import Residency
from services.worker.handler import Json
from tests.functional.test_transcription_host import RATE, sample
from tests.functional.waiting import until
from tests.speechset import word_error_rate

SECONDS = 24.0
LABELS = ("You", "Others")
SAID = (
    "Good morning, everyone. Today we talk about the new website. "
    "Good morning, Susan. The design is finished. We tested it with ten people. Nine of them liked it. "
    "That is good news, so we decided to launch the new website on Monday, the third of June."
)


class House:
    """A pipeline with a recorded meeting of the first half minute of the sample."""

    def __init__(self, home: Path, single_pass: bool = True) -> None:
        self.events: list[Event] = []
        self.stt, llm = HostedModel("stt", self.events.append), HostedModel("llm", self.events.append)
        self.pipeline = Pipeline(self.stt, llm, Residency((self.stt, llm)), self.events.append)
        chosen = {
            "transcription": {"single_pass": single_pass},
            "summary": {"engine": "none"},
            "memory": {"auto_fallback": False},
        }
        self.plan = plan_of(settings.load(chosen))
        channels = [{"source": "x", "speaker": speaker} for speaker in LABELS]
        self.meeting = Meeting.create(home / "recordings", "live", {"rate": RATE, "channels": channels})
        writer = ChunkWriter(self.meeting.audio, RATE, len(LABELS), 10.0)
        writer.write(sample()[: round(SECONDS * RATE)])
        writer.close()
        self.meeting.update(duration_s=SECONDS)
        self.meeting.set_stage("record", "done")

    def live(self, *records: Json) -> None:
        with JsonLines(self.meeting.live) as lines:
            lines.append(*records)

    def process(self, cancel: threading.Event | None = None) -> Outcome:
        return self.pipeline.process(self.meeting.folder, self.plan, cancel or threading.Event())

    @property
    def transcript(self) -> list[Segment]:
        return list(read_segments(self.meeting.transcript))

    def loaded(self) -> bool:
        return any(isinstance(event, ModelChanged) and event.new == "Loading" for event in self.events)


def heard(start: float, end: float, *speakers: str) -> list[Json]:
    return [{"heard": {"speaker": speaker, "start": start, "end": end}} for speaker in speakers or LABELS]


def test_captions_that_missed_nothing_are_the_transcript(home: Path) -> None:
    house = House(home)
    later, first = Segment(9.0, 12.0, "The second.", "You"), Segment(4.0, 13.0, "The first.", "Others")
    house.live(later.to_dict(), *heard(0, SECONDS, "You"), first.to_dict(), *heard(0, SECONDS, "Others"))
    assert house.process().ok
    assert house.transcript == [first, later]
    assert not house.loaded(), "a model was loaded for nothing"
    told = [event.segment for event in house.events if isinstance(event, SegmentReady) and not event.preview]
    assert told == [first, later]
    assert house.meeting.stage("transcribe") == "done"
    assert house.meeting.info()["stt"] == "moonshine:tiny-en"


def test_gaps_are_filled_from_disk(home: Path) -> None:
    house = House(home)
    own = Segment(0.2, 5.5, "Own words of the captions.", "You")
    # `You` was heard up to 6 s, `Others` not before 6 s; then captions fell behind.
    house.live(own.to_dict(), *heard(0, 6, "You"), {"skipped": {"start": 6.0, "end": 20.0}}, *heard(20, SECONDS))
    assert house.process().ok
    words = as_text(house.transcript)
    assert "Own words of the captions." in words
    assert "Today we talk" not in words, "what was heard was transcribed again"
    assert "tested it with ten people" in words
    starts = [segment.start for segment in house.transcript]
    assert starts == sorted(starts)
    assert all(segment.start < 20.5 for segment in house.transcript)
    assert not house.meeting.filled.exists()


def test_all_that_was_missed_is_as_good_as_the_final_pass(home: Path) -> None:
    house = House(home)
    house.live(*heard(0, 0.5))
    assert house.process().ok
    upto = [segment for segment in house.transcript if segment.start < 15.5]
    assert word_error_rate(SAID, " ".join(segment.text for segment in upto)) < 0.25
    assert {segment.speaker for segment in house.transcript} == set(LABELS)


def test_without_captions_it_is_an_ordinary_pass(home: Path) -> None:
    house = House(home)
    assert house.process().ok
    assert "morning" in as_text(house.transcript)


def test_two_passes_leave_the_captions_alone(home: Path) -> None:
    house = House(home, single_pass=False)
    house.live(Segment(0.2, 5.5, "Own words of the captions.", "You").to_dict(), *heard(0, SECONDS))
    assert house.process().ok
    assert "Own words" not in as_text(house.transcript)
    assert "morning" in as_text(house.transcript)


def test_interrupted_it_is_done_again_and_writes_the_same(home: Path) -> None:
    whole = House(home)
    records = [
        Segment(0.2, 5.5, "Own words of the captions.", "You").to_dict(),
        *heard(0, 6, "You"),
        *heard(0, 3, "Others"),
    ]
    whole.live(*records)
    assert whole.process().ok
    house = House(home)
    house.live(*records)
    worker: list[int] = []

    def kill() -> None:
        until(lambda: house.meeting.filled.exists() and house.meeting.filled.stat().st_size > 0)
        worker.append(house.stt._worker.pid if house.stt._worker else 0)
        os.kill(worker[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    first = house.process()
    killer.join()
    assert not first.ok
    assert not house.meeting.transcript.exists(), "half of a transcript"
    assert house.meeting.stage("transcribe") == "failed"
    assert house.process().ok
    assert house.transcript == whole.transcript
    house.meeting.set_stage("transcribe", "running")  # killed after the file had been put in its place
    assert house.process().ok
    assert house.transcript == whole.transcript


def test_words_that_were_torn_off_are_not_doubled(home: Path) -> None:
    house = House(home)
    torn = Segment(0.2, 5.5, "Good morning everyone this was torn", "You")
    house.live(torn.to_dict())
    house.live(*heard(0, SECONDS, "Others"), *heard(14, SECONDS, "You"))
    assert house.process().ok
    assert "torn" not in as_text(house.transcript)
    assert "Good morning, everyone" in as_text(house.transcript)
    assert list(read_json_lines(house.meeting.live))[0]["text"] == torn.text, "the captions stay as they were"
