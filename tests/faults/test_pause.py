"""A pause cuts out what is heard meanwhile and nothing else: no gap, no jump, on no channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.library.moments import read_moments
from services.recording.messages import Order
from tests.faults import driving
from tests.faults.listening import Witness, playing
from tests.faults.sound import EDGE, Beacon, found
from tests.functional.pulse import MICROPHONE, MOUTH, Pulse
from tests.functional.waiting import until

pytestmark = pytest.mark.audio

APART = 0.05
"""So far apart may two channels be, in seconds: one ends, and begins, as much before the other."""


@pytest.mark.parametrize("sources", [("mic",), (MICROPHONE, f"{MOUTH}.monitor")], ids=["one source", "two sources"])
def test_what_was_before_and_what_is_after_adjoin(home: Path, sound_server: Pulse, sources: tuple[str, ...]) -> None:
    beacon = Beacon(60.0)
    with driving.recording(home, *sources) as client, Witness() as ears, playing(beacon):
        ears.wait_for(beacon, 1.0)
        asked = ears.place(beacon)
        client.order(Order("pause"))
        until(lambda: client.status().state == "paused")
        paused_at = ears.place(beacon)
        seconds = client.status().seconds
        ears.wait_for(beacon, paused_at + 1.0)
        assert client.status().seconds == seconds, "it stands still"
        resumed = ears.place(beacon)
        client.order(Order("resume"))
        until(lambda: client.status().state == "recording")
        ears.wait_for(beacon, resumed + 1.5)
        said = ears.place(beacon)
        driving.caught_up(client)
        after = client.stop()
    meeting = driving.folder_of(after)
    for channel in range(len(sources)):
        first, second = found(driving.heard(meeting, channel), beacon)
        assert first.of <= EDGE
        assert asked - 0.6 <= first.of_end <= paused_at + EDGE
        assert resumed - 0.6 <= second.of <= resumed + 1.0
        assert second.of_end >= said - EDGE
        assert second.at - first.end <= APART + EDGE, "neither silence nor anything else between them"
    pause, resume = (moment for moment in read_moments(meeting) if moment.kind in ("pause", "resume"))
    assert pause.at_s == pytest.approx(first.end, abs=EDGE)
    assert resume.at_s == pause.at_s
    assert driving.gaps(meeting) == []
