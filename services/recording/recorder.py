"""The recorder: `python -P -m services.recording.recorder`, started by `services.recording.client`.

A process of its own in a session of its own, so that it outlives the app, the terminal and the SSH line. What it is
told and what it tells is in `messages`; its standard output and error are the log.

The main thread serves the socket, `Capture` has a thread for the disk, PortAudio one for each device. SIGTERM and
SIGINT end the recording in order, SIGHUP is ignored. Exit code: 0 when the recording is complete, 1 when an error ended
it, 2 when the request makes no sense.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import socket
import stat
import sys
import time
from pathlib import Path

from services import paths
from services.errors import SottoError, UsageError
from services.library.marker import is_at
from services.recording.capture import Capture
from services.recording.client import busy_error
from services.recording.control import ControlServer
from services.recording.messages import RecordingRequest, RecordingStatus, encode

_log = logging.getLogger("sotto.recorder")

_LOCK = "recorder.lock"
_LOOK_SECONDS = 1.0
"""So often it looks whether it can be found still."""


def take_lock(path: Path) -> int:
    """Take the lock of this user's recorder; it is free again when the descriptor is closed or the process ends.

    Raises:
        RecorderBusyError: Another recorder has it.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise busy_error() from None
    return fd


def _stay(lock: int, server: ControlServer) -> int:
    """Take the lock and the socket again where somebody removed them; returns the lock that counts.

    The end of a login session does that, where the runtime folder goes with it (pam_systemd(8)): the recorder outlives
    the session, and who logs in again has to find it.
    """
    try:
        path = paths.runtime() / _LOCK
        if not is_at(path, lock):
            again = take_lock(path)
            os.close(lock)
            lock = again
            _log.info("the lock is back in %s", path.parent)
        server.stay_reachable()
    except (SottoError, OSError) as error:
        _log.debug("the runtime folder: %s", error)  # it may come back later
    return lock


def run(request: RecordingRequest, parent: socket.socket | None) -> int:
    """Record until something ends it. Returns the exit code.

    Args:
        request: What to record.
        parent: A connection to whoever started this process.

    Raises:
        RecorderBusyError: Another recorder is at work.
        StorageError: The runtime folder cannot be used.
    """
    lock = take_lock(paths.runtime() / _LOCK)
    told_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told_to_stop.append(number))
    capture = Capture(request, lambda: server.wake())
    server = ControlServer(paths.recorder_socket(), lambda: capture.status, capture.obey)
    if parent is not None:
        server.adopt(parent)
    signal.set_wakeup_fd(server.wake_fd, warn_on_full_buffer=False)
    capture.start()
    looked_at = time.monotonic()
    while not capture.status.over:
        server.serve()
        while told_to_stop:
            _log.info("signal %d: finishing", told_to_stop.pop())
            capture.stop()
        if time.monotonic() - looked_at >= _LOOK_SECONDS:
            looked_at = time.monotonic()
            lock = _stay(lock, server)
    status = capture.status
    _log.info("%s: %.1f s, %d bytes, %d frames lost", status.state, status.seconds, status.bytes, status.overflows)
    server.say_farewell()
    # In this order: whoever sees a connection end may start the next recording at once.
    server.unlink()
    os.close(lock)
    signal.set_wakeup_fd(-1)
    server.close()
    return int(status.error is not None)


def main() -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(
        level=logging.INFO, format=f"%(asctime)s recorder {os.getpid()} %(name)s %(levelname)s %(message)s"
    )
    parent = socket.socket(fileno=os.dup(0)) if stat.S_ISSOCK(os.fstat(0).st_mode) else None
    try:
        return run(_request(), parent)
    except SottoError as error:
        _log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400 - an answer to a user, not a defect
        if parent is not None:
            _refuse(parent, error)
        return error.exit_code


def _request() -> RecordingRequest:
    line = sys.stdin.buffer.readline()
    try:
        data = json.loads(line)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise UsageError("The recorder was not told what to record.", "Start it with `sotto record`.")
    return RecordingRequest.from_dict(data)


def _refuse(parent: socket.socket, error: SottoError) -> None:
    try:
        parent.sendall(encode(RecordingStatus("failed", error=error, pid=os.getpid()).to_dict()))
    except OSError as gone:
        _log.info("nobody is there to hear it: %s", gone)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # All is on disk. An orderly exit would wait for PortAudio, and that for a device that hangs.
    os._exit(code)
