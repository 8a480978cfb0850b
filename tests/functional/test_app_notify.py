"""What reaches somebody who looks elsewhere: bytes that the real app writes to its terminal."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.recording.client import attach
from tests.functional.pty_screen import Screen

SAMPLE = Path(__file__).parents[2] / "services" / "sample" / "meeting.opus"
SYNC_END = b"\x1b[?2026l"
SYNC_START = b"\x1b[?2026h"


@contextmanager
def recording(home: Path, environ: dict[str, str]) -> Iterator[Screen]:
    """The app while it records on a disk that is fuller than it likes."""
    ours = {
        "SOTTO_HOME": str(home),
        "TERM": "xterm-256color",
        "SOTTO_RECORDING_CAPTIONS": "false",
        "SOTTO_RECORDING_SOURCES": f'["file:{SAMPLE}"]',
        "SOTTO_RECORDING_DISK_WARN_MB": "1000000",
        "TMUX": "", "TERM_PROGRAM": "", "LC_TERMINAL": "", "STY": "", "ZELLIJ": "",
    }  # fmt: skip
    screen = Screen(80, 24, ours | environ)
    try:
        screen.wait_for("Not recording")
        screen.press("r")
        screen.wait_for("are free on the disk")
        yield screen
    finally:
        left = attach()
        if left is not None:
            left.stop()
        screen.close()


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"TERM": "xterm-kitty"}, "\x1b]9;sotto: "),
        ({"SOTTO_SCREEN_NOTIFY": "osc777"}, "\x1b]777;notify;sotto;"),
        ({}, "\x07"),
    ],
)
def test_an_alert_that_begins_reaches_the_terminal_once_and_whole(
    home: Path, environ: dict[str, str], told: str
) -> None:
    with recording(home, environ) as screen:
        screen.wait_for(told)
        screen.wait_for("0:03")
        assert screen.seen.count(told.encode()) == 1
        assert screen.seen.count(b"\x07") == 1
        # Between two pictures, never inside one.
        pictures = re.findall(re.escape(SYNC_START) + b"(.*?)" + re.escape(SYNC_END), screen.seen, re.DOTALL)
        assert pictures
        assert not any(b"\x07" in picture or b"\x1b]" in picture for picture in pictures)


def test_who_wants_none_gets_none(home: Path) -> None:
    with recording(home, {"SOTTO_SCREEN_NOTIFY": "off", "TERM": "xterm-kitty"}) as screen:
        screen.wait_for("0:02")
        assert b"\x07" not in screen.seen
        assert b"\x1b]9;" not in screen.seen


def test_a_recording_that_ends_early_is_told(home: Path) -> None:
    with recording(home, {"SOTTO_SCREEN_NOTIFY": "osc9"}) as screen:
        client = attach()
        assert client is not None
        os.kill(client.status().pid, signal.SIGKILL)
        screen.wait_for("\x1b]9;sotto: The recording ended early.")


def test_a_recording_that_ends_by_itself_is_told_with_the_reason(home: Path) -> None:
    limit = {"SOTTO_SCREEN_NOTIFY": "osc9", "SOTTO_RECORDING_STOP_AFTER_MINUTES": "0.05"}
    with recording(home, limit) as screen:
        screen.wait_for("\x1b]9;sotto: The recording has ended: ")
