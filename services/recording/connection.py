"""A line to the recorder's socket, for programs that import neither sound nor arrays."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.errors import NoRecordingError, RecorderError
from services.recording.messages import Order, RecordingStatus, decode_reply, encode

ANSWER_SECONDS = 10.0
"""A recorder answers at once. When it does not, it was stopped or hangs, and a person wants to know."""


class SilentRecorderError(RecorderError):
    """The recorder is there and tells nothing: a signal stopped it, or it hangs."""


class Connection:
    """A line to the recorder. One thread reads; `hang_up` is for any."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(None)
        self._incoming = bytearray()

    @staticmethod
    def to(path: Path) -> Connection:
        """A new line to the recorder whose socket is at `path`.

        Raises:
            NoRecordingError: Nobody listens there.
            RecorderError: Somebody does, and answers nobody any more.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(path))
        except (BlockingIOError, TimeoutError) as error:  # so many wait for it that no more may
            connection.close()
            raise silent("So many wait for the recorder that nobody else is let in.") from error
        except OSError as error:
            connection.close()
            raise NoRecordingError("No recording is running.", "`sotto record` begins one, or r in the app.") from error
        return Connection(connection)

    def send(self, order: Order) -> None:
        self.send_line(encode(order.to_dict()))

    def send_line(self, line: bytes) -> None:
        try:
            self._socket.sendall(line)
        except (ConnectionError, TimeoutError):
            return  # it has ended, or hangs: reading tells how

    def ask(self, order: Order) -> RecordingStatus:
        """Send an order and return the answer.

        Raises:
            NoRecordingError: The recorder has just ended.
            RecorderError: No answer came.
        """
        self.send(order)
        for status in self.statuses(ANSWER_SECONDS):
            return status
        raise NoRecordingError("The recorder has just ended.", "`sotto recover` lists what is not finished.")

    def statuses(self, patience: float | None = None) -> Iterator[RecordingStatus]:
        """What it tells, until the connection ends.

        Args:
            patience: So many seconds it may say nothing; None: as long as it likes.

        Raises:
            SottoError: The recorder did not understand something.
            SilentRecorderError: It said nothing for too long. What it says later may be read by calling this again.
        """
        while True:
            line, found, rest = self._incoming.partition(b"\n")
            if found:
                self._incoming = rest
                yield decode_reply(bytes(line))
                continue
            try:
                self._socket.settimeout(patience)
                data = self._socket.recv(65536)
            except TimeoutError as error:
                said = f"The recorder has not answered for {patience:.0f} s."
                raise silent(said, peer_of(self._socket).pid) from error
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


@dataclass(frozen=True, slots=True)
class OtherEnd:
    """Who is at the other end of a Unix socket.

    Attributes:
        pid: The process; 0 where the system does not tell.
        user: The user's number; None where the system does not tell.
    """

    pid: int = 0
    user: int | None = None


def peer_of(connection: socket.socket) -> OtherEnd:
    """Who is at the other end."""
    if sys.platform == "linux":
        size = struct.calcsize("3i")  # struct ucred: pid, uid, gid (unix(7))
        pid, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return OtherEnd(pid, user)
    elif sys.platform == "darwin":
        # struct xucred: version, uid, number of groups, groups (sys/ucred.h); SOL_LOCAL and LOCAL_PEERCRED of sys/un.h
        _, user = struct.unpack_from("II", connection.getsockopt(0, 1, struct.calcsize("IIh") + 66))
        return OtherEnd(user=user)
    else:
        return OtherEnd()


def silent(said: str, pid: int = 0) -> SilentRecorderError:
    """The error for a recorder, the process `pid`, that tells nothing."""
    return SilentRecorderError(
        said,
        f"What it has recorded is on disk. If a signal stopped it, `kill -CONT {pid or 'PID'}` lets it go on.",
    )
