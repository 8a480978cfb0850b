"""Speakers' labels in a transcript: its lines carry vectors of voices until all are known, and labels from then on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.files import read_json_lines, write_atomic
from services.library.segments import Segment

VOICE = "voice"
"""The field of a transcript's line that holds the vector of its voice while the transcription runs."""


def segment_lines(transcript: Path) -> Iterator[tuple[dict[str, Any], Segment]]:
    """The lines of a transcript that hold a segment, each with that."""
    for record in read_json_lines(transcript):
        try:
            yield record, Segment.from_dict(record)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue


def speaker_label(number: int) -> str:
    """`Speaker 1`, as the transcript calls somebody whose name is not known; empty for 0, nobody knows who."""
    return f"Speaker {number}" if number > 0 else ""


def put_labels(transcript: Path, numbers: Sequence[int]) -> None:
    """Write a transcript anew, with a label in each segment that has no speaker yet, and without vectors.

    Args:
        transcript: Written atomically: a reader sees the old one or the new.
        numbers: The speaker of each segment, from 1 on; 0 where nobody knows.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    lines = []
    for (record, segment), number in zip(segment_lines(transcript), numbers, strict=True):
        for each in (VOICE, "batch"):  # without a batch nothing goes on from this transcript: it is whole
            record.pop(each, None)
        record["speaker"] = segment.speaker or speaker_label(number)
        lines.append(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
    write_atomic(transcript, "".join(lines))
