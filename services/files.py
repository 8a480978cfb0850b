"""Two ways to write that survive a crash: a whole file at once, or a line at the end."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from services.errors import StorageError

_LOSSLESS = "backslashreplace"
"""A file's name may hold bytes that are no UTF-8: Python shows them as single surrogates, which no UTF-8 has. So they
become `\\udcXX`, which in JSON is the same name when it is read again."""


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """`data` as JSON on one line, in UTF-8."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(errors=_LOSSLESS)


def write_atomic(path: Path, text: str) -> None:
    """Replace `path` by `text` so that a reader sees the old or the new, never a half. Mode 0600.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    with _replacing(path) as file:
        file.write(text.encode(errors=_LOSSLESS))


def write_lines_atomic(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    """Replace `path` by JSON objects, one a line, like `write_atomic`; returns how many. They are not held in memory.

    Raises:
        StorageError: The disk is full or the folder cannot be written; or what `records` raises.
    """
    count = 0
    with _replacing(path) as file:
        for record in records:
            file.write(json_bytes(record) + b"\n")
            count += 1
    return count


def write_stream(path: Path, parts: Iterable[str]) -> None:
    """Replace `path` by parts of a text, like `write_atomic`. They are not held in memory.

    Raises:
        StorageError: The disk is full or the folder cannot be written; or what `parts` raises.
    """
    with _replacing(path) as file:
        file.writelines(part.encode(errors=_LOSSLESS) for part in parts)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when it has been written to its end."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        with suppress(OSError):  # on a read-only disk also the removal of what is not there fails
            temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Force the names in `folder` to the disk: a new or renamed file is there after a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def disk_error(path: Path, error: OSError) -> StorageError:
    """The sentence for an `OSError` on `path`."""
    reason = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0, "Look at the disk, or choose another folder, then try again.")
    return StorageError(f"{path} cannot be written: {reason}.", hint)


def read_error(path: Path, error: OSError) -> StorageError:
    """The sentence for an `OSError` when `path` was to be read."""
    return StorageError(f"{path} cannot be read: {error.strerror or error}.", "Look at its permissions.")


_HINTS = {
    errno.ENOSPC: "Free some space or choose another folder, then try again.",
    errno.EDQUOT: "Free some space or choose another folder, then try again.",
    errno.ENOENT: "Its folder was moved or removed meanwhile. Moved back, it is found by `sotto recover`.",
    errno.EROFS: "The disk can only be read. Choose another folder, or make it writable, then try again.",
}


class JsonLines:
    """An append-only file of JSON objects, one a line. Each line reaches the kernel before `append` returns.

    Raises (from `append`):
        StorageError: The disk is full or the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._end_cut_line()
        except OSError as error:
            raise disk_error(path, error) from error

    def _end_cut_line(self) -> None:
        """A crash may have cut the last line: end it, so that the next one stands alone."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write lines, all of them at once: a crash leaves all or none of them."""
        line = b"".join(json_bytes(record) + b"\n" for record in records)
        try:
            before = os.fstat(self._fd).st_size
            try:
                done = 0
                while done < len(line):
                    done += os.write(self._fd, line[done:])
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, before)  # a full disk takes a part: the next line must not follow that
                raise
        except OSError as error:
            raise disk_error(self.path, error) from error

    def lock(self) -> bool:
        """Keep other programs that ask for the same lock from writing, until it is closed.

        Returns whether we have it. Where the file system knows no locks, everybody has it.
        """
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file in order. A missing file is empty; a damaged line is passed over.

    Raises:
        StorageError: It cannot be read.
    """
    if not path.is_file():
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise read_error(path, error) from error
    with file:
        for line in file:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                yield record
