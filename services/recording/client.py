"""The app's side of the recorder: start it, find it, follow it, stop it. Imports neither sound nor arrays."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from services import paths
from services.childlog import ChildLog
from services.cores import ONE_MATRIX_THREAD
from services.errors import (
    CancelledError,
    DeviceError,
    NoRecordingError,
    RecorderBusyError,
    RecorderError,
    SottoError,
    StorageError,
)
from services.recording.connection import ANSWER_SECONDS, Connection, SilentRecorderError, silent
from services.recording.messages import (
    FILE_PREFIX,
    Alert,
    Device,
    Order,
    RecordingRequest,
    RecordingStatus,
    encode,
    is_file,
)
from services.text import one_line

__all__ = ["Launch", "RecorderClient", "RecordingRequest", "RecordingStatus", "attach", "list_devices", "start"]

_MODULE = "services.recording.recorder"
_LEAN = ONE_MATRIX_THREAD | {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""With a heap for each thread, as glibc has it, the recorder grows twice as much in its first minutes; and blocks of
sound that are larger than usual, as after a delay, are given back."""


SILENCE_SECONDS = 4.0
"""A recorder tells its status five times a second. When it has told nothing for so long, followers are warned."""


def _ignore(_: str) -> None:
    """For callers who do not watch the start."""


class RecorderClient:
    """A recorder at work. Any thread may call any method; one at a time iterates `updates`.

    Args:
        socket_path: The recorder's socket.
        follow: A connection that follows the recording already, and what it has told.
    """

    def __init__(self, socket_path: Path, follow: tuple[Connection, RecordingStatus] | None = None) -> None:
        self._path = socket_path
        self._lock = threading.Lock()
        self._follow = follow
        self._following: Connection | None = follow[0] if follow else None
        self._closed = False

    def status(self) -> RecordingStatus:
        """What it does now.

        Raises:
            RecorderError: It is gone, or does not answer.
        """
        return self.order(Order("status"))

    def order(self, order: Order) -> RecordingStatus:
        """Tell it to do something, and do not wait until it has been done; returns how things stood then.

        Raises:
            RecorderError: It is gone, or does not answer.
        """
        with Connection.to(self._path) as connection:
            return connection.ask(order)

    def stop(self) -> RecordingStatus:
        """End the recording; returns its last status when all is on disk and the next recording may start.

        Raises:
            NoRecordingError: There is none.
            RecorderError: It is gone, or does not answer.
        """
        with Connection.to(self._path) as connection:
            last = connection.ask(Order("stop"))
            connection.send(Order("subscribe"))
            for last in connection.statuses(ANSWER_SECONDS):  # noqa: B007 - the last one counts
                pass
        if not last.over:
            raise _vanished(last)
        return last

    def updates(self) -> Iterator[RecordingStatus]:
        """The status, about five times a second, until the recording is over or `close` is called.

        While the recorder tells nothing, its last word comes again now and then, with a `no_answer` alert.

        Raises:
            RecorderError: The recorder ended without finishing. What it wrote is on disk.
        """
        with self._lock:
            follow, self._follow = self._follow, None
        if follow is None:
            connection = Connection.to(self._path)
            last = connection.ask(Order("subscribe"))
        else:
            connection, last = follow
        with connection:
            with self._lock:
                self._following = connection
            yield last
            if not self._closed:
                for status in _heard(connection, last):
                    last = status
                    yield status
        if not self._closed and not last.over:
            raise _vanished(last)

    def close(self) -> None:
        """End `updates`. The recorder goes on."""
        with self._lock:
            self._closed = True
            if self._following is not None:
                self._following.hang_up()
            if self._follow is not None:  # nobody has iterated `updates`
                self._follow[0].close()
                self._follow = self._following = None

    def __enter__(self) -> RecorderClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _heard(connection: Connection, last: RecordingStatus) -> Iterator[RecordingStatus]:
    while True:
        try:
            for last in connection.statuses(SILENCE_SECONDS):
                yield last
        except SilentRecorderError as error:
            if not last.over:
                # The connection may be a pair that we made ourselves: the recorder knows who it is.
                hint = silent(error.message, last.pid).hint
                yield replace(last, alerts=(Alert("no_answer", error.message, hint, "critical"),))
        else:
            return


