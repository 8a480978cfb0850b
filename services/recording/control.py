"""The recorder's Unix socket: whoever has the same user id may ask, stop and follow. See `messages` for the words.

One thread serves all connections without ever waiting for one of them. What is not understood is answered with an error
and changes nothing. A follower that reads slowly misses status lines, never the last one, as long as it reads within
`_FAREWELL_SECONDS`.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path

from services.errors import SottoError, UsageError
from services.recording.connection import peer_of
from services.recording.messages import MAX_LINE, Order, RecordingStatus, decode_order, encode

_log = logging.getLogger("sotto.control")

STATUS_SECONDS = 0.2
_IDLE_SECONDS = 1.0
_FAREWELL_SECONDS = 2.0
_MAX_PEERS = 32
_BACKLOG = 128
_MAX_UNREAD = 64 * 1024
_PIECE = 64 * 1024


class Peer:
    """One connection. All methods return at once."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.subscribed = False
        self.heard_at = time.monotonic()
        self._incoming = bytearray()
        self._overlong = False
        self._outgoing = bytearray()
        self._newest = b""

    @property
    def waiting(self) -> bool:
        """Whether it has not read everything yet."""
        return bool(self._outgoing or self._newest)

    def receive(self) -> list[bytes] | None:
        """The whole lines that have come; an overlong one as `b""`. None when the other side has closed."""
        try:
            data = self.socket.recv(_PIECE)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self.heard_at = time.monotonic()
        self._incoming += data
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = bytearray(rest)
        found = [b"" if len(line) > MAX_LINE else bytes(line) for line in lines]
        if found and self._overlong:
            found, self._overlong = found[1:], False  # its beginning has been answered
        if len(rest) > MAX_LINE:
            self._incoming.clear()
            if not self._overlong:
                self._overlong = True
                found.append(b"")
        return found

    def reply(self, line: bytes) -> bool:
        """Send a line. Returns False when the other side does not read and is to be given up."""
        self._outgoing += line
        return self.flush() and len(self._outgoing) <= _MAX_UNREAD

    def offer(self, line: bytes) -> bool:
        """Send a status line, in the place of an older one that has not gone yet. Returns like `reply`."""
        self._newest = line
        return self.flush()

    def flush(self) -> bool:
        """Send what the other side takes. Returns False when it is gone."""
        try:
            while self.waiting:
                if not self._outgoing:
                    self._outgoing += self._newest
                    self._newest = b""
                sent = self.socket.send(self._outgoing)
                del self._outgoing[:sent]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class ControlServer:
    """Listens at `path`, which is made with mode 0600; whatever lies there is removed.

    The caller holds the recorder's lock, so what lies there is a leftover. `wake` may be called from any thread.

    Args:
        path: Where the socket goes, in a folder of mode 0700.
        status: Tells the present status.
        obey: Takes every order but `status` and `subscribe`, which are answered here; returns at once.
    """

    def __init__(self, path: Path, status: Callable[[], RecordingStatus], obey: Callable[[Order], None]) -> None:
        self._path = path
        self._status = status
        self._obey = obey
        self._peers: dict[int, Peer] = {}
        self._told_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._listener, self._inode = self._listen()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def _listen(self) -> tuple[socket.socket, tuple[int, int]]:
        """Returns the socket, and what tells the file that it is reached by from another."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            os.chmod(self._path, 0o600)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            found = self._path.lstat()
        except OSError:
            listener.close()
            raise
        self._selector.register(listener, selectors.EVENT_READ)
        return listener, (found.st_dev, found.st_ino)

    @property
    def _reachable(self) -> bool:
        try:
            found = self._path.lstat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._inode

    def stay_reachable(self) -> None:
        """Listen anew where somebody took the socket away.

        Raises:
            OSError: It cannot be made now.
        """
        if not self._reachable:
            before = self._listener
            self._listener, self._inode = self._listen()
            self._selector.unregister(before)
            before.close()

    @property
    def wake_fd(self) -> int:
        """For `signal.set_wakeup_fd`."""
        return self._waker.fileno()

    def wake(self) -> None:
        """Let `serve` return soon."""
        try:
            self._waker.send(b"\0")
        except BlockingIOError:
            return  # it has been woken often enough

    def serve(self) -> None:
        """Wait for something to happen, at most a second, and deal with it."""
        followed = any(peer.subscribed for peer in self._peers.values())
        for key, events in self._selector.select(STATUS_SECONDS if followed else _IDLE_SECONDS):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._woken:
                self._woken.recv(_PIECE)
            elif key.fd in self._peers:
                self._serve(self._peers[key.fd], events)
        if time.monotonic() - self._told_at >= STATUS_SECONDS:
            self.tell()

    def tell(self) -> None:
        """Send the status to every follower."""
        self._told_at = time.monotonic()
        line = encode(self._status().to_dict())
        for peer in [peer for peer in self._peers.values() if peer.subscribed]:
            self._keep(peer, peer.offer(line))

    def adopt(self, connection: socket.socket) -> None:
        """Take over a connection that exists already, as a follower."""
        self._add(connection).subscribed = True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it has gone again
        user = peer_of(connection).user  # where the system does not tell, the folder's mode is the only guard
        if user not in (None, os.getuid()):
            _log.warning("refused a connection of user %s", user)
            connection.close()
            return
        if len(self._peers) >= _MAX_PEERS:
            oldest = min(self._peers.values(), key=lambda each: (each.subscribed, each.heard_at))
            oldest.reply(_error(UsageError("Too many connections: the one that said nothing for longest goes.")))
            self._drop(oldest)
        self._add(connection)

    def _add(self, connection: socket.socket) -> Peer:
        connection.setblocking(False)
        peer = self._peers[connection.fileno()] = Peer(connection)
        self._selector.register(connection, selectors.EVENT_READ)
        return peer

    def _serve(self, peer: Peer, events: int) -> None:
        alive = not events & selectors.EVENT_WRITE or peer.flush()
        lines = peer.receive() if alive and events & selectors.EVENT_READ else []
        for line in lines or ():
            alive = alive and self._answer(peer, line)
        self._keep(peer, alive and lines is not None)

    def _answer(self, peer: Peer, line: bytes) -> bool:
        try:
            order = decode_order(line)
        except UsageError as error:
            return peer.reply(_error(error))
        if order.command == "subscribe":
            peer.subscribed = True
        elif order.command != "status":
            _log.info("told to %s", order.command)
            self._obey(order)
        return peer.reply(encode(self._status().to_dict()))

    def _keep(self, peer: Peer, alive: bool) -> None:
        if not alive:
            self._drop(peer)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.waiting else 0)
        if self._selector.get_key(peer.socket).events != wanted:
            self._selector.modify(peer.socket, wanted)

    def _drop(self, peer: Peer) -> None:
        self._selector.unregister(peer.socket)
        del self._peers[peer.socket.fileno()]
        peer.socket.close()

    def say_farewell(self) -> None:
        """Send the last status to every follower, and wait a moment for those who read slowly."""
        self.tell()
        deadline = time.monotonic() + _FAREWELL_SECONDS
        while any(peer.subscribed and peer.waiting for peer in self._peers.values()) and time.monotonic() < deadline:
            self.serve()

    def unlink(self) -> None:
        """Take the socket away: nobody can connect any more."""
        self._selector.unregister(self._listener)
        self._listener.close()
        if self._reachable:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close all connections."""
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._selector.close()
        self._woken.close()
        self._waker.close()


def _error(error: SottoError) -> bytes:
    return encode({"type": "error", "error": error.to_dict()})
