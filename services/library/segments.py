"""Segments: what was said, when, and by whom. The unit of transcripts, captions and exports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.files import read_json_lines
from services.text import clean

SPEAKERS = ("You", "Others")
"""Labels of two sides that were recorded apart: this one, then the far end."""


_LATEST = 1e8
"""Seconds: three years. A line with a time beyond that is damaged, and would push what follows it out of sight."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word and when it was said.

    Attributes:
        start: Seconds; of a segment's word from the start of the meeting.
        end: Likewise, not before `start`.
        text: The word with its punctuation, without blanks.
    """

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech.

    Attributes:
        start: Seconds from the start of the meeting.
        end: Seconds from the start of the meeting, not before `start`.
        text: What was said, on one line.
        speaker: Who said it (`You`, `Others`), empty where nobody can tell.
        words: The words of `text` in order, where the engine gave their times; else empty.
    """

    start: float
    end: float
    text: str
    speaker: str = ""
    words: tuple[Word, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data; words as `[start, end, text]`, left out where there are none."""
        data: dict[str, Any] = {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "speaker": self.speaker,
            "text": self.text,
        }
        if self.words:
            data["words"] = [[round(word.start, 3), round(word.end, 3), word.text] for word in self.words]
        return data

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Segment:
        """Raises `KeyError`, `TypeError` or `ValueError` where `data` is not a segment; words that are none go."""
        start, end = float(data["start"]), float(data["end"])
        if not (_is_time(start) and _is_time(end)):
            raise ValueError("no time")
        words = _words(data.get("words"))
        return Segment(start, max(start, end), _line(data["text"]), _line(data.get("speaker", "")), words)


def _words(data: object) -> tuple[Word, ...]:
    if not isinstance(data, list):
        return ()
    try:
        words = tuple(Word(float(start), max(float(start), float(end)), _line(text)) for start, end, text in data)
    except (TypeError, ValueError, OverflowError):
        return ()
    return words if all(_is_time(word.start) and _is_time(word.end) for word in words) else ()


def _is_time(seconds: float) -> bool:
    return abs(seconds) <= _LATEST  # what is not a number is not, either


def _line(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("no text")
    return " ".join(clean(text).split())


def read_segments(path: Path) -> Iterator[Segment]:
    """The segments of a transcript file, one by one; damaged lines are passed over."""
    return (segment for _, segment in segment_records(path))


def segment_records(path: Path) -> Iterator[tuple[dict[str, Any], Segment]]:
    """The same, each with all that its line holds."""
    for record in read_json_lines(path):
        try:
            yield record, Segment.from_dict(record)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue


def as_text(segments: Iterable[Segment]) -> str:
    """A transcript as plain text: a line a segment, with the speaker's name where there is one."""
    return "\n".join(f"{s.speaker}: {s.text}" if s.speaker else s.text for s in segments)
