"""The child: `python -m services.worker.host KIND MODULE FD LIMIT_MB`, started by `services.worker.client`.

The main thread runs the calls, one after another. A second thread reads the socket, so that a cancel arrives while a
call is at work, and so that the child ends at once when the app is gone.
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time

from services.errors import CancelledError, MemoryLimitError, SottoError, WorkerError
from services.memory.limits import confine, confined_to, is_refusal, refused
from services.worker import protocol
from services.worker.handler import Handler, Json
from services.worker.process import die_with_parent

_log = logging.getLogger("sotto.worker")

_PROGRESS_SECONDS = 0.1
"""Progress that comes faster than this is merged: the screen shows ten a second at the most."""


class HostCall:
    """`services.worker.handler.Call` on the child's side."""

    def __init__(self, number: int, channel: protocol.Channel) -> None:
        self.number = number
        self._channel = channel
        self._cancel = threading.Event()
        self._progress_at = 0.0

    def item(self, data: Json) -> None:
        self._channel.send({"id": self.number, "item": data})

    def progress(self, done: float, total: float = 0.0, what: str = "") -> None:
        now = time.monotonic()
        if now - self._progress_at >= _PROGRESS_SECONDS or done >= total:
            self._progress_at = now
            self._channel.send({"id": self.number, "progress": [done, total, what]})

    def check(self) -> None:
        if self._cancel.is_set():
            raise CancelledError("It was cancelled.")

    @property
    def cancelled(self) -> bool:
        return self._cancel.is_set()

    def cancel(self) -> None:
        self._cancel.set()


class Host:
    """Serves calls until the app closes the socket."""

    def __init__(self, handler: Handler, channel: protocol.Channel) -> None:
        self._handler = handler
        self._channel = channel
        self._calls: queue.SimpleQueue[tuple[HostCall, str, Json] | None] = queue.SimpleQueue()
        self._open: dict[int, HostCall] = {}

    def run(self) -> None:
        threading.Thread(target=self._read, name="socket", daemon=True).start()
        while (work := self._calls.get()) is not None:
            call, name, args = work
            self._channel.send({"id": call.number} | self._serve(call, name, args))
            self._open.pop(call.number, None)

    def _serve(self, call: HostCall, name: str, args: Json) -> Json:
        if name not in self._handler:
            return {"error": WorkerError(f"This worker has no method {name!r}.").to_dict()}
        try:
            call.check()
            return {"result": self._handler[name](args, call)}
        except (BrokenPipeError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect in an engine must reach the app as an error, not as silence
            return {"error": _told(name, error).to_dict()}

    def _read(self) -> None:
        while True:
            frame = self._channel.receive()
            if frame is None:
                self._leave()
                return
            if "cancel" in frame:
                call = self._open.get(int(frame["cancel"]))
                if call is not None:
                    call.cancel()
            else:
                call = HostCall(int(frame["id"]), self._channel)
                self._open[call.number] = call
                self._calls.put((call, str(frame["call"]), dict(frame["args"])))

    def _leave(self) -> None:
        """The app closed the socket. Let a call end by itself for a moment, then go without ceremony:
        a native library that computes cannot be asked."""
        for call in list(self._open.values()):
            call.cancel()
        self._calls.put(None)
        deadline = time.monotonic() + 1.0
        while self._open and time.monotonic() < deadline:
            time.sleep(0.02)
        os._exit(0)


def _told(name: str, error: Exception) -> SottoError:
    """What the caller is told of an error in method `name`."""
    if isinstance(error, CancelledError | MemoryLimitError):
        return error
    if not isinstance(error, SottoError):
        _log.exception("%s failed", name)
    if is_refusal(error):  # also where an engine took it for a damaged model or file
        return refused(confined_to())
    if isinstance(error, SottoError):
        return error
    if isinstance(error, OSError):
        return WorkerError(f"{error.strerror or error} ({error.filename or name}).")
    return WorkerError(f"{type(error).__name__}: {error}", "The log has the details.")


def main(kind: str, module: str, fd: int, limit_mb: float) -> int:
    die_with_parent()
    confine(limit_mb)  # before anything is imported that takes memory
    # Ctrl-C in the terminal goes to the whole foreground group; the app decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {kind} %(name)s %(levelname)s %(message)s")
    channel = protocol.Channel(socket.socket(fileno=fd))
    handler: Handler = importlib.import_module(module).create()
    channel.send({"hello": {"version": protocol.VERSION, "kind": kind, "pid": os.getpid()}})
    Host(handler, channel).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
