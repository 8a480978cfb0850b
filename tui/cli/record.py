"""`sotto record`: record a meeting without the app, then write it up."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from services.plans import obstacles, request_of
from services.recording.client import launch
from services.recording.messages import Alert, AlertKind, RecordingRequest, RecordingStatus
from services.settings import Settings
from services.text import clock
from tui.cli.output import Status, fail, note, say_json
from tui.cli.signals import interrupted_by
from tui.cli.work import Work, settings_for


def run(arguments: Namespace) -> int:
    chosen = settings_for(arguments)
    work = Work(chosen, arguments.json)  # first: a wrong engine is told before the meeting, not after it
    if not arguments.no_process:
        _tell_what_is_missing(work)
    status = record(_request(arguments, chosen))
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
    outcome = work.process(meeting, extra, in_turn=True)  # an open app may have begun
    return int(status.error is not None or not outcome.ok)


def _tell_what_is_missing(work: Work) -> None:
    """A meeting does not wait for a model: it is recorded all the same, and written up when the model is here."""
    for what, error in obstacles(work.plan).items():
        if what != "captions":  # a command shows none
            note(f"There will be no {what} before this is mended: {error.message} {error.hint}")


def _request(arguments: Namespace, chosen: Settings) -> RecordingRequest:
    """What the settings want, with what the command line says above it."""
    request = replace(
        request_of(chosen, tuple(arguments.source or ()), arguments.title),
        speed=arguments.speed,
        only=arguments.no_process,
    )
    if arguments.seconds is not None:
        request = replace(request, seconds=arguments.seconds)
    if arguments.stop_after_silence is not None:
        request = replace(request, silence_seconds=arguments.stop_after_silence * 60)
    if arguments.until is not None:
        now = datetime.now()
        until = next_time(arguments.until, now)
        note(f"Stops {'today' if until.date() == now.date() else 'tomorrow'} at {until:%H:%M}")
        request = replace(request, until=until.timestamp())
    return request


def next_time(wanted: time, now: datetime) -> datetime:
    """The next moment, after `now`, at which local clocks show `wanted`; neither has a time zone."""
    today = datetime.combine(now.date(), wanted)
    return today if today > now else today + timedelta(days=1)


def record(request: RecordingRequest) -> RecordingStatus:
    """Record until the request, the source or Ctrl-C ends it; returns the recorder's last word.

    Ctrl-C while a device is still being waited for gives the recording up. When the line drops (SIGHUP) the recorder
    goes on without this command.

    Raises:
        SottoError: The recording did not begin; `CancelledError` when it was given up.
        RecorderError: The recorder is gone; what it wrote is on disk.
    """
    recorder = launch(request)
    alerts = Alerts()
    try:
        with interrupted_by(recorder.cancel), recorder.wait() as client:
            for last in client.updates():
                alerts.tell(last)
                Status.show(line_of(last))
    finally:
        Status.clear()
    return last


class Alerts:
    """Tells each alert when it begins, and when it is over."""

    def __init__(self) -> None:
        self._told: dict[tuple[AlertKind, int | None], Alert] = {}

    def tell(self, status: RecordingStatus) -> None:
        if status.over:
            return
        # What is only worth a line on a screen is noise here, and the coming end stands in the status line.
        told = [alert for alert in status.alerts if alert.severity != "info" and alert.kind != "stopping"]
        now = {(alert.kind, alert.channel): alert for alert in told}
        for alert in (now[key] for key in now if key not in self._told):
            note(f"{clock(status.seconds)}  {alert.message} {alert.hint}".rstrip())
        for alert in (self._told[key] for key in self._told if key not in now):
            note(f"{clock(status.seconds)}  Over: {alert.message}")
        self._told = now


def line_of(status: RecordingStatus) -> str:
    """The status line while it records."""
    levels = "  ".join(f"{channel.speaker or channel.source} {channel.peak_db:4.0f} dB" for channel in status.channels)
    state = f"║ Paused {clock(status.seconds)}" if status.state == "paused" else f"● {clock(status.seconds)}  {levels}"
    lost = f"  {status.lost_s:.2f} s lost" if status.lost_s else ""
    stops = f"  stops in {clock(status.stops_in)}" if status.stops_in is not None else ""
    return f"{state}{lost}{stops}  Ctrl-C ends the recording"


def _describe(status: RecordingStatus, meeting: Path) -> dict[str, Any]:
    return {
        "meeting": str(meeting),
        "ok": status.error is None,
        "error": status.error.message if status.error else None,
        "duration_s": round(status.seconds, 3),
    }
