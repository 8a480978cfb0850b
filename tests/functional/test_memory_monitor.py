"""The monitor's thread, on real children that hold real memory."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.events import Event, MemoryAlerted
from services.files import read_json_lines
from services.library.meeting import Meeting
from services.memory.alert import Severity
from services.memory.components import OTHER, STT, UI
from services.memory.monitor import MemoryMonitor, MemorySnapshot, Peak
from services.memory.report import rows, table, to_json
from services.memory.trend import Trend
from services.settings import MemorySettings
from tests.functional.memory_holders import holder
from tests.functional.waiting import until

_PATIENCE = 30.0
_NEVER = 3600.0
"""An interval that no test waits for: what happens was asked for."""


@contextmanager
def running(interval: float = _NEVER, told: list[Event] | None = None) -> Iterator[MemoryMonitor]:
    monitor = MemoryMonitor(interval, emit=told.append if told is not None else None)
    monitor.start()
    try:
        until(lambda: monitor.latest is not None)
        yield monitor
    finally:
        monitor.close()


def latest(monitor: MemoryMonitor) -> MemorySnapshot:
    assert monitor.latest is not None
    return monitor.latest


def next_picture(monitor: MemoryMonitor) -> None:
    seen = latest(monitor)
    until(lambda: latest(monitor) is not seen)


def peak_of_children(peak: Peak) -> float:
    component = peak.snapshot.component(OTHER) if peak.snapshot else None
    return component.peak if component else 0.0


def held(monitor: MemoryMonitor, name: str) -> float:
    component = latest(monitor).component(name)
    return component.usage.pss if component else 0.0


def test_the_thread_sees_a_child_come_and_go() -> None:
    with running(0.02) as monitor:
        assert held(monitor, UI) > 5
        with holder(64):
            until(lambda: held(monitor, OTHER) >= 64)
        until(lambda: held(monitor, OTHER) == 0)
        gone = latest(monitor).component(OTHER)
        assert gone is not None
        assert not gone.running
        assert gone.peak >= 64
        assert latest(monitor).total.peak >= 64 + held(monitor, UI) * 0.5
        assert latest(monitor).total.usage.pss == pytest.approx(held(monitor, UI))


def test_a_picture_never_changes_and_adds_up() -> None:
    with holder(16), running(0.02) as monitor:
        first = latest(monitor)
        text = json.dumps(to_json(first))
        until(lambda: latest(monitor) is not first)
        assert json.dumps(to_json(first)) == text
        assert first.total.usage.pss == pytest.approx(sum(c.usage.pss for c in first.components))
        assert first.total.trend is Trend.STABLE


def test_nothing_is_measured_between_the_beats_unless_somebody_watches() -> None:
    with running() as monitor:
        first = latest(monitor)
        monitor.watch(True)
        until(lambda: latest(monitor) is not first)
        second = latest(monitor)
        until(lambda: latest(monitor) is not second)  # two seconds later, without being asked
        monitor.watch(False)


def test_closing_ends_the_thread_at_once_and_measures_a_last_time() -> None:
    monitor = MemoryMonitor(_NEVER)
    monitor.close()  # never started: nothing to end
    with running() as monitor:
        first = latest(monitor)
        monitor.close()
        assert latest(monitor) is not first
        assert "memory" not in {thread.name for thread in threading.enumerate()}


def test_figures_go_to_the_meeting_in_work_and_to_no_other(tmp_path: Path) -> None:
    one, two = Meeting.create(tmp_path, "one"), Meeting.create(tmp_path, "two")
    with running() as monitor:
        with holder(32):
            monitor.follow(one.folder)
            until(lambda: len(list(read_json_lines(one.memory))) == 1)
            monitor.follow(two.folder)
            until(two.memory.exists)
        monitor.follow(None)
    begin, end = read_json_lines(one.memory)
    assert len(list(read_json_lines(two.memory))) == 2
    assert begin["pss_mb"].keys() == end["pss_mb"].keys() == {UI, OTHER}
    assert end["pss_mb"][OTHER] >= 32
    assert end["total_mb"] == pytest.approx(sum(end["pss_mb"].values()), abs=0.2)
    assert end["pressure"] in {"Low", "Medium", "High", "Critical"}
    assert one.memory.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_refuses_does_not_stop_the_measuring(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    meeting = Meeting.create(tmp_path, "full")
    meeting.memory.mkdir()
    with caplog.at_level(logging.WARNING, "sotto.memory"), running(0.02) as monitor:
        monitor.follow(meeting.folder)
        until(lambda: "memory.jsonl cannot be written" in caplog.text)
        next_picture(monitor)


def test_a_disk_that_fills_up_does_not_stop_the_measuring(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    meeting = Meeting.create(tmp_path, "full")
    meeting.memory.symlink_to("/dev/full")
    with caplog.at_level(logging.WARNING, "sotto.memory"), running(0.02) as monitor:
        monitor.follow(meeting.folder)
        until(lambda: "No space left" in caplog.text)
        next_picture(monitor)
    assert caplog.text.count("No space left") == 1


def test_the_peak_of_a_run_is_caught_though_it_is_over() -> None:
    with Peak() as before:
        until(lambda: before.snapshot is not None)
    with Peak() as peak:
        with holder(96):
            until(lambda: peak_of_children(peak) >= 96)
    assert peak.pss_mb >= before.pss_mb + 90
    assert peak_of_children(peak) >= 96


def test_what_has_ended_does_not_run_though_nobody_has_reaped_it() -> None:
    monitor = MemoryMonitor()
    with holder(16) as process:
        first = monitor.sample().component(OTHER)
        assert first is not None
        assert first.pids == (process.pid,)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        second = monitor.sample().component(OTHER)
        assert second is not None
        assert not second.running
        assert second.peak == first.peak


def test_what_was_measured_elsewhere_counts_for_the_peak() -> None:
    with running() as monitor:
        monitor.saw(STT, 412.0)
        until(lambda: latest(monitor).component(STT) is not None)
        found = latest(monitor).component(STT)
        assert found is not None
        assert (found.peak, found.usage.pss, found.running) == (412.0, 0.0, False)


def test_the_shortest_run_has_a_peak() -> None:
    with Peak() as peak:
        pass
    assert peak.pss_mb > 5


def test_the_table_shows_what_ran_and_what_runs() -> None:
    with Peak() as peak:
        with holder(48):
            until(lambda: peak_of_children(peak) >= 48)
    assert peak.snapshot is not None
    cells = {row[0]: row for row in rows(peak.snapshot)}
    assert list(cells) == ["Component", UI, OTHER, "Total"]
    assert cells[OTHER][1] == "-"
    assert float(cells[OTHER][4]) >= 48
    assert cells["Total"][1] == cells[UI][1]
    lines = table(peak.snapshot).splitlines()
    assert len(lines) == 5
    assert "available of" in lines[-1]
    assert f"{os.getpid()}" not in lines[1]


def test_measuring_leaves_no_file_open() -> None:
    with running(0.02) as monitor:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            next_picture(monitor)
    assert len(os.listdir("/proc/self/fd")) <= before


def alerts(monitor: MemoryMonitor) -> dict[str, Severity]:
    return {alert.key: alert.severity for alert in latest(monitor).alerts}


def test_settings_hold_at_once_and_without_them_nothing_is_warned_of() -> None:
    told: list[Event] = []
    with running(told=told) as monitor, holder(64):
        assert latest(monitor).alerts == ()
        assert latest(monitor).total.limit == 0
        monitor.configure(MemorySettings(max_total_mb=40, warning_threshold=100, critical_threshold=100))
        until(lambda: alerts(monitor) == {"limit Total": Severity.CRITICAL})
        assert latest(monitor).total.limit == 40
        until(lambda: bool(told))
        (event,) = told
        assert event == MemoryAlerted(latest(monitor).alerts[0])
        assert latest(monitor).alerts[0].time == pytest.approx(latest(monitor).time, abs=5)


def test_without_a_thread_settings_leave_nothing_behind() -> None:
    monitor = MemoryMonitor()  # as `sotto monitor` has it, which reads the settings again and again
    monitor.configure(MemorySettings())
    monitor.watch(on=True)
    assert monitor._orders.empty()
    assert monitor.sample().components


def test_an_alert_gets_worse_and_is_over_as_real_memory_goes() -> None:
    """Feature: memory-optimization, Property 7: Memory Usage Reporting and Alerting."""
    told: list[Event] = []
    with running(0.02, told=told) as monitor:
        allowed = latest(monitor).total.usage.pss + 200
        monitor.configure(
            MemorySettings(max_total_mb=allowed, warning_threshold=100, critical_threshold=100, sample_seconds=1.0)
        )
        with holder(256):
            until(lambda: alerts(monitor).get("limit Total") is Severity.CRITICAL)
        until(lambda: "limit Total" not in alerts(monitor))
    said = [event.alert for event in told if isinstance(event, MemoryAlerted) and event.alert.key == "limit Total"]
    assert said[-1].resolved
    assert not said[0].resolved
    assert said[-1].time == said[0].time


def test_the_last_minutes_are_in_the_picture() -> None:
    with running(0.02) as monitor, holder(64):
        until(lambda: max(latest(monitor).recent) >= 64 + 5)
        assert len(latest(monitor).recent) <= 60
        assert latest(monitor).recent[-1] >= latest(monitor).total.usage.pss * 0.9
