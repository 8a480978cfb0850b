"""The app in a pseudo-terminal: what it leaves behind, and how it goes when it is told to."""

from __future__ import annotations

import os
import re
import signal
import stat
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.recording.client import attach
from tests.functional.pty_screen import Screen

LEAVES = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    sample = Path(__file__).parents[2] / "services" / "sample" / "meeting.opus"
    return {
        "SOTTO_HOME": str(tmp_path),
        "TERM": "xterm-256color",
        "SOTTO_RECORDING_CAPTIONS": "false",
        "SOTTO_RECORDING_SOURCES": f'["file:{sample}"]',
    }


@pytest.fixture
def screen(environ: dict[str, str]) -> Iterator[Screen]:
    screen = Screen(80, 24, environ)
    try:
        screen.wait_for("Not recording")
        yield screen
    finally:
        screen.close()


@pytest.fixture
def recording(screen: Screen) -> Iterator[Screen]:
    """The app while it records; the recorder is stopped in the end."""
    screen.press("r")
    screen.wait_for("REC")
    try:
        yield screen
    finally:
        if screen.app.poll() is None:
            os.kill(screen.app.pid, signal.SIGKILL)
            screen.wait()
        stop_recording()


def stop_recording() -> None:
    client = attach()
    if client is not None:
        client.stop()


def still_records() -> bool:
    client = attach()
    return client is not None and client.status().state == "recording"


def test_q_leaves_and_restores_the_terminal(screen: Screen) -> None:
    before = screen.attributes
    screen.press("q")
    assert screen.wait() == 0
    assert LEAVES in screen.seen
    assert SHOWS_CURSOR in screen.seen
    assert termios.tcgetattr(screen.master)[:4] == before[:4]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_cleanly_and_the_recorder_goes_on(recording: Screen, number: int) -> None:
    recording.seen = b""
    recording.app.send_signal(number)
    assert recording.wait() == 128 + number
    assert LEAVES in recording.seen
    assert b"The recording goes on." in recording.seen.partition(LEAVES)[2]
    assert still_records()


@pytest.mark.parametrize("controlling", [True, False])
def test_a_line_that_breaks_ends_the_app_and_not_the_recording(environ: dict[str, str], controlling: bool) -> None:
    screen = Screen(80, 24, environ, controlling=controlling)
    try:
        screen.wait_for("Not recording")
        screen.press("r")
        screen.wait_for("REC")
        screen.hang_up()
        assert screen.app.wait(60) == 128 + signal.SIGHUP
        assert still_records()
    finally:
        stop_recording()
        screen.close()


def test_a_note_that_is_being_typed_when_the_line_breaks_is_kept(recording: Screen, environ: dict[str, str]) -> None:
    recording.press("n")
    recording.wait_for("Note at")
    recording.press("ship it on Fri")
    recording.wait_for("Fri")
    recording.hang_up()
    assert recording.app.wait(60) == 128 + signal.SIGHUP
    assert still_records()
    (notes,) = Path(environ["SOTTO_HOME"]).rglob("notes.md")
    assert re.findall(r"(?m)^- [0-9:]+ (.*)$", notes.read_text()) == ["ship it on Fri"]


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_end(recording: Screen) -> None:
    sent = 0
    while sent < 4000:  # nobody reads what these keys draw
        sent += os.write(recording.master, b"\t1234")
        time.sleep(0.005)
    recording.app.send_signal(signal.SIGTERM)
    assert recording.app.wait(60) == 128 + signal.SIGTERM
    assert still_records()


def test_the_next_app_finds_the_recording_and_can_stop_it(recording: Screen, environ: dict[str, str]) -> None:
    recording.press("q")
    recording.wait_for("leave it recording")
    recording.press("\r")
    assert recording.wait() == 0
    said = recording.seen.partition(LEAVES)[2].decode()
    assert all(command in said for command in ("`sotto`", "`sotto status`", "`sotto stop`"))
    again = Screen(120, 40, environ)
    try:
        again.wait_for("REC")
        again.wait_for("A recording is at work")
        again.press("q")
        again.wait_for("Stop and quit")
        again.press("s")
        assert again.wait() == 0
        said = again.seen.partition(LEAVES)[2].decode()
        assert "The recording is in " in said
        assert attach() is None
    finally:
        again.close()


def test_a_stray_word_of_a_library_goes_to_the_log_and_not_to_the_screen(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    program = (
        "import os; from tui import terminal; terminal.prepare(); "
        "os.write(1, b'one from fd 1 '); os.write(2, b'one from fd 2 '); os.system('echo one from a child'); "
        "print('one from print'); import sys; sys.__stderr__.write('drawn'); terminal.restore('bye'); print('after')"
    )
    screen = Screen(80, 24, environ, ("-c", program))
    try:
        assert screen.wait() == 0
        assert screen.seen == b"drawnbye\r\nafter\r\n"
    finally:
        screen.close()
    log = tmp_path / "state" / "sotto.log"
    said = log.read_text()
    assert re.findall(r"one from [\w ]+\w", said.replace("\n", ".")) == [
        "one from fd 1 one from fd 2 one from a child",
        "one from print",
    ]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("variables", "codes"),
    [
        ({"TERM": "xterm-256color"}, "38;5;"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "38;2;"),
        ({"TERM": "xterm"}, ""),
        ({"TERM": "linux"}, ""),
    ],
)
def test_the_colours_are_those_that_the_terminal_has(
    environ: dict[str, str], variables: dict[str, str], codes: str
) -> None:
    screen = Screen(80, 24, environ | variables)
    try:
        screen.wait_for("Not recording")
        drawn = screen.seen.decode(errors="ignore")  # it may end in the middle of a letter
        assert {code for code in ("38;5;", "38;2;") if code in drawn} == ({codes} if codes else set())
        if not codes:
            assert re.search(r"\x1b\[(\d;)*3[1-6];", drawn)
    finally:
        screen.close()


def test_no_color_leaves_no_colour(environ: dict[str, str]) -> None:
    screen = Screen(80, 24, environ | {"NO_COLOR": "1", "COLORTERM": "truecolor"})
    try:
        screen.wait_for("Not recording")
        codes = [code for found in re.findall(rb"\x1b\[([\d;]*)m", screen.seen) for code in found.split(b";")]
        assert {int(code or 0) for code in codes} <= {0, 1, 2, 3, 4, 7, 39, 49}
    finally:
        screen.close()
