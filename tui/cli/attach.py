"""`sotto attach`: the app, when there is a recording for it to show."""

from __future__ import annotations

from argparse import Namespace

from services.errors import NoRecordingError
from services.recording import client
from services.recording.client import RecorderClient
from tui.cli import app


def run(arguments: Namespace) -> int:
    running_recorder().close()
    return app.run(arguments)


def running_recorder() -> RecorderClient:
    """The recorder that is at work.

    Raises:
        NoRecordingError: None is.
        RecorderError: It does not answer.
    """
    running = client.attach()
    if running is None:
        raise NoRecordingError("No recording is running.", "`sotto record` begins one, or `sotto` and then r.")
    return running
