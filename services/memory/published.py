"""What a running sotto knows of its memory, for other terminals: one small file, replaced at each measurement.

It lies in the folder of the sockets, which is the user's own. Nobody needs it after a power cut, so it is not forced to
the disk.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services import paths
from services.errors import StorageError
from services.memory.components import is_app
from services.memory.document import Section
from services.settings import MemorySettings

_log = logging.getLogger("sotto.memory")

_PREFIX, _SUFFIX = "memory-", ".json"
_MOST_BYTES = 4 * 1024 * 1024
"""More than ours ever has; what is larger is not ours."""


class Publisher:
    """Writes the file of this process, and removes it in the end. A folder that refuses is told once."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._refused = False

    def publish(self, data: Mapping[str, Any]) -> None:
        """Replace what others read by `data`."""
        if self._refused:
            return
        try:
            if self._path is None:
                self._path = _file(os.getpid())
                _sweep(self._path.parent)
            temporary = self._path.with_suffix(".tmp")
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(json.dumps(data, separators=(",", ":")))  # `dump` takes ten times as long
            temporary.replace(self._path)
        except (OSError, StorageError) as error:
            self._refused = True
            _log.warning("other terminals cannot see the memory of this sotto: %s", error)

    def close(self) -> None:
        """Remove the file: the program ends."""
        if self._path is not None:
            with suppress(OSError):  # it went with its folder, at a logout
                self._path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Published:
    """What a running sotto told last.

    Attributes:
        report: Its report as `services.memory.document.report_json` gives it.
        title: The first line of the report.
        sections: The report.
        settings: The limits and thresholds that hold there now, whatever this user's settings say.
    """

    report: dict[str, Any]
    title: str
    sections: tuple[Section, ...]
    settings: MemorySettings


def published(pid: int) -> Published | None:
    """What the sotto with process `pid` told last; None where it tells nothing."""
    try:
        path = _file(pid)
        if not is_app(pid) or path.stat().st_size > _MOST_BYTES:
            return None
        data = json.loads(path.read_bytes())
        parts = tuple(
            Section(str(part["title"]), tuple(map(tuple, part["rows"])), tuple(part["lines"]))
            for part in data["sections"]
        )
        return Published(data["report"], data["title"], parts, MemorySettings(**data["settings"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError, StorageError, ValidationError):
        return None  # it has just begun, or it is of another version


def _file(pid: int) -> Path:
    return paths.runtime() / f"{_PREFIX}{pid}{_SUFFIX}"


def _sweep(folder: Path) -> None:
    """Remove the files of programs that did not end in order."""
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        number = path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        if number.isdigit() and not is_app(int(number)):
            path.unlink(missing_ok=True)
