"""Somebody sets the clock while it records, back and forward. Recordings go by the clock that nobody can set."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.library.moments import read_moments
from services.recording.messages import Order
from tests.faults import driving
from tests.faults.listening import Witness, playing
from tests.faults.sound import Beacon, whole
from tests.functional.pulse import Pulse
from tests.functional.waiting import until

SOURCE = Path(__file__).with_name("set_clock.c")


def set_clock(file: Path, offset: timedelta) -> None:
    """Whoever asks for the time from now on is told another one."""
    new = file.with_suffix(".new")
    new.write_text(f"{offset.total_seconds():.0f}\n")
    new.replace(file)


# Without the marker `audio`: it may be skipped, for want of a compiler.
@pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler is not installed")
def test_a_clock_that_is_set_moves_nothing(
    home: Path, sound_server: Pulse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, clock = tmp_path / "set_clock.so", tmp_path / "clock"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], check=True)
    set_clock(clock, timedelta())
    monkeypatch.setenv("SET_CLOCK", str(clock))
    beacon = Beacon(60.0)
    with Witness() as ears, monkeypatch.context() as preloading:
        preloading.setenv("LD_PRELOAD", str(library))
        with driving.recording(home, silence_seconds=60.0) as client, playing(beacon):
            preloading.undo()
            ears.wait_for(beacon, 0.3)
            for hours in (-5, 7):
                set_clock(clock, timedelta(hours=hours))
                driving.caught_up(client)
            said = ears.place(beacon)
            driving.caught_up(client)
            client.order(Order("pause"))
            until(lambda: client.status().state == "paused")
            after = client.stop()
    assert (after.state, after.error, after.overflows) == ("done", None, 0)
    meeting = driving.folder_of(after)
    whole(driving.heard(meeting), beacon, said)
    assert driving.gaps(meeting) == []
    (pause,) = read_moments(meeting)
    ahead = datetime.fromisoformat(pause.time) - datetime.now().astimezone()
    assert timedelta(hours=6) < ahead < timedelta(hours=8), "the recorder was told the wrong time"
