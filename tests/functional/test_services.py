"""All services together: what one of them does leaves the others alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services import settings
from services.core import Services
from services.errors import CancelledError
from services.events import (
    Event,
    Failed,
    MeetingFinished,
    RecordingStarted,
    RecordingStopped,
    SegmentReady,
    StageChanged,
    SummaryReady,
)
from services.files import read_json_lines
from services.library.meeting import Meeting
from services.library.segments import read_segments
from services.library.unfinished import unfinished
from services.lifecycle import ModelState
from services.recording.client import start
from tests.functional.recordings import file_of, noise, request
from tests.functional.waiting import until

SAMPLE = Path(__file__).parents[2] / "services" / "sample" / "meeting.opus"

LABELS = ("You", "Others")


class House:
    """Services at work, and what they told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        recording = {"sources": (f"file:{SAMPLE}",)}
        self.services = Services(settings.load({"recording": recording}), self.events.append)

    def captions(self) -> int:
        return sum(isinstance(event, SegmentReady) and event.preview for event in self.events)

    def finished(self) -> bool:
        return any(isinstance(event, MeetingFinished) for event in self.events)

    def stages(self) -> list[tuple[str, str]]:
        return [(event.stage, event.status) for event in self.events if isinstance(event, StageChanged)]


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    made = House()
    made.services.start()
    yield made
    made.services.close()


def test_cancelling_work_that_waits_leaves_the_captions_alone(house: House) -> None:
    services = house.services
    services.start_recording()
    until(lambda: services.stt.state is ModelState.PROCESSING)
    services.open_file(SAMPLE)
    until(lambda: house.stages() != [])
    services.cancel()
    until(lambda: any(isinstance(event, Failed) for event in house.events))
    failed = next(event for event in house.events if isinstance(event, Failed))
    assert isinstance(failed.error, CancelledError)
    before = house.captions()
    until(lambda: house.captions() > before)
    assert services.stt.state is ModelState.PROCESSING
    services.stop_recording()
    until(lambda: not services.recording.active)


def test_work_that_waits_for_the_captions_says_so_until_they_end(house: House) -> None:
    services = house.services
    services.start_recording()
    until(lambda: services.stt.state is ModelState.PROCESSING)
    services.open_file(SAMPLE)
    until(lambda: house.stages() != [])
    before = house.captions()
    until(lambda: house.captions() > before)
    assert house.stages() == [("transcribe", "waiting")]
    services.stop_recording()
    until(lambda: ("transcribe", "running") in house.stages())
    assert house.stages()[:2] == [("transcribe", "waiting"), ("transcribe", "running")]


def test_a_recording_that_is_all_that_was_asked_for_is_not_written_up(home: Path, tmp_path: Path) -> None:
    with start(request(home, file_of(tmp_path, noise(60)), only=True)):
        house = House()
        house.services.start()
        until(lambda: any(isinstance(event, RecordingStarted) for event in house.events))
        house.services.stop_recording()
        until(lambda: ("transcribe", "skipped") in house.stages())
        house.services.close()
    (stopped,) = (event for event in house.events if isinstance(event, RecordingStopped))
    assert house.stages() == [("transcribe", "skipped")]
    assert not Meeting(stopped.meeting).transcript.exists()
    assert unfinished(Meeting(stopped.meeting)) is None, "nobody is asked again"


def test_captions_go_on_where_another_app_left_them(home: Path) -> None:
    first = House()
    first.services.start()
    first.services.start_recording()
    until(lambda: first.captions() > 1)
    first.services.close()
    second = House()
    second.services.start()
    until(lambda: second.captions() > 1)
    second.services.stop_recording()
    until(lambda: any(isinstance(event, MeetingFinished) for event in second.events))
    second.services.close()
    (folder,) = (home / "recordings").iterdir()
    starts = {
        speaker: [s.start for s in read_segments(folder / "live.jsonl") if s.speaker == speaker] for speaker in LABELS
    }
    assert sum(map(len, starts.values())) >= 4
    assert all(found == sorted(set(found)) for found in starts.values())
    assert not [record for record in read_json_lines(folder / "live.jsonl") if "skipped" in record]


def test_a_finished_meeting_that_is_opened_is_shown(house: House, home: Path) -> None:
    services = house.services
    services.open_file(SAMPLE)
    until(house.finished)
    house.events.clear()
    (folder,) = (home / "recordings").iterdir()
    services.open_file(folder)
    until(house.finished)
    assert house.stages() == [("transcribe", "done"), ("summarize", "done")]
    (ready,) = [event for event in house.events if isinstance(event, SummaryReady)]
    assert ready.markdown == (folder / "summary.md").read_text()


def test_two_apps_at_once_write_every_caption_once(house: House) -> None:
    house.services.start_recording()
    until(lambda: house.captions() > 0)
    second = House()
    second.services.start()
    try:
        until(lambda: second.captions() > 0)  # it shows what the first one understands
        house.services.close()
        status = second.services.recording.latest
        assert status is not None
        assert status.meeting is not None
        before = second.captions()
        until(lambda: second.captions() > before and second.services.stt.state is ModelState.PROCESSING)
        second.services.stop_recording()
        until(lambda: not second.services.recording.active)
    finally:
        second.services.close()
    starts = [record["start"] for record in read_json_lines(Meeting(status.meeting).live) if "start" in record]
    assert len(starts) == len(set(starts))


def test_of_two_apps_one_writes_the_meeting_up_and_both_show_it(house: House) -> None:
    house.services.start_recording()
    until(lambda: house.captions() > 0)
    second = House()
    second.services.start()
    try:
        until(lambda: second.services.recording.latest is not None)
        house.services.stop_recording()
        for each in (house, second):
            until(each.finished)
            assert not [event for event in each.events if isinstance(event, Failed)]
            assert [event.markdown for event in each.events if isinstance(event, SummaryReady)]
    finally:
        second.services.close()
    ran = [event for each in (house, second) for event in each.stages() if event == ("transcribe", "running")]
    assert len(ran) == 1
