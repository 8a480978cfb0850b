"""A line to the recorder's socket, for programs that import neither sound nor arrays."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from services.errors import RecorderError
from services.recording.messages import Order, RecordingStatus, decode_reply, encode

_ANSWER_SECONDS = 10.0
"""A recorder answers at once. When it does not, it was stopped or hangs, and a person wants to know."""


class Connection:
    """A line to the recorder. One thread reads; `hang_up` is for any."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(None)
        self._incoming = bytearray()

    @staticmethod
    def to(path: Path) -> Connection:
        """Raises `RecorderError` when nobody listens there."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            raise RecorderError("No recording is running.", "Press r, or type `sotto record`.") from error
        return Connection(connection)

    def send(self, order: Order) -> None:
        self.send_line(encode(order.to_dict()))

    def send_line(self, line: bytes) -> None:
        try:
            self._socket.sendall(line)
        except ConnectionError:
            return  # it has ended: reading tells how

    def ask(self, order: Order) -> RecordingStatus:
        """Send an order and return the answer.

        Raises:
            RecorderError: No answer came.
        """
        self.send(order)
        self._socket.settimeout(_ANSWER_SECONDS)
        try:
            for status in self.statuses():
                return status
        except TimeoutError as error:
            raise RecorderError(
                f"The recorder has not answered for {_ANSWER_SECONDS:.0f} s.", "It may have been stopped by a signal."
            ) from error
        finally:
            self._socket.settimeout(None)
        raise RecorderError("The recorder has just ended.", "Look whether its meeting is complete.")

    def statuses(self) -> Iterator[RecordingStatus]:
        """What it tells, until the connection ends.

        Raises:
            SottoError: The recorder did not understand something.
        """
        while True:
            line, found, rest = self._incoming.partition(b"\n")
            if found:
                self._incoming = rest
                yield decode_reply(bytes(line))
                continue
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                return
            if not data:
                return
            self._incoming += data

    def hang_up(self) -> None:
        """End `statuses`."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
