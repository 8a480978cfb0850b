"""Frames on the socket between the app and a worker: four bytes of length (big-endian), then JSON in UTF-8.

App to worker:   {"id": n, "call": name, "args": {...}}     {"cancel": n}
Worker to app:   {"hello": {"version": v, "kind": k, "pid": p}}    once, first
                 {"id": n, "item": {...}}                   a piece of the result, any number
                 {"id": n, "progress": [done, total, what]} a sign of life
                 {"id": n, "result": {...}}  or  {"id": n, "error": {...}}     once, last

Audio never crosses: a worker reads it from disk itself, so a slow worker cannot make anything else wait or grow.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading

from services.errors import WorkerError
from services.files import json_bytes
from services.worker.handler import Json

VERSION = 1
"""Both sides must agree; the worker tells its own in `hello`."""

MAX_FRAME = 16 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class Channel:
    """One end of the socket. `send` may be called from any thread, `receive` from one.

    Args:
        sock: A connected stream socket; the channel owns it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()
        self._received = bytearray()

    def send(self, frame: Json) -> None:
        """Raises `OSError` when the other side is gone."""
        body = json_bytes(frame)
        with self._sending:
            self._sock.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self, timeout: float | None = None) -> Json | None:
        """The next frame, or None when the other side closed.

        Args:
            timeout: Seconds to wait for more bytes; None waits for ever.

        Raises:
            TimeoutError: Nothing complete came in time; what came is kept for the next call.
            WorkerError: What came is not a frame.
        """
        while True:
            frame = self._take()
            if frame is not None:
                return frame
            # Not the socket's own time-out: that would cut off a long frame on its way out, too.
            if not select.select([self._sock], [], [], timeout)[0]:
                raise TimeoutError
            try:
                data = self._sock.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._received += data

    def _take(self) -> Json | None:
        if len(self._received) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._received)
        if length > MAX_FRAME:
            raise WorkerError(f"A worker sent a frame of {length} bytes; {MAX_FRAME} is the most.")
        end = _LENGTH.size + length
        if len(self._received) < end:
            return None
        body = bytes(self._received[_LENGTH.size : end])
        del self._received[:end]
        try:
            frame = json.loads(body)
        except ValueError as error:
            raise WorkerError("A worker sent something that is not JSON.") from error
        if not isinstance(frame, dict):
            raise WorkerError("A worker sent something that is not a frame.")
        return frame

    def close(self) -> None:
        self._sock.close()
