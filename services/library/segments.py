"""Segments: what was said, when, and by whom. The unit of transcripts, captions and exports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.files import read_json_lines


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
        return Segment(float(data["start"]), float(data["end"]), str(data["text"]), str(data.get("speaker", "")))


def read_segments(path: Path) -> Iterator[Segment]:
    """The segments of a transcript file, one by one; damaged lines are passed over."""
    for record in read_json_lines(path):
        try:
            yield Segment.from_dict(record)
        except (KeyError, TypeError, ValueError):
            continue


def as_text(segments: Iterable[Segment]) -> str:
    """A transcript as plain text: a line a segment, with the speaker's name where there is one."""
    return "\n".join(f"{s.speaker}: {s.text}" if s.speaker else s.text for s in segments)
