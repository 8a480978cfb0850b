"""`sotto status`, `stop`, `attach` and `record` in a shell, with real recorders."""

from __future__ import annotations

import argparse
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path

import psutil
import pytest

from services import sample
from services.library.meeting import Meeting
from services.library.unfinished import find
from services.recording import client
from services.recording.client import RecorderClient
from services.recording.messages import Alert, ChannelLevel, Order, RecordingRequest, RecordingStatus
from tests.functional.command import sotto, start
from tests.functional.pty_screen import Screen
from tests.functional.recordings import file_of, noise
from tests.functional.waiting import until
from tui.cli.parser import parse
from tui.cli.record import Alerts, line_of, next_time


@pytest.fixture
def recording(home: Path) -> Iterator[RecorderClient]:
    """The sample meeting as it is being recorded; a second of it is on disk. Stopped in the end."""
    request = RecordingRequest((f"file:{sample.MEETING}",), home / "recordings", "Weekly\x1b[31m sync", seconds=3600)
    running = client.start(request)
    until(lambda: running.status().seconds > 1)
    yield running
    running.close()
    left = client.attach()
    if left is not None:
        left.stop()


def meeting_of(running: RecorderClient) -> Meeting:
    folder = running.status().meeting
    assert folder is not None
    return Meeting(folder)


# Without a recording


def test_without_a_recording_each_command_says_so(home: Path) -> None:
    status = sotto("status")
    assert (status.code, status.out, status.err) == (1, "No recording is running.\n", "")
    assert sotto("status", "--json").objects == [{"running": False, "unfinished": 0}]
    for command in (["stop"], ["stop", "--json"], ["attach"]):
        done = sotto(*command)
        assert (done.code, done.out) == (1, "")
        assert "No recording is running." in done.err
        assert "`sotto record` begins one" in done.err


def test_the_help_says_what_the_codes_mean() -> None:
    assert "0 a recording runs, 1 none runs" in " ".join(sotto("status", "--help").out.split())
    tasks = [("models", task) for task in ("list", "pull", "verify", "remove")]
    for command in (("stop",), ("attach",), ("recover",), *tasks):
        assert "examples:" in sotto(*command, "--help").out


@pytest.mark.parametrize("kind", ["socket", "file", "dangling link"])
def test_what_a_dead_recorder_left_at_the_socket_is_nobody(home: Path, tmp_path: Path, kind: str) -> None:
    run = home / "run"
    run.mkdir(mode=0o700)
    (run / "recorder.lock").touch()
    path = run / "recorder.sock"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    elif kind == "file":
        path.write_text("not a socket")
    else:
        path.symlink_to(tmp_path / "gone")
    assert sotto("status").code == 1
    assert "No recording is running." in sotto("stop").err
    done = sotto("record", "--source", file_of(tmp_path, noise(1)), "--speed", 50, "--no-process", "--json")
    assert (done.code, done.objects[0]["duration_s"]) == (0, 1.0)
    assert not path.exists()


def test_status_counts_what_waits_to_be_finished(home: Path, tmp_path: Path, recording: RecorderClient) -> None:
    assert sotto("status", "--json").objects[0]["unfinished"] == 0
    psutil.Process(recording.status().pid).kill()
    until(lambda: client.attach() is None)
    done = sotto("status")
    assert done.code == 1
    assert "1 meeting waits to be finished: sotto recover" in done.out


# With one


def test_status_tells_what_is_recorded(recording: RecorderClient) -> None:
    folder = meeting_of(recording).folder
    done = sotto("status")
    assert done.code == 0
    assert "Recording: “Weekly sync” since " in done.out
    assert "\x1b" not in done.out
    for words in ("length", "stops in  59:", "You", "Others", f"folder    {folder}", " dB  file:"):
        assert words in done.out
    (told,) = sotto("status", "--json").objects
    assert (told["running"], told["state"], told["meeting"]) == (True, "recording", str(folder))
    assert told["seconds"] > 1
    assert [channel["speaker"] for channel in told["channels"]] == ["You", "Others"]
    assert told["pid"] == recording.status().pid
    assert 0 < told["stops_in"] < 3600


def test_status_says_that_it_is_paused(recording: RecorderClient) -> None:
    recording.order(Order("pause"))
    until(lambda: recording.status().state == "paused")
    assert "Paused: “Weekly sync”" in sotto("status").out
    assert sotto("status", "--json").objects[0]["state"] == "paused"


def test_stop_returns_when_all_is_on_disk(recording: RecorderClient) -> None:
    meeting = meeting_of(recording)
    done = sotto("stop")
    assert done.code == 0
    assert f" in {meeting.folder}" in done.out
    assert f"sotto process {meeting.folder}" in done.err
    assert meeting.stage("record") == "done"
    assert meeting.duration_s > 1
    assert not meeting.recording_marker.exists()
    assert client.attach() is None
    assert "No recording is running." in sotto("stop").err


def test_stop_for_programs(recording: RecorderClient) -> None:
    meeting = meeting_of(recording)
    (told,) = sotto("stop", "--json").objects
    assert (told["meeting"], told["ok"], told["error"]) == (str(meeting.folder), True, None)
    assert told["duration_s"] == meeting.duration_s
    assert told["title"].startswith("Weekly")


