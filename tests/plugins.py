"""What every test run has: where sound is required, a test that records and was skipped is a failure.

Continuous integration sets `SOTTO_REQUIRE_AUDIO=1`. On a developer's machine without PulseAudio such tests are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import psutil
import pytest

_AT_ONCE = 1.5
"""So many for each processor: a third of their time tests wait, for a device that plays at its pace or a process."""

_recorded = pytest.StashKey[int]()


def _required() -> bool:
    return os.environ.get("SOTTO_REQUIRE_AUDIO") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _required() and item.get_closest_marker("audio") is not None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} must not be skipped here (SOTTO_REQUIRE_AUDIO=1): {reason}"
    return report


@pytest.hookimpl(tryfirst=True)  # xdist has one of its own
def pytest_xdist_auto_num_workers() -> int:
    return max(1, round(_AT_ONCE * (psutil.cpu_count() or 1)))


class _Count:
    """Counts the tests that have recorded; also where several processes share the work, which report to this one."""

    def __init__(self, config: pytest.Config) -> None:
        self._stash = config.stash
        self._stash[_recorded] = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed and "audio" in report.keywords:
            self._stash[_recorded] += 1


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Count(config))


def _nothing_recorded(config: pytest.Config) -> bool:
    return _required() and not config.option.collectonly and config.stash.get(_recorded, -1) == 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole file of them may be gone without a trace: not collected, or deselected."""
    if _nothing_recorded(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _nothing_recorded(terminalreporter.config):
        terminalreporter.write_line("No test that records has passed (SOTTO_REQUIRE_AUDIO=1).", red=True)
