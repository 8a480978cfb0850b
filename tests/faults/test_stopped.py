"""SIGSTOP for two seconds, as a laptop's lid, a debugger or a machine without memory does it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults import driving
from tests.faults.listening import Witness, playing
from tests.faults.sound import EDGE, Beacon, in_place
from tests.functional.pulse import Pulse

pytestmark = pytest.mark.audio

TOLERANCE = 0.05


@pytest.mark.parametrize("who", ["recorder", "sound server"])
def test_what_follows_is_at_its_place(home: Path, pulse: Pulse, who: str) -> None:
    beacon = Beacon(60.0)
    with driving.recording(home) as client, Witness() as ears, playing(beacon):
        stopped = client.status().pid if who == "recorder" else pulse.pid
        ears.wait_for(beacon, 0.7)
        os.kill(stopped, signal.SIGSTOP)
        time.sleep(2)
        os.kill(stopped, signal.SIGCONT)
        ears.wait_for(beacon, ears.place(beacon) + 1.0)
        said = ears.place(beacon)
        driving.caught_up(client)
        after = client.stop()
    meeting = driving.folder_of(after)
    assert (after.state, after.error) == ("done", None)
    stretches = in_place(driving.heard(meeting), beacon, driving.gaps(meeting), TOLERANCE)
    assert stretches[0].of <= EDGE
    assert stretches[-1].of_end >= said - EDGE
