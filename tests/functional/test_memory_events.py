"""What the monitor makes of events, on real children that hold real memory under the names of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.events import (
    Event,
    FellBack,
    MeetingFinished,
    MemoryAlerted,
    ModelChanged,
    Optimized,
    RecordingStarted,
    RecordingStopped,
    StageChanged,
)
from services.files import read_json_lines
from services.library.meeting import Meeting
from services.memory.alert import MemoryAlert, Severity
from services.memory.components import OTHER, STT
from services.memory.monitor import MemoryMonitor, MemorySnapshot
from services.memory.optimization import Optimization
from services.settings import MemorySettings
from tests.functional.memory_holders import holder, write_modules
from tests.functional.waiting import until

_NEVER = 300.0


@contextmanager
def running(settings: MemorySettings | None = None, told: list[Event] | None = None) -> Iterator[MemoryMonitor]:
    monitor = MemoryMonitor(emit=told.append if told is not None else None)
    monitor.configure(settings or MemorySettings(sample_seconds=_NEVER))
    monitor.start()
    try:
        until(lambda: monitor.latest is not None)
        yield monitor
    finally:
        monitor.close()


@contextmanager
def host(folder: Path, kind: str, mb: int) -> Iterator[subprocess.Popen[str]]:
    """A process with the command line of a model's host."""
    write_modules(folder, {"services.worker.host": mb})
    with subprocess.Popen(
        [sys.executable, "-X", "utf8", "-m", "services.worker.host", kind, "5"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline().startswith("ready")
        yield process
        process.stdin.close()


def lines(meeting: Meeting) -> list[dict[str, Any]]:
    return list(read_json_lines(meeting.memory))


def settled(monitor: MemoryMonitor) -> MemorySnapshot:
    """Wait until everything that was told has been taken note of."""
    before = len(monitor.diary.checkpoints)
    monitor.checkpoint("settled")
    until(lambda: [point.name for point in monitor.diary.checkpoints][before:][-1:] == ["settled"])
    assert monitor.latest is not None
    return monitor.latest


def test_a_stage_leaves_its_peak_in_the_meetings_folder(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path, "weekly")
    with running() as monitor:
        monitor.tell(StageChanged(meeting.folder, "transcribe", "running"))
        until(meeting.memory.exists)
        with holder(96):
            monitor.checkpoint("middle")
            until(lambda: any("checkpoint" in line for line in lines(meeting)))
        monitor.tell(StageChanged(meeting.folder, "transcribe", "done"))
        monitor.tell(MeetingFinished(meeting.folder, "weekly", True))
        until(lambda: any("operation" in line for line in lines(meeting)))
        settled(monitor)
        (operation,) = monitor.diary.operations
    found = lines(meeting)
    (peak,) = [line for line in found if "operation" in line]
    (middle,) = [line for line in found if "checkpoint" in line]
    assert (peak["operation"], operation.name, operation.subject) == ("transcribe", "transcribe", meeting.folder.name)
    assert peak["peak_mb"][OTHER] >= 96
    assert peak["peak_mb"]["Total"] >= middle["total_mb"] >= 96
    assert middle["checkpoint"] == "middle"
    assert "pss_mb" in found[0]
    assert not any(line.get("checkpoint") == "settled" for line in found)  # it had been finished by then


def test_a_model_is_followed_from_its_load_to_its_end(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path, "weekly")
    with running() as monitor:
        monitor.tell(RecordingStarted(meeting.folder, "weekly"))
        monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Unloaded", "Loading"))
        with host(tmp_path / "python", "stt", 64):
            monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Loading", "Ready"))
            monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Ready", "Processing"))
            monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Processing", "Ready"))
            monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Ready", "Unloading"))
            settled(monitor)
        monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Unloading", "Unloaded", "done", 70.0))
        monitor.tell(RecordingStopped(meeting.folder, 1.0))
        settled(monitor)
        model = next(model for model in monitor.diary.models if model.job == "stt")
        points = {point.name: point for point in monitor.diary.checkpoints}
        operations = {operation.name: operation for operation in monitor.diary.operations}
        assert monitor.latest is not None
        assert not any(alert.key.startswith("clean-up") for alert in monitor.latest.alerts)
    assert (model.state, model.loads, model.freed_mb, model.reason) == ("Unloaded", 1, 70.0, "done")
    assert model.used_at >= model.loaded_at > 0
    assert points["stt_loaded"].held[STT] >= 64
    assert STT not in points["stt_unloaded"].held
    assert points["stt_loaded"].total >= points["stt_unloaded"].total + 50
    assert operations.keys() == {"load stt", "captions", "record"}
    assert operations["load stt"].peaks[STT] >= 64
    assert operations["captions"].peaks[STT] >= 64
    assert operations["record"].peaks[STT] >= 70
    written = [line["checkpoint"] for line in lines(meeting) if "checkpoint" in line]
    assert written == ["stt_loaded", "settled", "stt_unloaded"]


def test_a_process_that_outlives_its_unloading_is_told(tmp_path: Path) -> None:
    told: list[Event] = []
    with running(MemorySettings(sample_seconds=1.0), told) as monitor, host(tmp_path, "stt", 16) as process:
        monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Unloaded", "Loading"))
        monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Loading", "Ready"))
        monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Ready", "Unloaded", "it was ended"))
        until(lambda: any(isinstance(e, MemoryAlerted) and e.alert.key == "clean-up STT" for e in told))
        (first, *_) = [e.alert for e in told if isinstance(e, MemoryAlerted) and e.alert.key == "clean-up STT"]
        assert f"process {process.pid} still holds" in first.message
        process.kill()
        until(lambda: any(isinstance(e, MemoryAlerted) and e.alert.resolved for e in told))


def test_nothing_is_kept_where_nothing_is_to_be_kept(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path, "private")
    with running(MemorySettings(sample_seconds=_NEVER, memory_report=False)) as monitor:
        monitor.tell(RecordingStarted(meeting.folder, "private"))
        monitor.tell(StageChanged(meeting.folder, "transcribe", "running"))
        monitor.tell(RecordingStopped(meeting.folder, 1.0))
        settled(monitor)
    assert not meeting.memory.exists()


def test_without_monitoring_it_measures_only_while_a_model_is_loaded() -> None:
    with running(MemorySettings(sample_seconds=1.0, enable_monitoring=False)) as monitor:
        assert monitor._every() is None
        monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Unloaded", "Loading"))
        settled(monitor)
        seen = monitor.latest
        until(lambda: monitor.latest is not seen)  # by itself
        monitor.tell(ModelChanged("stt", "moonshine:tiny-en", "Loading", "Unloaded", "it did not load"))
        settled(monitor)
        assert monitor._every() is None


def test_what_was_done_about_it_is_remembered(tmp_path: Path) -> None:
    step = Optimization("Idle models unloaded", STT, 500.0, 100.0)
    advice = MemoryAlert("optimization", Severity.INFO, "System", "Memory is short.", "Unload it.", "unload")
    with running() as monitor:
        monitor.tell(Optimized(step))
        monitor.tell(FellBack("stt", "whisper:large", "moonshine:tiny-en", "It was too large.", tmp_path))
        monitor.tell(MemoryAlerted(advice))
        snapshot = settled(monitor)
        assert advice in snapshot.alerts
        assert monitor.diary.optimizations == (step,)
        assert [(each.old, each.new) for each in monitor.diary.fallbacks] == [("whisper:large", "moonshine:tiny-en")]
        assert {alert.key: alert.severity for alert in snapshot.alerts}["allocation STT"] is Severity.WARNING
        monitor.tell(MeetingFinished(tmp_path, "weekly", True))
        until(lambda: monitor.latest is not None and "allocation STT" not in {a.key for a in monitor.latest.alerts})
        monitor.tell(MemoryAlerted(MemoryAlert(**_fields(advice) | {"resolved": True})))
        monitor.checkpoint("then")
        until(lambda: monitor.latest is not None and advice not in monitor.latest.alerts)


def _fields(alert: MemoryAlert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in MemoryAlert.__slots__}


_WITHOUT_FILES = """
import json, os, resource, sys
from services.memory.monitor import MemoryMonitor
from services.settings import MemorySettings
monitor = MemoryMonitor()
monitor.configure(MemorySettings(warning_threshold=100, critical_threshold=100))
before = monitor.sample()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
during = monitor.sample()
for fd in held:
    os.close(fd)
after = [monitor.sample() for _ in range(2)][-1]
print(json.dumps([
    {"alerts": {a.key: a.severity.value for a in s.alerts}, "pss": s.total.usage.pss,
     "estimated": s.total.usage.estimated, "available": s.system.available}
    for s in (before, during, after)
]))
"""


def test_a_program_that_has_no_file_left_goes_by_what_was_known_and_says_so() -> None:
    """Feature: memory-optimization, Property 1: Memory Monitoring Completeness: estimates where facts are missing."""
    done = subprocess.run([sys.executable, "-c", _WITHOUT_FILES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, during, after = json.loads(done.stdout)
    assert (before["alerts"], before["estimated"]) == ({}, False)
    assert during["estimated"]
    assert during["pss"] == pytest.approx(before["pss"])
    assert during["available"] == pytest.approx(before["available"])
    assert during["alerts"]["monitoring UI"] == "Warning"
    assert during["alerts"]["monitoring System"] == "Warning"
    assert not after["estimated"]
    assert after["alerts"] == {}
