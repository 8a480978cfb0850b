"""memory.jsonl in a meeting's folder: what its recording and its processing took, for later.

Lines of three kinds: a measurement, every ten seconds at most; a measurement with a name (`checkpoint`); the peak of
something that was done (`operation`).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from services.errors import StorageError
from services.files import JsonLines
from services.library.meeting import Meeting
from services.memory.diary import Checkpoint, OperationMemory
from services.memory.report import iso, log_record
from services.memory.snapshot import MemorySnapshot

_log = logging.getLogger("sotto.memory")

_SPACING_SECONDS = 9.0
"""Whoever watches the panel must not make the file grow faster."""


class History:
    """Writes to the meetings in work: one that is recorded, one that is processed."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Path, JsonLines]] = {}
        self._written = 0.0

    def follows(self, work: str, meeting: Path | None) -> bool:
        """Whether it writes to the folder `meeting` on behalf of `work` already; of None, whether to none."""
        return self._files.get(work, (None, None))[0] == meeting

    def follow(self, work: str, meeting: Path | None) -> None:
        """Write to the folder `meeting` from now on, on behalf of `work`; None ends it."""
        if known := self._files.pop(work, None):
            known[1].close()
        if meeting is not None and all(folder != meeting for folder, _ in self._files.values()):
            try:
                self._files[work] = (meeting, JsonLines(Meeting(meeting).memory))
            except StorageError as error:
                _log.warning("%s", error)

    def close(self) -> None:
        for work in tuple(self._files):
            self.follow(work, None)

    def measured(self, snapshot: MemorySnapshot, now: float, at_once: bool) -> None:
        """Keep a measurement, if the last one is long enough ago, or in any case.

        Args:
            snapshot: The measurement.
            now: Seconds of a clock that does not go back.
            at_once: In any case.
        """
        if self._files and (at_once or now - self._written >= _SPACING_SECONDS):
            self._written = now
            self._append(log_record(snapshot))

    def checkpoint(self, kept: Checkpoint, snapshot: MemorySnapshot) -> None:
        self._append(log_record(snapshot) | {"checkpoint": kept.name})

    def operation(self, over: OperationMemory) -> None:
        self._append(
            {
                "time": iso(over.begun),
                "operation": over.name,
                "seconds": round(over.seconds, 1),
                "peak_mb": {name: round(mb, 1) for name, mb in over.peaks.items()} | {"Total": round(over.peak, 1)},
            }
        )

    def _append(self, record: dict[str, Any]) -> None:
        for work, (_, file) in tuple(self._files.items()):
            try:
                file.append(record)
            except StorageError as error:
                # The figures are not worth a failed meeting; the recorder will say that the disk is full.
                _log.warning("%s", error)
                file.close()
                del self._files[work]
