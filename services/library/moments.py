"""What happened in a meeting beside the words: notes and markers of people, pauses and gaps of the recording.

`notes.md` is written by whoever takes notes, a line each, and is a list that any editor shows. `events.jsonl` is the
recorder's: one JSON object a line, appended as things happen, so that it survives whatever the recorder does not.

People edit notes.md by hand. So a line of it is a note when it begins with a time (`- 0:12 text`, the hyphen may be
missing); every other line is passed over and stays as it is.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from services.files import JsonLines, disk_error, read_error
from services.library.meeting import Meeting
from services.text import clock, one_line

Kind = Literal["note", "mark", "pause", "resume", "gap", "warning", "stop"]

MARK = "⚑"
"""Stands in notes.md for a moment that was marked without a word."""

LONGEST_LINE = 1 << 16
"""In bytes. A line that is longer is neither a note nor an event, and is not read to its end."""

_HEADING = b"# Notes\n\n"
_LINE = re.compile(r"(?:[-*+]\s+)?(?:([0-9]{1,3}):)?([0-9]{1,2}):([0-9]{2})(?:\s+(.*))?")
_UNSAID: dict[Kind, str] = {
    "note": "Note", "mark": "Marked", "pause": "Paused", "resume": "Resumed", "gap": "No sound",
    "warning": "Warning", "stop": "Stopped",
}  # fmt: skip
_LONGEST_TEXT = 2000
_LONGEST_SECONDS = 1000 * 3600.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened.

    Attributes:
        at_s: Where in the recording, in seconds.
        kind: What it was.
        text: In words; empty for a marker.
        time: When it was, ISO 8601 with offset; empty where nobody wrote it down.
        seconds: How long a pause or a gap was.
    """

    at_s: float
    kind: Kind
    text: str = ""
    time: str = ""
    seconds: float = 0.0

    @property
    def place(self) -> float:
        """Seconds from the start: what began up to here stands before it. A note knows its second only."""
        return self.at_s + 0.999 if self.personal else self.at_s

    @property
    def personal(self) -> bool:
        """A person took it down."""
        return self.kind in ("note", "mark")

    @property
    def words(self) -> str:
        """How it is shown: its text, or what stands for it where it has none."""
        return self.text or _UNSAID[self.kind]


class Journal:
    """The recorder's events of one meeting, on disk as they happen; the file comes with the first. For one thread."""

    def __init__(self, meeting: Meeting) -> None:
        self._path = meeting.events
        self._lines: JsonLines | None = None

    def add(self, kind: Kind, at_s: float, text: str, seconds: float = 0.0) -> None:
        """Write down what happens now, at `at_s` seconds of the recording.

        Raises:
            StorageError: The disk is full or the file cannot be written.
        """
        if self._lines is None:
            self._lines = JsonLines(self._path)
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        self._lines.append(asdict(Moment(round(at_s, 3), kind, text, now, round(seconds, 3))))

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None


def add_note(meeting: Meeting, at_s: float, text: str = "") -> Moment:
    """Append a note, or without words a marker, to notes.md; returns it as it will be read.

    Raises:
        StorageError: It cannot be written.
    """
    words = one_line(text, _LONGEST_TEXT)
    at_s = max(0.0, min(at_s, _LONGEST_SECONDS - 1.0))
    line = f"- {clock(at_s)} {words or MARK}\n".encode()
    try:
        fd = os.open(meeting.notes, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(fd).st_size
            whole = _beginning(fd, size) + line
            if os.write(fd, whole) < len(whole):
                os.ftruncate(fd, size)  # who tries again does not find half of it there
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise disk_error(meeting.notes, error) from error
    return Moment(float(int(at_s)), "mark") if words in ("", MARK) else Moment(float(int(at_s)), "note", words)


def _beginning(fd: int, size: int) -> bytes:
    """What goes before the next line: a new file's heading, or the end of a line that an editor left open."""
    if not size:
        return _HEADING
    return b"" if os.pread(fd, 1, size - 1) == b"\n" else b"\n"


def read_moments(meeting: Meeting) -> list[Moment]:
    """Notes and events in the order of the recording. What is damaged, or is no note, is passed over.

    Raises:
        StorageError: A file cannot be read.
    """
    found = [event_of(line) for line in _lines(meeting.events)] + [note_of(line) for line in _lines(meeting.notes)]
    return sorted((moment for moment in found if moment is not None), key=lambda moment: moment.place)


def _lines(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        return
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE):
                whole = len(line) < LONGEST_LINE or line.endswith(b"\n")
                if whole:
                    yield line
                while not whole and (more := file.readline(LONGEST_LINE)):
                    whole = more.endswith(b"\n")
    except OSError as error:
        raise read_error(path, error) from error


def note_of(line: bytes) -> Moment | None:
    """The note in one line of notes.md; None where it is none."""
    found = _LINE.fullmatch(line.decode(errors="replace").strip("\ufeff \t\r\n"))
    if found is None:
        return None
    hours, minutes, seconds, rest = found.groups()
    words = one_line(rest or "", _LONGEST_TEXT)
    at_s = 3600.0 * int(hours or 0) + 60.0 * int(minutes) + int(seconds)
    return Moment(at_s, "mark") if words in ("", MARK) else Moment(at_s, "note", words)


def event_of(line: bytes) -> Moment | None:
    """The event in one line of events.jsonl; None where it is damaged or of another kind."""
    try:
        record = json.loads(line)
        at_s, kind, seconds = float(record["at_s"]), record["kind"], float(record.get("seconds", 0.0))
        text, time = (one_line(str(record.get(key) or ""), _LONGEST_TEXT) for key in ("text", "time"))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    if kind not in get_args(Kind) or not (0.0 <= at_s < _LONGEST_SECONDS and 0.0 <= seconds < math.inf):
        return None
    return Moment(at_s, kind, text, time, seconds)
