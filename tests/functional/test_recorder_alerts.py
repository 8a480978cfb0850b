"""What a recorder warns of while it records from real devices, and when it ends by itself.

`test_recording_health` and `test_recording_autostop` have the rules; here they meet a sound server and a disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services.errors import StorageError
from services.library.meeting import Meeting
from services.library.moments import Moment, read_moments
from services.recording.client import RecorderClient, attach, start
from services.recording.messages import SILENCE_DB, Alert, AlertKind, Order, RecordingRequest, RecordingStatus
from services.recording.reader import MeetingAudio
from tests.functional.pulse import MICROPHONE, MONITOR, MOUTH, SPEAKERS
from tests.functional.waiting import until

pytestmark = [pytest.mark.audio, pytest.mark.usefixtures("sound_server")]

_PLAYED_RATE = 48000
_MEGABYTE = 10**6


@contextmanager
def recording(home: Path, *sources: str, **more: float) -> Iterator[RecorderClient]:
    with start(RecordingRequest(sources, home / "recordings", **more)) as client:  # type: ignore[arg-type]
        try:
            yield client
        finally:
            if (left := attach()) is not None:
                left.stop()


@contextmanager
def playing(folder: Path, peak: float, sink: str = MOUTH) -> Iterator[None]:
    """Somebody makes a noise meanwhile; with a `peak` above 1 it is cut off."""
    file = folder / "noise.wav"
    samples = np.random.default_rng(2).uniform(-peak, peak, 110 * _PLAYED_RATE)
    soundfile.write(file, samples.clip(-1, 1), _PLAYED_RATE, subtype="PCM_16")
    with subprocess.Popen(["paplay", f"--device={sink}", str(file)], stderr=subprocess.DEVNULL) as player:
        try:
            yield
        finally:
            player.kill()


def told(client: RecorderClient, kind: AlertKind, severity: str = "") -> Alert:
    """Wait until it is told; with `severity`: as such."""
    found: list[Alert] = []

    def look() -> bool:
        found[:] = [alert for alert in client.status().alerts if alert.kind == kind]
        return any(severity in ("", alert.severity) for alert in found)

    until(look)
    return found[0]


def over(client: RecorderClient, kind: AlertKind) -> None:
    """Wait until it is not told any more."""
    until(lambda: all(alert.kind != kind for alert in client.status().alerts))


def end(client: RecorderClient) -> RecordingStatus:
    """Wait until it ends by itself, and look whether all that was recorded is there."""
    *_, last = client.updates()
    assert attach() is None
    info = meeting_of(last).info()
    reason = last.error.message if last.error is not None else last.detail
    how = "Ended early" if last.error is not None else "Stopped by itself"
    assert info["stages"]["record"] == {"status": "done", "detail": reason}
    assert info["duration_s"] == last.seconds > 0
    with MeetingAudio(meeting_of(last).folder) as audio:
        assert audio.frames == pytest.approx(last.seconds * audio.rate, abs=audio.rate / 1000)
    assert [moment.text for moment in moments(last) if moment.kind == "stop"] == [f"{how}: {reason}"]
    return last


def meeting_of(status: RecordingStatus) -> Meeting:
    assert status.meeting is not None
    return Meeting(status.meeting)


def moments(status: RecordingStatus) -> list[Moment]:
    return list(read_moments(meeting_of(status)))


# What it warns of


@pytest.mark.parametrize("peak", [0.0, 1e-4])
def test_a_silent_microphone_is_told_and_taken_back_when_somebody_speaks(
    home: Path, tmp_path: Path, peak: float
) -> None:
    # A dead input delivers zeros, or 80 dB below full scale: three steps of 16 bits.
    with recording(home, "mic") as client, playing(tmp_path, peak):
        alert = told(client, "no_signal")
        assert (alert.severity, alert.channel) == ("warning", 0)
        assert "mic" in alert.message
        assert "sotto devices" in alert.hint
        (channel,) = client.status().channels
        assert (channel.peak_db > SILENCE_DB) == (peak > 0)
        with playing(tmp_path, 0.1):
            over(client, "no_signal")
        status = client.stop()
    (warning,) = [moment for moment in moments(status) if moment.kind == "warning"]
    assert warning.text == alert.message
    assert 4.0 <= warning.at_s < 6.0


def test_a_microphone_that_is_muted_is_told(home: Path, tmp_path: Path) -> None:
    with recording(home, "mic") as client, playing(tmp_path, 0.1):
        until(lambda: client.status().channels[0].peak_db > -40 and not client.status().alerts)
        heard = client.status().seconds
        until(lambda: client.status().seconds > heard + 1)  # a moment of sound might be crackle
        subprocess.run(["pactl", "set-source-mute", MICROPHONE, "1"], check=True)
        try:
            assert told(client, "no_signal").message == "Nothing is heard from mic any more."
        finally:
            subprocess.run(["pactl", "set-source-mute", MICROPHONE, "0"], check=True)
        over(client, "no_signal")


def test_a_microphone_that_is_too_loud_is_told(home: Path, tmp_path: Path) -> None:
    with recording(home, "mic") as client:
        with playing(tmp_path, 20):
            alert = told(client, "clipping", "warning")
            assert alert.channel == 0
            assert "too loud" in alert.message
        over(client, "clipping")


@pytest.mark.parametrize(
    ("sink", "channel", "severity"), [(SPEAKERS, 0, "warning"), (MOUTH, 1, "info")], ids=["mic", "system"]
)
def test_one_dead_side_of_two_is_told(home: Path, tmp_path: Path, sink: str, channel: int, severity: str) -> None:
    with recording(home, "mic", MONITOR) as client, playing(tmp_path, 0.1, sink):
        alert = told(client, "dead_channel")
        assert (alert.severity, alert.channel) == (severity, channel)
        with playing(tmp_path, 0.1, SPEAKERS if sink == MOUTH else MOUTH):
            over(client, "dead_channel")
        status = client.stop()
    written = any(moment.text == alert.message for moment in moments(status))
    assert written == (severity == "warning")


def test_a_disk_that_gets_full_is_told(home: Path) -> None:
    free = shutil.disk_usage(home).free / _MEGABYTE
    with recording(home, "mic", disk_warn_mb=free * 2, disk_stop_mb=0) as client:
        alert = told(client, "disk_low")
        assert alert.severity == "warning"
        assert "free on the disk" in alert.message


def test_a_full_disk_ends_it_in_order(home: Path) -> None:
    # Without a disk of its own: the limit lies where the disk will be in a moment.
    margin = 500 * _MEGABYTE
    free = shutil.disk_usage(home).free
    if free < 4 * margin:
        pytest.skip("the disk is nearly full already")
    limit = (free - margin) / _MEGABYTE
    with recording(home, "mic", disk_warn_mb=limit, disk_stop_mb=limit) as client:
        until(lambda: client.status().seconds > 0.5)
        big = os.open(home / "big", os.O_RDWR | os.O_CREAT)
        try:
            os.posix_fallocate(big, 0, 2 * margin)
            last = end(client)
        finally:
            os.close(big)
            (home / "big").unlink()
    assert last.state == "failed"
    assert isinstance(last.error, StorageError)
    assert "MB are free" in last.error.message
    assert "is safe" in last.error.hint


# When it ends by itself


def test_after_a_time_and_announced(home: Path) -> None:
    with recording(home, "mic", seconds=30.0) as client:
        alert = told(client, "stopping")
        assert alert.message.endswith(", after 30 s.")
        client.order(Order("extend", 90))
        over(client, "stopping")
        left = client.status().stops_in
        assert left is not None
        assert 60 < left <= 120
        client.order(Order("stop"))
        *_, last = client.updates()
    assert (last.state, last.error, last.stops_in) == ("done", None, None)


def test_after_a_time_to_the_sample(home: Path) -> None:
    with recording(home, "mic", seconds=2.0) as client:
        last = end(client)
    assert (last.state, last.seconds, last.detail) == ("done", 2.0, "2 s were recorded")


def test_after_silence_and_not_while_somebody_speaks(home: Path, tmp_path: Path) -> None:
    with recording(home, "mic", silence_seconds=6.0) as client:
        with playing(tmp_path, 0.5):
            until(lambda: client.status().seconds > 8)
        alert = told(client, "stopping")
        assert "nobody was heard for" in alert.message
        client.order(Order("extend", 3))
        over(client, "stopping")
        last = end(client)
    assert (last.state, last.error) == ("done", None)
    assert last.detail.startswith("nobody was heard for ")
    assert last.seconds > 8 + 6 + 3 - 1, "a tenth of a second or two was still on its way"


def test_at_a_time_of_day_also_during_a_pause(home: Path) -> None:
    at = time.time() + 10
    with recording(home, "mic", until=at) as client:
        told(client, "stopping")
        until(lambda: client.status().seconds > 0.3)
        client.order(Order("pause"))
        until(lambda: client.status().state == "paused")
        client.order(Order("extend", 2))
        last = end(client)
    assert time.time() >= at + 2
    assert (last.state, last.error) == ("done", None)
    assert last.detail == time.strftime("it is %H:%M", time.localtime(at + 2))
