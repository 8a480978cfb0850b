"""What a child process prints: appended to a log, and its last words for the error that tells of its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from services.files import disk_error
from services.text import one_line

_LINES = 3
_TAIL_BYTES = 4096


class ChildLog:
    """The log of one child, mode 0600; other children of its kind append to the same file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file, for the child's standard output and error.

        Raises:
            StorageError: It cannot be written.
        """
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise disk_error(self.path, error) from error
        with open(fd, "wb") as file:
            self._start = os.fstat(fd).st_size  # of a file that is only appended to, the position is 0 until then
            yield file

    def hint(self) -> str:
        """The last lines that have come since it was opened, or where to look when there are none."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(self._start, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            lines = []  # somebody has taken it away: its name still says what to look for
        words = "; ".join([one_line(line) for line in lines if line.strip()][-_LINES:])
        return f"Its last words: {words}" if words else f"The log is {self.path}."
