"""All services together: what one of them does leaves the others alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services import settings
from services.core import Services
from services.errors import CancelledError
from services.events import Event, Failed, SegmentReady, StageChanged
from services.lifecycle import ModelState
from tests.functional.waiting import until

SAMPLE = Path(__file__).parents[2] / "services" / "sample" / "meeting.opus"


class House:
    """Services at work, and what they told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        recording = {"sources": (f"file:{SAMPLE}",)}
        self.services = Services(settings.load({"recording": recording}), self.events.append)

    def captions(self) -> int:
        return sum(isinstance(event, SegmentReady) and event.preview for event in self.events)

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
