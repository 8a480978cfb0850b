"""A file that grows while it is read: its new lines, and any of them again by its place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from services.library.moments import LONGEST_LINE

_BLOCK = 1 << 16
_REMEMBERED = 64
"""So many bytes of the end of what was read tell whether it is still what it was."""


class Tail:
    """Reads what was appended to a file since the last time. Holds no text.

    Args:
        path: The file; it may not exist yet.
        edited: People write in it, too: at any place, and maybe without an end of the last line. Then it is read anew
            whenever it has changed. Otherwise only when it was replaced or cut, also where it has grown again since.
    """

    def __init__(self, path: Path, edited: bool = False) -> None:
        self.path = path
        self._edited = edited
        self._fd = -1
        self._end = 0
        self._seen = (0, 0, 0)
        self._too_long = False
        self._last = b""

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def changed(self) -> bool:
        """Whether there is something to read. Costs one look at the folder."""
        return self._look() not in (None, self._seen)

    def _look(self) -> tuple[int, int, int] | None:
        """What tells one state of the file from another; None while there is no file that can be read."""
        try:
            there = self.path.stat()
        except OSError:
            return None
        return (there.st_ino, there.st_size, there.st_mtime_ns)

    def renew(self) -> bool:
        """Get ready to read what is new; returns whether it is another file now, which is read from its beginning."""
        now = self._look()
        if now is None or now == self._seen:
            return False
        before, self._seen = self._seen, now
        if self._fd >= 0 and (self._edited or now[0] != before[0] or now[1] < self._end or self._written_over()):
            self.close()
        if self._fd >= 0 or not self.path.is_file():
            return False
        try:
            self._fd = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        again = self._end > 0
        self._end, self._too_long, self._last = 0, False, b""
        return again

    def _written_over(self) -> bool:
        """Whether the file was cut, and has grown beyond that again since the last look."""
        return os.pread(self._fd, len(self._last), self._end - len(self._last)) != self._last

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of each complete line that is new; one that is longer than `LONGEST_LINE` is passed over."""
        rest = b""
        while self._fd >= 0 and (block := os.pread(self._fd, _BLOCK, self._end + len(rest))):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield from self._take(line, 1)
            if len(rest) > LONGEST_LINE:
                self._end += len(rest)
                rest, self._too_long, self._last = b"", True, b""
        if self._edited and rest:
            yield from self._take(rest, 0)

    def _take(self, line: bytes, end: int) -> Iterator[tuple[int, bytes]]:
        offset, too_long = self._end, self._too_long
        self._end += len(line) + end
        self._last = line[-_REMEMBERED:] + b"\n" * end
        self._too_long = False
        if not too_long:
            yield offset, line

    def read(self, offset: int, size: int) -> bytes:
        """The bytes at a place that `lines` told."""
        return os.pread(self._fd, size, offset) if self._fd >= 0 else b""
