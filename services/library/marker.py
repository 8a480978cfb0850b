"""Markers: small hidden files in a meeting's folder that say which process is at work on it.

A marker is held with a lock (flock) for as long as its process lives: there and locked, somebody is at work; there and
free, that process ended before it could take its marker away. Some network mounts know no locks. There the marker says
so, and the process that it names decides: alive, and one that could have made it, or not.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from services import files
from services.errors import MeetingBusyError
from services.memory.components import is_recorder

State = Literal["none", "held", "left"]

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 0.5
"""Whoever looks at a marker locks it for an instant: not longer than this."""
_MAX_BYTES = 200


class Marker:
    """A marker that this process holds, until `remove` or its end. Not inherited by children.

    Args:
        path: `Meeting.recording_marker` or `Meeting.processing_marker`. One that was left there is taken over.
        could_hold: Tells whether a process is one that makes such markers; asked only where there are no locks.

    Raises:
        MeetingBusyError: Another process, or another part of this one, holds it.
        StorageError: It cannot be written.
    """

    def __init__(self, path: Path, could_hold: Callable[[int], bool] = is_recorder) -> None:
        self._path = path
        self._could_hold = could_hold
        self._fd: int | None = None
        try:
            while self._fd is None:
                self._fd = self._take()
        except OSError as error:
            raise files.disk_error(path, error) from error

    def _take(self) -> int | None:
        """Open, lock and fill the file; None when its last holder removed it just before we had the lock."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            locked = self._lock(fd)
            if not is_at(self._path, fd):
                os.close(fd)
                return None
            os.fchmod(fd, 0o600)
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps({"pid": os.getpid(), "locked": locked}).encode() + b"\n", 0)
            os.fsync(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _lock(self, fd: int) -> bool:
        """Returns whether the file system knows locks.

        Raises:
            MeetingBusyError: Somebody else has it.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._busy() from None
                time.sleep(0.01)
            except OSError as error:
                pid, _ = _named(fd)
                if pid != os.getpid() and self._could_hold(pid):
                    raise self._busy() from error
                return False
            else:
                return True

    def _busy(self) -> MeetingBusyError:
        return MeetingBusyError(f"Another sotto is at work on {self._path.parent}.", "Wait until it has finished.")

    def remove(self) -> None:
        """Take the marker away: the work has ended in order. May be called twice."""
        if self._fd is None:
            return
        try:
            self._path.unlink(missing_ok=True)  # before the lock goes: nobody may see it there and free
        except OSError:
            _log.exception("a marker stays, and will be taken for left behind")
        os.close(self._fd)
        self._fd = None

    def __enter__(self) -> Marker:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def look(path: Path, could_hold: Callable[[int], bool] = is_recorder, pid: int = 0) -> State:
    """Whether there is a marker at `path`, and whether its process is still at work.

    Args:
        path: Where the marker would be.
        could_hold: Tells whether a process is one that makes such markers; asked only where no lock tells.
        pid: The process to ask about where the marker names none: its maker had no time to fill it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return "none"  # a link, or not ours to read: nobody of us made it
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return "none"
        known, locked = _named(fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return "held"
        except OSError:
            locked = False
        if not is_at(path, fd):
            return "none"
        return "left" if locked or not could_hold(known or pid) else "held"
    finally:
        os.close(fd)


def _named(fd: int) -> tuple[int, bool]:
    """The process that a marker names, 0 for none, and whether it could lock it."""
    try:
        data = json.loads(os.pread(fd, _MAX_BYTES, 0))
        pid, locked = data["pid"], data["locked"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return 0, False
    return pid if isinstance(pid, int) and 0 < pid < 1 << 31 else 0, locked is True


def is_at(path: Path, fd: int) -> bool:
    """Whether the open file `fd` is the one that lies at `path` now."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
