"""Segments: what was said, when, and by whom. The unit of transcripts, captions and exports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.files import read_json_lines
from services.text import clean


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech.

    Attributes:
        start: Seconds from the start of the meeting.
        end: Seconds from the start of the meeting, not before `start`.
        text: What was said, on one line.
        speaker: Who said it (`You`, `Others`), empty where nobody can tell.
    """

    start: float
    end: float
    text: str
    speaker: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "speaker": self.speaker,
            "text": self.text,
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Segment:
        """Raises `KeyError`, `TypeError` or `ValueError` where `data` is not a segment."""
        start, end = float(data["start"]), float(data["end"])
        if not (math.isfinite(start) and math.isfinite(end)):
            raise ValueError("no time")
        return Segment(start, max(start, end), _line(data["text"]), _line(data.get("speaker", "")))


def _line(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("no text")
    return " ".join(clean(text).split())


def read_segments(path: Path) -> Iterator[Segment]:
    """The segments of a transcript file, one by one; damaged lines are passed over."""
    for record in read_json_lines(path):
        try:
            yield Segment.from_dict(record)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue


def as_text(segments: Iterable[Segment]) -> str:
    """A transcript as plain text: a line a segment, with the speaker's name where there is one."""
    return "\n".join(f"{s.speaker}: {s.text}" if s.speaker else s.text for s in segments)
