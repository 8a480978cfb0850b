"""What every test run has: where sound is required, a test that records and was skipped is a failure.

Continuous integration sets `SOTTO_REQUIRE_AUDIO=1`. On a developer's machine without PulseAudio such tests are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

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
        elif call.when == "call" and report.passed:
            item.config.stash[_recorded] = item.config.stash.get(_recorded, 0) + 1
    return report


def _nothing_recorded(config: pytest.Config) -> bool:
    return _required() and not config.option.collectonly and not config.stash.get(_recorded, 0)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole file of them may be gone without a trace: not collected, or deselected."""
    if _nothing_recorded(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _nothing_recorded(terminalreporter.config):
        terminalreporter.write_line("No test that records has passed (SOTTO_REQUIRE_AUDIO=1).", red=True)
