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

HEARS_LATE = 0.1
"""So much later the witness may hear something than the recorder, in seconds."""

BEHIND = 0.5
"""What is recorded at a moment was heard so many seconds before, at most, or will be heard so much later."""


@pytest.mark.parametrize("sources", [("mic",), (MICROPHONE, f"{MOUTH}.monitor")], ids=["one source", "two sources"])
def test_what_was_before_and_what_is_after_adjoin(home: Path, sound_server: Pulse, sources: tuple[str, ...]) -> None:
    beacon = Beacon(20.0)
    with driving.recording(home, *sources) as client, Witness() as ears, playing(beacon):
        ears.wait_for(beacon, 0.6)
        asked = ears.place(beacon)
        client.order(Order("pause"))
        until(lambda: client.status().state == "paused")
        paused = ears.place(beacon)
        seconds = client.status().seconds
        ears.wait_for(beacon, paused + 0.6)
        assert client.status().seconds == seconds, "it stands still"
        resuming = ears.place(beacon)
        client.order(Order("resume"))
        resumed = ears.place(beacon)
        ears.wait_for(beacon, resumed + 1.0)
        said = ears.place(beacon)
        driving.caught_up(client)
        status = client.stop()
    meeting = driving.folder_of(status)
    apart = EDGE if len(sources) == 1 else APART + EDGE
    for channel in range(len(sources)):
        before, after = found(driving.heard(meeting, channel), beacon)
        assert before.of <= EDGE
        assert asked - BEHIND <= before.of_end <= paused + HEARS_LATE
        assert resuming - BEHIND <= after.of <= resumed + BEHIND
        assert after.of_end >= said - EDGE
        assert after.at - before.end <= apart, "neither silence nor anything else between them"
        pause, resume = (moment for moment in read_moments(meeting) if moment.kind in ("pause", "resume"))
        assert pause.at_s == resume.at_s == pytest.approx(before.end, abs=apart)
    assert driving.gaps(meeting) == []
