"""`sotto status`: what is being recorded, and what waits to be finished."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

from services.errors import SottoError
from services.library.unfinished import find
from services.recording import client
from services.recording.messages import RecordingStatus
from services.text import clock, one_line
from tui.cli import chosen
from tui.cli.output import say, say_json

_STATES = {
    "starting": "A recording is starting",
    "recording": "Recording",
    "paused": "Paused",
    "finishing": "Finishing",
}


def run(arguments: Namespace) -> int:
    """0 when a recording runs, 1 when none does."""
    running = client.attach()
    status = running.status() if running is not None else None
    if status is not None and status.over:
        status = None
    try:
        waiting = sum(each.state != "recording" for each in find(chosen.load().folder))
    except SottoError:
        # What runs does not depend on the settings, nor on other meetings: it is told first.
        if status is not None and not arguments.json:
            _print(status)
        raise
    if arguments.json:
        told = status.to_dict() if status is not None else {}
        told.pop("type", None)
        say_json({"running": status is not None, **told, "unfinished": waiting})
    else:
        _print(status)
        if waiting:
            say(f"\n{_count(waiting)} to be finished: sotto recover")
    return int(status is None)


def _print(status: RecordingStatus | None) -> None:
    if status is None:
        say("No recording is running.")
        return
    since = f" since {datetime.fromisoformat(status.started):%H:%M}" if status.started else ""
    say(f"{_STATES.get(status.state, status.state)}: “{one_line(status.title)}”{since}")
    rows = [("length", clock(status.seconds))] if status.meeting else []
    if status.detail:
        rows.append(("now", status.detail))
    if status.stops_in is not None:
        rows.append(("stops in", clock(status.stops_in)))
    rows += _channels(status)
    if status.lost_s:
        rows.append(("lost", f"{status.lost_s:.2f} s"))
    if status.meeting:
        rows.append(("folder", str(status.meeting)))
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        say(f"  {name:<{width}}  {value}")
    for alert in status.alerts:
        say(f"\n  {alert.severity}: {one_line(alert.message)}")
        if alert.hint:
            say(f"  {' ' * len(alert.severity)}  {one_line(alert.hint)}")


def _channels(status: RecordingStatus) -> list[tuple[str, str]]:
    return [
        (
            one_line(channel.speaker or "channel", 20),
            f"{channel.peak_db:4.0f} dB  {_source(channel.source, channel.device)}",
        )
        for channel in status.channels
    ]


def _source(source: str, device: str) -> str:
    return one_line(f"{source}: {device}" if device and device != source else source)


def _count(number: int) -> str:
    return "1 meeting waits" if number == 1 else f"{number} meetings wait"
