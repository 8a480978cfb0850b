"""kill -9 of the recorder while it records a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import driving
from tests.faults.listening import Witness, playing
from tests.faults.sound import EDGE, Beacon, found
from tests.functional.pulse import Pulse

pytestmark = pytest.mark.audio


def test_it_loses_half_a_second_at_most(home: Path, sound_server: Pulse) -> None:
    beacon = Beacon(3.5)
    with driving.recording(home) as client, Witness() as ears, playing(beacon):
        status = client.status()
        ears.wait_for(beacon, 2.5)
        driving.kill(status.pid)
        said = ears.place(beacon)
    meeting = driving.folder_of(status)
    (kept,) = found(driving.heard(meeting), beacon)
    assert kept.of <= EDGE
    assert said - kept.of_end <= 0.5
    (plain,) = found(driving.played_by_others(meeting), beacon)
    assert plain.of <= EDGE
    assert kept.of_end - plain.of_end <= 0.6
