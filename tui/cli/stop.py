"""`sotto stop`: end the recording that runs."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import Any

from services.recording.messages import RecordingStatus
from services.text import clock, one_line
from tui.cli.attach import running_recorder
from tui.cli.output import Status, fail, note, say, say_json


def run(arguments: Namespace) -> int:
    """Returns when all is on disk and the next recording may begin."""
    with running_recorder() as recorder:
        Status.show("Ending the recording ...")
        try:
            last = recorder.stop()
        finally:
            Status.clear()
    if arguments.json:
        say_json(_describe(last))
    elif last.meeting is None:
        say("The recording was given up before it began.")
    else:
        say(f"Recorded {clock(last.seconds)} of “{one_line(last.title)}” in {last.meeting}")
        note(f"To write it up: sotto process {shlex.quote(str(last.meeting))}")
        note("  An open app, or the `sotto record` that began it, does so by itself.")
    if last.meeting is None:
        return 0
    return fail(last.error) if last.error is not None else 0


def _describe(last: RecordingStatus) -> dict[str, Any]:
    return {
        "meeting": str(last.meeting) if last.meeting else None,
        "title": last.title,
        "ok": last.error is None,
        "error": last.error.message if last.error else None,
        "hint": last.error.hint if last.error else None,
        "duration_s": round(last.seconds, 3),
        "bytes": last.bytes,
        "overflows": last.overflows,
    }
