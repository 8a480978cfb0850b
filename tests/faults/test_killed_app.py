"""The app and the terminal around it go, in every way in which they can go; the recording does not notice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.recording.client import RecorderClient, attach
from tests.faults import driving
from tests.faults.listening import Witness, playing
from tests.faults.sound import Beacon, whole
from tests.functional.pty_screen import APP, Screen
from tests.functional.pulse import Pulse
from tests.functional.waiting import until

pytestmark = pytest.mark.audio

ENVIRON = {
    "TERM": "xterm-256color",
    "SOTTO_RECORDING_CAPTIONS": "false",
    "SOTTO_RECORDING_SOURCES": '["mic"]',
}
COMMAND = ("-P", "-m", "tui", "record", "--no-process")


@contextmanager
def terminal(arguments: tuple[str, ...] = APP, stops: bool = True) -> Iterator[Screen]:
    """A terminal with a program in it. When it `stops`, a recording that is left ends with it."""
    screen = Screen(100, 30, ENVIRON, arguments)
    try:
        yield screen
    finally:
        if screen.app.poll() is None:
            os.kill(screen.app.pid, signal.SIGKILL)
        screen.close()
        if stops and (left := attach()) is not None:
            left.stop()


def recorder() -> RecorderClient:
    """The recorder, once it records."""

    def records() -> bool:
        client = attach()
        return client is not None and client.status().state == "recording"

    until(records)
    client = attach()
    assert client is not None
    return client


def killed(screen: Screen) -> None:
    os.kill(screen.app.pid, signal.SIGKILL)


def hung_up(screen: Screen) -> None:
    """As the kernel and a shell do when the SSH line drops: the signal, to everybody in the session."""
    os.killpg(screen.app.pid, signal.SIGHUP)


def closed(screen: Screen) -> None:
    screen.hang_up()


def test_it_goes_on_whatever_ends_the_app_and_the_next_app_finds_it(home: Path, sound_server: Pulse) -> None:
    beacon = Beacon(60.0)
    with terminal() as screen:
        screen.wait_for("Not recording")
        screen.press("r")
        client = recorder()
        before = client.status()
        with Witness() as ears, playing(beacon):
            ears.wait_for(beacon, 0.5)
            killed(screen)
            screen.wait()
            for end in (hung_up, closed):
                with terminal(stops=False) as another:
                    another.wait_for("REC")
                    end(another)
                    assert another.app.wait(60) == 128 + signal.SIGHUP
            said = ears.place(beacon)
            assert 0.5 < said < beacon.seconds
            driving.caught_up(client)
        after = client.stop()
    assert (after.state, after.pid, after.overflows, after.error) == ("done", before.pid, 0, None)
    whole(driving.heard(driving.folder_of(after)), beacon, said)


@pytest.mark.parametrize("end", [hung_up, closed])
def test_it_goes_on_when_the_line_of_sotto_record_drops(
    home: Path, sound_server: Pulse, end: Callable[[Screen], None]
) -> None:
    beacon = Beacon(60.0)
    with terminal(COMMAND) as screen:
        client = recorder()
        with Witness() as ears, playing(beacon):
            ears.wait_for(beacon, 0.5)
            end(screen)
            assert screen.app.wait(60) != 0
            ears.wait_for(beacon, ears.place(beacon) + 0.5)
            said = ears.place(beacon)
            driving.caught_up(client)
        after = client.stop()
    assert (after.state, after.overflows, after.error) == ("done", 0, None)
    whole(driving.heard(driving.folder_of(after)), beacon, said)
