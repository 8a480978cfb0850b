"""Settings, presets and relief that are switched while all is at work: they hold at once, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.core import Services
from services.errors import UsageError
from services.events import Event, MemoryAlerted, Optimized, RecordingStarted, SettingsChanged
from services.memory.optimizer import ALERT
from services.memory.probe import SystemMemory
from services.presets import PRESETS
from services.recording.chunkfiles import HEADER_BYTES, chunk_path
from services.relief import Relief, relieved
from services.settings import load, with_overrides
from tests.functional.recordings import file_of, noise
from tests.functional.waiting import until


class Machine:
    """What the probe says of the machine, in MB."""

    def __init__(self, total: float = 16_000.0) -> None:
        self.total = total
        self.available = total / 2

    def __call__(self) -> SystemMemory:
        return SystemMemory(self.total, self.available)


class House:
    """Services at work, and what they told."""

    def __init__(self, source: str) -> None:
        self.events: list[Event] = []
        self.machine = Machine()
        recording = {"sources": (source,), "captions": False}
        self.services = Services(load({"recording": recording}), self.events.append, self.machine)

    def steps(self) -> list[str]:
        return [event.result.step for event in self.events if isinstance(event, Optimized) and not event.result.undone]

    def apply(self, **sections: dict[str, object]) -> None:
        self.services.apply(with_overrides(self.services.settings, sections))


@pytest.fixture
def house(home: Path, tmp_path: Path) -> Iterator[House]:
    made = House(file_of(tmp_path, noise(60.0)))
    made.services.start()
    yield made
    made.services.recording.stop()
    until(lambda: not made.services.recording.active)
    made.services.close()


def test_what_is_applied_holds_at_once_and_is_told(house: House) -> None:
    house.apply(transcription={"beam": 2}, memory={"max_stt_mb": 700.0, "cleanup_seconds": 5.0})
    services = house.services
    assert services.plan.stt.options is not None
    assert services.plan.stt.options.beam == 2
    assert services.room.admission.caps.models["stt"] == 700.0
    (told,) = [event for event in house.events if isinstance(event, SettingsChanged)]
    assert set(told.changed) == {"transcription.beam", "memory.max_stt_mb", "memory.cleanup_seconds"}
    house.apply(transcription={"beam": 2})
    assert sum(isinstance(event, SettingsChanged) for event in house.events) == 1, "nothing has changed"


def test_settings_that_do_not_go_change_nothing(house: House) -> None:
    before = house.services.plan, house.services.settings
    wrong = house.services.settings.model_copy(
        update={"transcription": house.services.settings.transcription.model_copy(update={"language": "xx"})}
    )
    with pytest.raises(UsageError):
        house.services.apply(wrong)
    assert (house.services.plan, house.services.settings) == before
    assert not [event for event in house.events if isinstance(event, SettingsChanged)]


def test_an_engine_that_was_chosen_stays_until_the_settings_name_another(house: House) -> None:
    services = house.services
    services.choose("summary", "none")
    services.low_memory(True)
    assert summary_of(services) == "none"
    house.apply(summary={"engine": "llama:/tmp/model.gguf"})
    assert summary_of(services) == "llama-cpp-python:model.gguf"


def summary_of(services: Services) -> str:
    return services.plan.summary.label if services.plan.summary else "none"


def preset_of(services: Services) -> str:
    return services.settings.preset.name


def test_low_memory_goes_back_to_the_preset_of_before(house: House) -> None:
    services = house.services
    services.preset("performance")
    services.low_memory(True)
    services.low_memory(True)
    assert preset_of(services) == "lightweight"
    assert services.in_force.memory.max_total_mb == 500
    services.low_memory(False)
    assert preset_of(services) == "performance"
    titles = [event.preset for event in house.events if isinstance(event, SettingsChanged)]
    assert titles == ["Performance", "Low memory", "Performance"]


def test_low_memory_from_the_start_goes_back_to_what_fits(home: Path, tmp_path: Path) -> None:
    machine = Machine(2_000.0)
    for total, expected in ((2_000.0, "conservative"), (8_000.0, "balanced"), (32_000.0, "performance")):
        machine.total = total
        services = Services(load({"memory": {"preset": "lightweight"}}), lambda _: None, machine)
        services.low_memory(False)
        assert preset_of(services) == expected
        services.close()


@pytest.mark.parametrize("name", PRESETS)
def test_relief_never_takes_more(name: str, home: Path) -> None:
    before = load({"memory": {"preset": name}})
    after = relieved(before, Relief(narrower=True))
    assert after.transcription.beam <= before.transcription.beam
    assert after.transcription.batch <= before.transcription.batch
    assert after.summary.max_context <= before.summary.max_context
    assert after.recording.chunk_seconds <= before.recording.chunk_seconds
    assert after.screen.refresh_seconds >= before.screen.refresh_seconds
    assert after.summary.kv_cache in (before.summary.kv_cache, "q8_0")
    assert relieved(after, Relief(narrower=True)) == after
    small = with_overrides(before, {"summary": {"kv_cache": "q4_0", "max_context": 600}})
    assert relieved(small, Relief(narrower=True)).summary == small.summary


def test_one_gigabyte_available_leads_to_the_aggressive_mode(house: House) -> None:
    house.machine.available = 1000.0
    house.services.housekeeper.every(30.0)
    aggressive = "Smaller batches, contexts and chunks"
    until(lambda: house.services.relief.narrower)
    services = house.services
    in_force = services.in_force
    assert services.plan.stt.options is not None
    assert (services.plan.stt.options.beam, services.plan.stt.options.batch) == (1, 1)
    assert in_force.summary.max_context == 2048
    assert in_force.summary.kv_cache == "q8_0"
    assert in_force.recording.chunk_seconds == 5.0
    assert in_force.screen.refresh_seconds == 0.5
    until(lambda: aggressive in house.steps())
    assert services.settings.summary.max_context > 2048, "what a person has set stays as it was"


def test_smaller_models_are_the_next_ones_that_are_here(home: Path, tmp_path: Path) -> None:
    chosen = load(
        {"transcription": {"engine": "faster-whisper:small"}, "summary": {"engine": f"llama:{tmp_path}/m.gguf"}}
    )
    eased = relieved(chosen, Relief(smaller=True))
    assert eased.transcription.engine == "moonshine:tiny-en"
    assert eased.summary.engine == "extractive"
    assert relieved(eased, Relief(smaller=True)).summary.engine == "extractive"
    without = with_overrides(chosen, {"summary": {"engine": "none"}})
    assert relieved(without, Relief(smaller=True)).summary.engine == "none"


def test_what_is_given_up_comes_back_and_leaves_what_was_set_meanwhile(house: House) -> None:
    services = house.services
    house.apply(transcription={"engine": "faster-whisper:small"})
    assert services.relieve(Relief(smaller=True))
    assert services.plan.stt.label == "moonshine:tiny-en"
    assert not services.relieve(Relief(no_captions=True)), "nothing is recorded: there is nothing to give up"
    assert services.relieve(Relief(narrower=True))
    house.apply(transcription={"beam": 3}, summary={"max_context": 4096})
    assert services.plan.writing.max_context == 2048
    services.take_back(Relief(narrower=True))
    assert services.plan.writing.max_context == 4096
    assert services.plan.stt.label == "moonshine:tiny-en"
    services.take_back(Relief(smaller=True))
    assert services.plan.stt.label == "faster-whisper:small"
    assert services.in_force == services.settings


def test_without_automatic_optimization_a_step_is_recommended_and_not_taken(house: House) -> None:
    house.apply(memory={"automatic_optimization": False})
    house.machine.available = 300.0
    services = house.services
    services.housekeeper.every(30.0)
    until(lambda: any(isinstance(event, MemoryAlerted) and event.alert.key == ALERT for event in house.events))
    assert services.relief == Relief()
    services.memory.watch(on=True)
    until(
        lambda: services.memory.latest is not None and ALERT in {alert.key for alert in services.memory.latest.alerts}
    )
    assert house.steps() == []


def test_the_files_of_a_recording_follow_the_settings(house: House) -> None:
    services = house.services
    house.apply(recording={"chunk_seconds": 1.0})
    services.start_recording()
    until(lambda: any(isinstance(event, RecordingStarted) for event in house.events))
    (meeting,) = [event.meeting for event in house.events if isinstance(event, RecordingStarted)]
    house.apply(recording={"chunk_seconds": 1.5})
    until(lambda: any(path.stat().st_size == HEADER_BYTES + 2 * 24000 for path in (meeting / "audio").glob("*.wav")))
    first = chunk_path(meeting / "audio", 0)
    assert first.stat().st_size == HEADER_BYTES + 2 * 16000, "the one at work is finished as it was begun"