def test_a_recorder_that_stands_still_is_told_and_left_alone(recording: RecorderClient) -> None:
    recorder = psutil.Process(recording.status().pid)
    recorder.suspend()
    try:
        waiting = [start([command]) for command in ("status", "stop", "attach")]
        ended = [(each.communicate()[1], each.returncode) for each in waiting]
    finally:
        recorder.resume()
    for error, code in ended:
        assert code == 1
        assert "The recorder has not answered for 10 s." in error
        assert f"kill -CONT {recorder.pid}" in error
        assert "Traceback" not in error
    assert recorder.is_running()


def test_attach_needs_a_terminal_like_the_app(recording: RecorderClient) -> None:
    done = sotto("attach")
    assert done.code == 2
    assert "needs a terminal" in done.err


def test_attach_opens_the_app_on_the_recording(home: Path, recording: RecorderClient) -> None:
    environ = {"SOTTO_HOME": str(home), "TERM": "xterm-256color", "SOTTO_RECORDING_CAPTIONS": "false"}
    screen = Screen(100, 30, environ, ("-m", "tui", "attach"))
    try:
        screen.wait_for("REC")
        screen.wait_for("Weekly")
    finally:
        os.kill(screen.app.pid, signal.SIGTERM)
        screen.close()
    assert recording.status().state == "recording"


# What `record` takes


def test_a_recording_ends_after_silence(home: Path, tmp_path: Path) -> None:
    samples = noise(120)
    samples[16000 * 5 :] = 0
    source = file_of(tmp_path, samples)
    done = sotto(*("record", "--source", source, "--speed", 20, "--no-process", "--json", "--stop-after-silence", 0.5))
    assert done.code == 0
    assert 30 <= done.objects[0]["duration_s"] < 120


def test_a_recording_has_a_time_at_which_it_ends(home: Path, tmp_path: Path) -> None:
    with start(["record", "--source", f"file:{sample.MEETING}", "--no-process", "--until", "00:00"]) as running:
        until(lambda: client.attach() is not None)
        told = sotto("status", "--json").objects[0]
        assert 0 < told["stops_in"] <= 86400
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert "Stops tomorrow at 00:00" in err


def test_the_setting_for_the_longest_recording_counts_without_an_option(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTTO_RECORDING_STOP_AFTER_MINUTES", "0.05")
    source = file_of(tmp_path, noise(10))
    done = sotto("record", "--source", source, "--speed", 20, "--no-process", "--json")
    assert done.objects[0]["duration_s"] == 3.0
    done = sotto("record", "--source", source, "--speed", 20, "--no-process", "--json", "--for", 2)
    assert done.objects[0]["duration_s"] == 2.0


@pytest.mark.parametrize("option", [("--until", "25:00"), ("--until", "soon"), ("--stop-after-silence", "-1")])
def test_wrong_times_are_wrong_use(home: Path, option: tuple[str, str]) -> None:
    done = sotto("record", "--source", "mic", *option)
    assert done.code == 2
    assert option[1] in done.err


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(time(17, 30), "2026-03-14 17:30"), (time(10, 30), "2026-03-15 10:30"), (time(0, 0), "2026-03-15 00:00")],
)
def test_the_next_such_time_is_today_or_tomorrow(wanted: time, expected: str) -> None:
    assert next_time(wanted, datetime(2026, 3, 14, 10, 30, 20)) == datetime.fromisoformat(expected)


def test_until_is_parsed_as_a_time() -> None:
    arguments = parse(["record", "--until", "7:05"])
    assert isinstance(arguments, argparse.Namespace)
    assert arguments.until == time(7, 5)


def test_what_was_only_to_be_recorded_is_not_offered_and_can_be_processed(home: Path, tmp_path: Path) -> None:
    source = f"file:{sample.MEETING}"
    done = sotto("record", "--source", source, "--for", 8, "--speed", 50, "--no-process", "--json")
    meeting = Meeting(Path(done.objects[0]["meeting"]))
    assert meeting.stage("transcribe") == "skipped"
    assert find(home / "recordings") == []
    assert sotto("process", meeting.folder, "--summary", "none").code == 0
    assert meeting.stage("transcribe") == "done"


# What `record` says while it runs

SILENT = Alert("no_signal", "Nothing is heard.", "Is the microphone muted?", channel=0)


def test_an_alert_is_told_once_and_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    status, alerts = RecordingStatus("recording", seconds=61), Alerts()
    for seconds, found in ((60, ()), (61, (SILENT,)), (62, (replace(SILENT, message="Still nothing."),)), (70, ())):
        alerts.tell(replace(status, seconds=seconds, alerts=found))
    assert capsys.readouterr().err.splitlines() == [
        "1:01  Nothing is heard. Is the microphone muted?",
        "1:10  Over: Still nothing.",
    ]
    alerts.tell(replace(status, alerts=(SILENT,)))
    capsys.readouterr()
    alerts.tell(replace(status, state="done", alerts=()))
    assert capsys.readouterr().err == "", "the end of a recording ends no trouble"


def test_the_line_says_that_it_is_paused_and_when_it_stops() -> None:
    status = RecordingStatus("recording", seconds=5, channels=(ChannelLevel("mic", "You", -12.0),), stops_in=61)
    assert line_of(status) == "● 0:05  You  -12 dB  stops in 1:01  Ctrl-C ends the recording"
    assert line_of(replace(status, state="paused")).startswith("║ Paused 0:05  stops in")
