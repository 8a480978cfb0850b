"""Every preset to every other, while recording with captions and in the middle of a transcription: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services.core import Services
from services.events import (
    Event,
    Failed,
    MeetingFinished,
    ModelChanged,
    RecordingStarted,
    RecordingStopped,
    SegmentReady,
)
from services.library.meeting import Meeting
from services.library.segments import Segment, read_segments
from services.memory.probe import SystemMemory
from services.plans import request_of
from services.presets import PRESETS, PresetName
from services.recording.chunks import Pcm
from services.recording.reader import MeetingAudio
from services.sample import MEETING
from services.settings import load
from tests.functional.waiting import until

pytestmark = pytest.mark.timeout(400)  # recordings of a minute, on a machine that may be busy

ROUND: tuple[PresetName, ...] = (
    *("conservative", "balanced", "conservative", "performance", "conservative", "lightweight"),
    *("balanced", "performance", "balanced", "lightweight", "performance", "lightweight", "conservative"),
)
"""Each preset after each other one."""

Lines = list[tuple[str, float, float, str]]
"""Speaker, beginning, end and text of each segment."""

RATE = 16000
ROOMY = SystemMemory(16_000.0, 8_000.0)


class House:
    """Services on a machine that is not short of memory, and what they told."""

    def __init__(self, source: Path, **recording: object) -> None:
        self.events: list[Event] = []
        # This process is a part of this sotto, and with all that tests import it is larger than any app.
        memory = {"preset": ROUND[0], "max_total_mb": 0.0}
        flags = {"recording": {"sources": (f"file:{source}",), **recording}, "memory": memory}
        self.services = Services(load(flags | {"summary": {"engine": "none"}}), self.events.append, lambda: ROOMY)
        self.services.start()

    def record(self, speed: float) -> Meeting:
        self.services.recording.start(replace(request_of(self.services.in_force), speed=speed))
        until(lambda: self.count(RecordingStarted) > 0)
        return Meeting(next(event.meeting for event in self.events if isinstance(event, RecordingStarted)))

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def loads(self) -> int:
        """How often a speech model was loaded."""
        return sum(
            isinstance(event, ModelChanged) and event.new == "Ready" and event.old == "Loading" for event in self.events
        )

    def captions(self) -> list[Segment]:
        return [event.segment for event in self.events if isinstance(event, SegmentReady) and event.preview]

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        self.services.recording.stop()
        until(lambda: not self.services.recording.active)
        self.services.close()


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Pcm]]:
    """Two minutes and a half of two people, each on a channel of their own: what is recorded, to the sample."""
    samples, rate = soundfile.read(MEETING, dtype="int16", always_2d=True)
    assert rate == RATE
    twice = np.concatenate([samples, samples])
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, twice, RATE, subtype="PCM_16")
    yield path, twice


def test_the_round_has_each_preset_after_each_other() -> None:
    assert set(pairwise(ROUND)) == set(permutations(PRESETS, 2))


@pytest.fixture
def whole(home: Path, talk: tuple[Path, Pcm]) -> Lines:
    """The transcript that nobody switched anything for."""
    return _transcribed(talk[0], ())


def test_while_recording_no_sample_is_lost_and_no_caption_doubled(talk: tuple[Path, Pcm], whole: Lines) -> None:
    source, samples = talk
    with House(source, archive="flac") as house:
        meeting = house.record(speed=4.0)
        status = house.services.recording
        for step, name in enumerate(ROUND[1:], 1):
            house.services.preset(name)
            until(lambda: status.latest is not None and status.latest.seconds > 10.0 * step or not status.active)  # noqa: B023
        until(lambda: house.count(RecordingStopped) > 0)
        until(lambda: house.count(MeetingFinished) > 0, 120.0)
        assert house.count(Failed) == 0
        assert house.loads() > 1, "captions went on with other options"
    with MeetingAudio(meeting.folder) as audio:
        assert np.array_equal(audio.read(0, audio.frames), samples)
    spoken = [(each.speaker, each.start, each.end) for each in house.captions()]
    assert len(spoken) == len(set(spoken))
    for speaker in {who for who, _, _ in spoken}:
        mine = [(start, end) for who, start, end in spoken if who == speaker]
        assert all(end <= after for (_, end), (after, _) in pairwise(mine)), "no second was captioned twice"
    assert [text for *_, text in _lines(meeting)] == [text for *_, text in whole]


def test_in_the_middle_of_a_transcription_no_segment_is_lost_or_doubled(talk: tuple[Path, Pcm], whole: Lines) -> None:
    assert _transcribed(talk[0], ROUND[1:]) == whole
    assert len(whole) > 20


def _transcribed(source: Path, switches: tuple[PresetName, ...]) -> Lines:
    """The transcript of a file, with a switch after every few things that happen."""
    with House(source) as house:
        house.services.open_file(source)
        seen = 0
        for name in switches:
            seen = len(house.events)
            until(lambda: len(house.events) > seen + 2 or house.count(MeetingFinished) > 0)  # noqa: B023
            house.services.preset(name)
        until(lambda: house.count(MeetingFinished) > 0, 180.0)
        assert house.count(Failed) == 0
        assert not switches or house.loads() > 1, "the work went from hand to hand"
        (meeting,) = [event.meeting for event in house.events if isinstance(event, MeetingFinished)]
    return _lines(Meeting(meeting))


def _lines(meeting: Meeting) -> Lines:
    return [(each.speaker, each.start, each.end, each.text) for each in read_segments(meeting.transcript)]
