"""`sotto record`: record a meeting without the app, then write it up."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.core import request_of
from services.errors import RecorderError
from services.recording.client import launch
from services.recording.messages import RecordingRequest, RecordingStatus
from services.text import clock
from tui.cli.output import Status, fail, note, say_json
from tui.cli.signals import interrupted_by
from tui.cli.work import Work, settings_for


def run(arguments: Namespace) -> int:
    chosen = settings_for(arguments)
    work = Work(chosen, arguments.json)  # first: a wrong engine is told before the meeting, not after it
    request = request_of(chosen, tuple(arguments.source or ()), arguments.title)
    status = record(replace(request, seconds=arguments.seconds, speed=arguments.speed))
    meeting = status.meeting
    if status.error is not None:
        fail(status.error)
    if meeting is None:
        return 1
    note(f"Recorded {clock(status.seconds)} in {meeting}")
    extra = {"recorded_s": round(status.seconds, 3), "overflows": status.overflows}
    if arguments.no_process:
        if arguments.json:
            say_json(_describe(status, meeting) | extra)
        return int(status.error is not None)
    outcome = work.process(meeting, extra)
    return int(status.error is not None or not outcome.ok)


def record(request: RecordingRequest) -> RecordingStatus:
    """Record until the request, the source or Ctrl-C ends it; returns the recorder's last word.

    Ctrl-C while a device is still being waited for gives the recording up. When the line drops (SIGHUP) the recorder
    goes on without this command.

    Raises:
        SottoError: The recording did not begin; `CancelledError` when it was given up.
        RecorderError: The recorder is gone; what it wrote is on disk.
    """
    recorder = launch(request)
    last: RecordingStatus | None = None
    try:
        with interrupted_by(recorder.cancel), recorder.wait() as client:
            for last in client.updates():
                Status.show(_line(last))
    finally:
        Status.clear()
    if last is None or not last.over:
        folder = last.meeting if last else request.folder
        raise RecorderError(f"The recorder ended without a word. What it wrote is in {folder}.")
    return last


def _line(status: RecordingStatus) -> str:
    levels = "  ".join(f"{channel.speaker or channel.source} {channel.peak_db:4.0f} dB" for channel in status.channels)
    lost = f"  {status.overflows} frames lost" if status.overflows else ""
    return f"● {clock(status.seconds)}  {levels}{lost}  Ctrl-C ends the recording"


def _describe(status: RecordingStatus, meeting: Path) -> dict[str, Any]:
    return {
        "meeting": str(meeting),
        "ok": status.error is None,
        "error": status.error.message if status.error else None,
        "duration_s": round(status.seconds, 3),
    }
