"""What happened in a meeting beside the words: notes and markers of people, pauses and gaps of the recording.

`notes.md` is written by whoever takes notes, a line each, and is a list that any editor shows. `events.jsonl` is the
recorder's: one JSON object a line, appended as things happen, so that it survives whatever the recorder does not.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from services.errors import StorageError
from services.files import JsonLines, disk_error, read_json_lines
from services.library.meeting import Meeting
from services.text import clock, one_line

Kind = Literal["note", "mark", "pause", "resume", "gap", "warning", "stop"]

MARK = "⚑"
"""Stands in notes.md for a moment that was marked without a word."""

_HEADING = "# Notes\n\n"
_LINE = re.compile(r"[-*] +(?:(\d{1,3}):)?(\d{1,2}):(\d{2})(?: +(.*))?")


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


class Journal:
    """The recorder's events of one meeting, on disk as they happen. The file comes with the first. One thread uses it."""

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
    words = one_line(text, 2000)
    line = f"- {clock(at_s)} {words or MARK}\n"
    try:
        fd = os.open(meeting.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            start = "" if os.fstat(fd).st_size else _HEADING
            os.write(fd, (start + line).encode(errors="backslashreplace"))
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise disk_error(meeting.notes, error) from error
    return Moment(float(int(at_s)), "note" if words else "mark", words)


def read_moments(meeting: Meeting) -> list[Moment]:
    """Notes and events in the order of the recording. What is damaged, or is no note, is passed over.

    Raises:
        StorageError: A file cannot be read.
    """
    return sorted([*_notes(meeting), *_events(meeting)], key=lambda moment: moment.at_s)


def _notes(meeting: Meeting) -> Iterator[Moment]:
    try:
        text = meeting.notes.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{meeting.notes} cannot be read: {error.strerror}.", "Look at its permissions.") from error
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is not None:
            hours, minutes, seconds, rest = found.groups()
            words = one_line(rest or "", 2000)
            at_s = 3600.0 * int(hours or 0) + 60.0 * int(minutes) + int(seconds)
            yield Moment(at_s, "mark") if words in ("", MARK) else Moment(at_s, "note", words)


def _events(meeting: Meeting) -> Iterator[Moment]:
    for record in read_json_lines(meeting.events):
        moment = _moment(record)
        if moment is not None:
            yield moment


def _moment(record: dict[str, Any]) -> Moment | None:
    try:
        at_s, seconds = float(record["at_s"]), float(record.get("seconds", 0.0))
    except (KeyError, TypeError, ValueError):
        return None
    if record.get("kind") not in get_args(Kind) or not (math.isfinite(at_s) and math.isfinite(seconds)):
        return None
    return Moment(
        at_s, record["kind"], one_line(str(record.get("text", "")), 2000), str(record.get("time", "")), seconds
    )
