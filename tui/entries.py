"""What stands in a transcript: segments, spans that captions skipped, and moments. Each is one line of a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from services.library.moments import Moment, event_of, note_of
from services.text import clean, clock

NOTE = "►"
"""Stands before what a person took down. The fonts of plain consoles have it; they have no flag."""

_LONGEST_SECONDS = 1000 * 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a file.

    Attributes:
        start: Seconds from the start of the meeting.
        speaker: Who spoke; empty where nobody can tell, and for a moment.
        text: The words, on one line, fit for a terminal.
        kind: `speech`; `skipped`, a span that captions had no time for; `note`, of a person; `event`, of the recorder.
        place: What began up to here, in seconds, stands before it.
    """

    start: float
    speaker: str
    text: str
    kind: Literal["speech", "skipped", "note", "event"] = "speech"
    place: float = 0.0


def parse_segment(line: bytes) -> Entry | None:
    """The entry of one line of a transcript; None for a line that is damaged or of another kind."""
    try:
        record = json.loads(_without_words(line))
        return _segment(record) if isinstance(record, dict) else None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _without_words(line: bytes) -> bytes:
    """A line without the words and their times, which are most of it, and which nothing here shows.

    In a string a quotation mark is never bare, so that this can only be the key. What was cut off has no end.
    """
    head, words, _ = line.partition(b',"words":[')
    return head + b"}" if words and line.endswith(b"}") else line


def _segment(record: dict[str, Any]) -> Entry:
    if "skipped" in record:
        span = record["skipped"]
        start, end = float(span["start"]), float(span["end"])
        text = f"{clock(start)} to {clock(end)} is written after the recording"
        return Entry(start, "", text, "skipped", start)
    speaker = " ".join(clean(str(record.get("speaker", ""))).split())
    start = float(record["start"])
    if not 0.0 <= start < _LONGEST_SECONDS:
        raise ValueError(start)
    return Entry(start, speaker, " ".join(clean(str(record["text"])).split()), "speech", start)


def parse_note(line: bytes) -> Entry | None:
    """The entry of one line of notes.md; None where it is no note."""
    moment = note_of(line)
    return _moment(moment) if moment is not None else None


def parse_event(line: bytes) -> Entry | None:
    """The entry of one line of events.jsonl; None for a damaged one. A warning is no part of the transcript."""
    moment = event_of(line)
    return _moment(moment) if moment is not None and moment.kind != "warning" else None


def _moment(moment: Moment) -> Entry:
    text = f"{NOTE} {moment.words}" if moment.personal else moment.words
    return Entry(moment.at_s, "", text, "note" if moment.personal else "event", moment.place)
