"""A whole meeting: somebody speaks into a real microphone of a real sound server, and the words come out."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
import soundfile

from services.library.meeting import Meeting
from services.library.segments import read_segments
from services.recording.client import RecorderClient, attach
from tests.functional.app_driver import running, screen_text, until
from tests.functional.command import sotto, start
from tests.functional.pulse import MONITOR, SPEAKERS, Pulse, say
from tests.speechset import word_error_rate

pytestmark = pytest.mark.audio

DECISION = "We decided to send the report to the customer on Friday."
TASK = "Martin will call the lawyer about the contract on Wednesday."
ERRORS = 0.34
"""A small recogniser gets most of what a synthetic voice says, and little where half of the sound is missing."""


def text_of(folder: Path) -> str:
    return " ".join(segment.text for segment in read_segments(Meeting(folder).transcript))


def recorder_at_work() -> RecorderClient:
    """Waits for it."""
    while True:
        client = attach()
        if client is not None:
            if client.status().state == "recording":
                return client
            client.close()
        time.sleep(0.05)


def speak_when_recording(*turns: tuple[str, str]) -> threading.Thread:
    """Somebody who waits until the recorder is at work, says each text into its sink, and then stops the recorder."""

    def speak() -> None:
        with recorder_at_work() as client:
            for text, sink in turns:
                say(text, sink)
            said = client.status().seconds
            while client.status().seconds < said + 1.0:  # what is in the air arrives
                time.sleep(0.05)
            client.stop()

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    return thread


def test_the_command_records_what_is_said_and_writes_it_up(home: Path, pulse: Pulse) -> None:
    speaker = speak_when_recording((DECISION, "mouth"), (TASK, "mouth"))
    done = sotto("record", "--source", "mic", "--title", "Friday report", "--json")
    speaker.join(20)
    (result,) = done.objects
    assert (done.code, result["ok"], result["overflows"]) == (0, True, 0)
    assert word_error_rate(f"{DECISION} {TASK}", result["text"]) < ERRORS
    assert "## Decisions" in result["summary"]
    folder = Path(result["meeting"])
    assert folder.name.endswith("friday-report")
    assert not (folder / "audio").exists()
    info = soundfile.info(folder / "audio.flac")
    assert (info.samplerate, info.channels) == (16000, 1)
    assert abs(info.duration - result["recorded_s"]) < 0.001


def test_two_sources_are_two_speakers(home: Path, pulse: Pulse) -> None:
    speaker = speak_when_recording((DECISION, "mouth"), (TASK, SPEAKERS))
    done = sotto("record", "--source", "mic", "--source", MONITOR, "--json", "--summary", "none")
    speaker.join(20)
    (result,) = done.objects
    assert done.code == 0, done.err
    said = {who: " ".join(s["text"] for s in result["segments"] if s["speaker"] == who) for who in ("You", "Others")}
    assert word_error_rate(DECISION, said["You"]) < ERRORS
    assert word_error_rate(TASK, said["Others"]) < ERRORS


async def test_the_app_records_shows_captions_and_writes_it_up(home: Path, pulse: Pulse) -> None:
    async with running() as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: "Recording" in screen_text(app))
        speaker = threading.Thread(target=say, args=(f"{DECISION} {TASK}",), daemon=True)
        speaker.start()

        def level() -> float:
            latest = app.services.recording.latest
            return latest.channels[0].peak_db if latest and latest.channels else -96.0

        await until(pilot, lambda: level() > -40)
        folder = app.services.recording.latest.meeting  # type: ignore[union-attr]
        assert folder is not None
        assert list((folder / "audio").glob("*.wav"))
        live = Meeting(folder).live
        await until(pilot, lambda: live.exists() and live.stat().st_size > 0)
        await until(pilot, lambda: "customer" in screen_text(app).lower())
        assert app.services.stt.status.state.value in ("Ready", "Processing")
        await until(pilot, lambda: not speaker.is_alive())
        await pilot.pause(1.0)
        await pilot.press("r")
        await until(pilot, lambda: (folder / "audio.flac").exists() and not (folder / "audio").exists())
        await until(pilot, lambda: app.services.jobs.current is None)
        assert word_error_rate(f"{DECISION} {TASK}", text_of(folder)) < ERRORS
        await until(pilot, lambda: "Decisions" in screen_text(app))
        assert app.services.stt.status.state.value == "Unloaded"
        await pilot.press("u")  # the last one waits for more work otherwise
        await until(pilot, lambda: app.services.llm.status.state.value == "Unloaded")
    stages = json.loads((folder / "meeting.json").read_text())["stages"]
    assert {name: stage["status"] for name, stage in stages.items()} == dict.fromkeys(
        ("record", "transcribe", "summarize", "archive"), "done"
    )


def children() -> list[str]:
    """The command lines of what this process has started and still runs."""
    return [" ".join(child.cmdline()) for child in psutil.Process().children() if child.is_running()]


async def test_the_recorder_outlives_the_app_and_is_found_again(home: Path, pulse: Pulse) -> None:
    async with running() as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.services.recording.latest is not None)
        await until(pilot, lambda: "Recording" in screen_text(app))
        first = app.services.recording.latest
        assert first is not None
    # The app is gone, and its speech process; the recorder is not.
    assert not [line for line in children() if "services.worker" in line]
    client = attach()
    assert client is not None
    with client:
        assert client.status().meeting == first.meeting
    refused = sotto("record", "--source", "mic")
    assert refused.code == 1
    assert "recording" in refused.err.lower()
    async with running() as (app, pilot):
        await until(pilot, lambda: "Recording" in screen_text(app))
        await pilot.press("r")
        folder = first.meeting
        assert folder is not None
        await until(pilot, lambda: Meeting(folder).stage("archive") == "done")
    assert attach() is None


def test_a_device_that_does_not_exist_lists_what_exists(home: Path, pulse: Pulse) -> None:
    done = sotto("record", "--source", "Banana")
    assert done.code == 1
    assert "Banana" in done.err
    assert "microphone" in done.err
    devices = sotto("devices", "--json")
    names = [device["name"] for device in json.loads(devices.out)]
    assert "microphone" in " ".join(names).lower()


def test_ctrl_c_ends_the_recording_and_the_work_goes_on(home: Path, pulse: Pulse) -> None:
    with start(["record", "--source", "mic", "--json"]) as command:
        recorder_at_work().close()
        say(DECISION)
        command.send_signal(signal.SIGINT)
        out, err = command.communicate()
    assert command.returncode == 0, err
    assert word_error_rate(DECISION, json.loads(out)["text"]) < ERRORS


def test_ctrl_c_while_a_device_is_waited_for_leaves_no_recorder_behind(home: Path, pulse: Pulse) -> None:
    os.kill(pulse.pid, signal.SIGSTOP)
    try:
        with start(["record", "--source", "mic"]) as command:
            while (client := attach()) is None:
                time.sleep(0.05)
            recorder = psutil.Process(client.status().pid)
            client.close()
            command.send_signal(signal.SIGINT)
            _, err = command.communicate()
    finally:
        os.kill(pulse.pid, signal.SIGCONT)
    assert command.returncode == 1
    assert "given up" in err
    assert "Traceback" not in err
    gone, _ = psutil.wait_procs([recorder], timeout=60)
    assert gone
    assert not (home / "recordings").exists()
