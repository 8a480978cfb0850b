"""The transcript as its own checkpoint: what an interrupted run wrote is kept, and the next run goes on from there.

Each line of a transcript in the making says to which `batch` of windows it belongs: the number of the first window of
it. Between two batches nothing is held back, neither audio nor words, so a run that begins there writes the same as one
that came there by itself. The last batch in the file may be cut off, so it is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services import __version__
from services.errors import StorageError
from services.files import disk_error
from services.library.meeting import Meeting
from services.library.segments import Segment

_KEY = "checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a transcription goes on.

    Attributes:
        window: Number of the first window to do.
        segments: How many segments of the transcript are kept.
        language: What was known there of the language that is spoken, where that is found out; else None.
    """

    window: int = 0
    segments: int = 0
    language: Mapping[str, Any] | None = None


def take_up(meeting: Meeting, transcript: Path, source: Path, how: Mapping[str, Any]) -> Checkpoint:
    """Bring a transcript in the making back to the end of its last whole batch.

    What another engine, other options, another sotto or another source wrote is of no use: then it begins anew.

    Args:
        meeting: Its meeting.json remembers how its transcript came to be.
        transcript: The file, in the folder of `meeting`.
        source: What is transcribed.
        how: Everything that the words depend on; must not hold secrets.

    Raises:
        StorageError: The transcript cannot be read or written.
    """
    key = _fingerprint(source, how)
    whole = _whole(transcript) if meeting.info().get(_KEY) == key else None
    if whole is None:
        transcript.unlink(missing_ok=True)
        meeting.update(**{_KEY: key})
        return Checkpoint()
    place, checkpoint = whole
    try:
        os.truncate(transcript, place)
    except OSError as error:
        raise disk_error(transcript, error) from error
    return checkpoint


def finish(meeting: Meeting) -> None:
    """The transcript is whole: nothing goes on from it any more."""
    meeting.update(**{_KEY: None})


def _whole(transcript: Path) -> tuple[int, Checkpoint] | None:
    """Where the last batch begins in the file, and the checkpoint there; None where nothing is of use."""
    place, begun, count = 0, 0, 0
    found: Checkpoint | None = None
    for line in _lines(transcript):
        try:
            record = json.loads(line)
            Segment.from_dict(record)
            batch = int(record["batch"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            break
        if found is None or batch > found.window:
            begun, found = place, Checkpoint(batch, count, record.get("language"))
        elif batch < found.window:
            break
        place += len(line)
        count += 1
    return None if found is None else (begun, found)


def _lines(transcript: Path) -> Iterator[bytes]:
    try:
        with transcript.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{transcript} cannot be read: {error.strerror}.", "Look at its permissions.") from error


def _fingerprint(source: Path, how: Mapping[str, Any]) -> str:
    stamp: list[int] = []
    if source.is_file():
        there = source.stat()
        stamp = [there.st_size, there.st_mtime_ns]
    text = json.dumps([__version__, str(source.name), stamp, how], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