class Launch:
    """A recorder that is being started.

    Args:
        request: What to record.

    Raises:
        StorageError: The runtime or state folder cannot be used.
        RecorderError: The system starts no more processes.
    """

    def __init__(self, request: RecordingRequest) -> None:
        self._cancelled = False
        self._path = paths.recorder_socket()
        self._log = ChildLog(paths.log_file("recorder"))
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours)
        try:
            with theirs, self._log.opened() as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", _MODULE],
                    stdin=theirs.fileno(),
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    cwd="/",
                    env=os.environ | _LEAN,
                )
        except StorageError:
            self._connection.close()
            raise
        except OSError as error:
            self._connection.close()
            raise RecorderError(
                f"The recorder could not be started: {error}.", "Free some memory and try again."
            ) from error
        # Whoever starts a recorder may live longer than it: somebody has to collect what is left of it.
        threading.Thread(target=self._process.wait, name="recorder's end", daemon=True).start()
        self._connection.send_line(encode(_absolute(request).to_dict()))

    def wait(self, on_wait: Callable[[str], None] = _ignore) -> RecorderClient:
        """Wait until it records, however long that takes: a device may need its time, and so may a slow machine.

        Args:
            on_wait: Takes what it is waiting for, whenever that changes.

        Raises:
            SottoError: The recorder's own, when the recording cannot begin.
            CancelledError: `cancel` was called.
            RecorderError: The recorder ended without a word.
        """
        told = ""
        for status in self._connection.statuses():
            if status.state == "failed" and status.meeting is None:
                self._connection.close()
                raise status.error or RecorderError("The recording did not begin.")
            if status.state != "starting":
                return RecorderClient(self._path, (self._connection, status))
            if status.detail != told:
                told = status.detail
                on_wait(told)
        self._connection.close()
        if self._cancelled:
            raise CancelledError("The recording was given up before it began.")
        raise RecorderError("The recorder ended before it began to record.", self._log.hint())

    def cancel(self) -> None:
        """Give the start up, from any thread; `wait` raises. A recording that has begun ends in order, and where the
        recorder has ended nothing happens."""
        self._cancelled = True
        self._process.terminate()


def start(request: RecordingRequest, on_wait: Callable[[str], None] = _ignore) -> RecorderClient:
    """Start a recorder and wait until it records.

    Args:
        request: What to record. Paths of files may be relative.
        on_wait: Takes what it is waiting for, whenever that changes.

    Raises:
        RecorderBusyError: A recording is running already.
        SottoError: The recorder's own, when the recording cannot begin.
    """
    return launch(request).wait(on_wait)


def launch(request: RecordingRequest) -> Launch:
    """Like `start`, without the waiting.

    Raises:
        RecorderBusyError: A recording is running already.
    """
    if (running := attach()) is not None:
        running.close()
        raise busy_error()
    return Launch(request)


def trace() -> tuple[int, int] | None:
    """What tells one recorder's socket from another's, without a word to it; None where there is none."""
    try:
        there = paths.recorder_socket().stat()
    except (OSError, StorageError):  # the end of a login session may have taken the folder away
        return None
    return there.st_ino, there.st_ctime_ns


def attach() -> RecorderClient | None:
    """The recorder that is at work for this user, whoever started it; None when there is none.

    Raises:
        RecorderError: There is one, and it does not answer.
    """
    client = RecorderClient(paths.recorder_socket())
    try:
        status = client.status()
    except NoRecordingError:
        return None
    return None if status.over else client


def busy_error() -> RecorderBusyError:
    """What to tell somebody who cannot record because a recording is running."""
    try:
        status = RecorderClient(paths.recorder_socket()).status()
    except RecorderError:
        return RecorderBusyError("Another recording is just starting or ending.", "Try again in a moment.")
    since = f" since {datetime.fromisoformat(status.started):%H:%M}" if status.started else ""
    return RecorderBusyError(
        f"“{one_line(status.title)}” has been recorded{since}; there is one recording at a time.",
        "`sotto attach` shows it, `sotto stop` ends it.",
    )


def list_devices() -> tuple[Device, ...]:
    """What can be recorded on this machine. Takes about half a second.

    Raises:
        DeviceError: PortAudio is not installed, or does not work.
        StorageError: The state folder cannot be used.
    """
    log = ChildLog(paths.log_file("devices"))
    with log.opened() as output:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "services.recording.devices"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            check=False,
        )
    try:
        reply = json.loads(done.stdout)
        if "error" in reply:
            error = SottoError.from_dict(reply["error"])
        else:
            return tuple(Device(**device) for device in reply["devices"])
    except (KeyError, TypeError, ValueError) as problem:
        raise DeviceError("The sound devices cannot be listed.", log.hint()) from problem
    raise error


def _absolute(request: RecordingRequest) -> RecordingRequest:
    """The recorder works in another folder: paths mean what they mean here."""
    sources = tuple(
        FILE_PREFIX + str(Path(source.removeprefix(FILE_PREFIX)).expanduser().absolute()) if is_file(source) else source
        for source in request.sources
    )
    return replace(request, sources=sources, folder=request.folder.expanduser().absolute())


def _vanished(last: RecordingStatus) -> RecorderError:
    where = f"What it wrote until then is in {last.meeting}." if last.meeting else "The log is recorder.log."
    return RecorderError("The recorder ended without a word.", f"{where} `sotto recover` looks for what is unfinished.")
