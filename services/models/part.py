"""A file that is on its way: what arrived of it, and of which version of it that was."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from services.files import disk_error, write_atomic

_UNFINISHED = ".unfinished"
_VERSION = ".version"


class Part:
    """What has arrived of one file. It bears the file's own name only when all of it is there.

    Args:
        path: Where the file will be. Its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unfinished = path.with_name(path.name + _UNFINISHED)
        self._version = path.with_name(path.name + _VERSION)

    @property
    def size(self) -> int:
        """How many bytes there are of the version that `version` names."""
        return self._unfinished.stat().st_size if self.version and self._unfinished.is_file() else 0

    @property
    def version(self) -> str:
        """What the server calls the version that began to arrive (an entity tag); empty where it cannot be gone on."""
        try:
            return self._version.read_text(encoding="latin-1")
        except OSError:
            return ""

    def drop(self) -> None:
        """Forget what has arrived."""
        self._version.unlink(missing_ok=True)
        self._unfinished.unlink(missing_ok=True)

    def open(self, offset: int, version: str) -> Writer:
        """Go on at `offset`, or from the beginning when it is 0, with the version that the server names.

        Raises:
            StorageError: The disk refuses.
        """
        if offset == 0:
            self.drop()
            if version:
                write_atomic(self._version, version)
        return Writer(self._unfinished, offset)

    def finish(self) -> None:
        """Give the file its name.

        Raises:
            StorageError: The disk refuses.
        """
        try:
            self._unfinished.replace(self.path)
            self._version.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(self.path, error) from error


class Writer:
    """Writes a file from one place on, and forces it to the disk at its end."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            os.ftruncate(self._fd, offset)
            os.lseek(self._fd, offset, os.SEEK_SET)
        except OSError as error:
            raise disk_error(path, error) from error

    def write(self, data: bytes) -> None:
        """Append all of `data`.

        Raises:
            StorageError: The disk refuses.
        """
        try:
            done = 0
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError as error:
            raise disk_error(self._path, error) from error

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            os.fsync(self._fd)
        except OSError as trouble:
            if error is None:
                raise disk_error(self._path, trouble) from trouble
        finally:
            os.close(self._fd)
