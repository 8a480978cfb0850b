"""What happens when memory runs short, and when everybody wants something at once."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services.core import Services
from services.events import Event, Failed, MeetingFinished, ModelChanged, Optimized, RecordingStarted, RecordingStopped
from services.library.meeting import Meeting
from services.library.segments import read_segments
from services.lifecycle import ModelState
from services.memory.probe import SystemMemory
from services.plans import request_of
from services.presets import PRESETS
from services.recording.reader import MeetingAudio
from services.sample import MEETING
from services.settings import load
from tests.functional.memory_group import memory_group
from tests.functional.waiting import until

pytestmark = pytest.mark.timeout(400)  # recordings of a minute, on a machine that may be busy

ROOT = Path(__file__).parents[2]
RATE = 16000


def talk(folder: Path) -> Path:
    """The sample meeting as a file that is recorded to the sample."""
    samples, rate = soundfile.read(MEETING, dtype="int16", always_2d=True)
    soundfile.write(folder / "talk.wav", samples, rate, subtype="PCM_16")
    return folder / "talk.wav"


def test_one_gigabyte_available_leads_to_the_aggressive_mode_for_llm_audio_and_ui(home: Path, tmp_path: Path) -> None:
    source = talk(tmp_path)
    with memory_group(2560) as group, group.holding(1500):
        done = subprocess.run(
            group.command("-m", "tests.functional.one_gigabyte", str(source)),
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["available_mb"] < 1060
    assert told["pressure"] in ("Low", "Medium"), "it is not the share of the machine that says so"
    assert "Smaller batches, contexts and chunks" in told["steps"]
    assert told["llm"] == [2048, "q8_0"]
    assert told["audio"] == [5.0, 1.0]
    assert told["ui"] == [0.5, True]
    assert told["failures"] == []
    assert told["frames"] == soundfile.info(source).frames
    assert told["segments"] > 5
    assert told["summary"]


class House:
    """Services on a machine whose memory the test says, and what they told."""

    def __init__(self, source: Path) -> None:
        self.events: list[Event] = []
        self.machine = SystemMemory(8_000.0, 4_000.0)
        # This process is a part of this sotto, and with all that tests import it is larger than any app.
        memory = {"preset": "balanced", "max_total_mb": 0.0}
        flags = {"recording": {"sources": (f"file:{source}",)}, "memory": memory}
        self.services = Services(load(flags), self.events.append, lambda: self.machine)

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def failures(self) -> list[str]:
        return [f"{event.error} {event.error.hint}" for event in self.events if isinstance(event, Failed)]

    def steps(self) -> list[tuple[str, bool]]:
        return [(event.result.step, event.result.undone) for event in self.events if isinstance(event, Optimized)]


def test_under_critical_pressure_captions_stop_and_the_recording_does_not(home: Path, tmp_path: Path) -> None:
    source = talk(tmp_path)
    house = House(source)
    services = house.services
    services.start()
    try:
        services.recording.start(replace(request_of(services.in_force), speed=4.0))
        until(lambda: services.stt.state is ModelState.PROCESSING)
        house.machine = SystemMemory(8_000.0, 200.0)
        services.housekeeper.every(30.0)
        until(lambda: services.relief.no_captions)
        until(lambda: services.stt.state is ModelState.UNLOADED)
        assert services.recording.active
        until(lambda: ("Live captions off", False) in house.steps())
        until(lambda: house.count(RecordingStopped) > 0, 120.0)
        until(lambda: house.count(MeetingFinished) > 0, 120.0)
        assert house.failures() == []
    finally:
        services.close()
    (meeting,) = (event.meeting for event in house.events if isinstance(event, RecordingStopped))
    with MeetingAudio(meeting) as audio, soundfile.SoundFile(source) as expected:
        assert np.array_equal(audio.read(0, audio.frames), expected.read(dtype="int16", always_2d=True))
    assert sum(1 for _ in read_segments(Meeting(meeting).transcript)) > 5
    assert house.failures() == []


def test_ten_operations_at_once(home: Path, tmp_path: Path) -> None:
    source = talk(tmp_path)
    house = House(source)
    services = house.services
    services.start()
    dice, names = random.Random(7), tuple(preset.name for preset in PRESETS.values())

    def pressure() -> None:
        house.machine = SystemMemory(8_000.0, dice.choice((200.0, 1000.0, 4_000.0)))
        services.housekeeper.every(dice.choice((1.0, 10.0)))

    operations: list[Callable[[], object]] = [
        lambda: services.preset(dice.choice(names)),
        lambda: services.low_memory(True),
        lambda: services.low_memory(False),
        lambda: services.room.unload_idle("a test asked for it"),
        lambda: services.room.tidy(),
        lambda: services.optimizer.report,
        lambda: services.caches.drop(),
        lambda: services.memory.checkpoint("test"),
        lambda: services.choose("summary", dice.choice(("extractive", "none"))),
        pressure,
    ]
    over = threading.Event()
    failures: list[BaseException] = []

    def keep_at(operation: Callable[[], object]) -> None:
        try:
            while not over.wait(0.3):
                operation()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=keep_at, args=(operation,)) for operation in operations]
    try:
        services.recording.start(replace(request_of(services.in_force), speed=4.0))
        until(lambda: house.count(RecordingStarted) > 0)
        services.open_file(source)
        for thread in threads:
            thread.start()
        until(lambda: house.count(RecordingStopped) > 0, 120.0)
        over.set()
        for thread in threads:
            thread.join()
        house.machine = SystemMemory(8_000.0, 4_000.0)
        until(lambda: house.count(MeetingFinished) == 2, 180.0)
    finally:
        over.set()
        services.close()
    assert failures == []
    assert house.failures() == []
    loaded = {"stt": 0, "llm": 0}
    for event in house.events:
        if isinstance(event, ModelChanged):
            loaded[event.model] += (event.new == "Loading") - (event.new == "Unloaded")
            assert 0 <= loaded[event.model] <= 1, "there is one model of each kind at a time"
    finished = [Meeting(event.meeting) for event in house.events if isinstance(event, MeetingFinished)]
    assert all(sum(1 for _ in read_segments(meeting.transcript)) > 5 for meeting in finished)
    (meeting,) = (Meeting(event.meeting) for event in house.events if isinstance(event, RecordingStopped))
    with MeetingAudio(meeting.folder) as audio, soundfile.SoundFile(source) as expected:
        assert np.array_equal(audio.read(0, audio.frames), expected.read(dtype="int16", always_2d=True))
