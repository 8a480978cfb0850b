"""Speakers' labels in a transcript: its lines carry vectors of voices until all are known, and labels from then on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.files import write_lines_atomic
from services.library.segments import segment_records

VOICE = "voice"
"""The field of a transcript's line that holds the vector of its voice while the transcription runs."""


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
    write_lines_atomic(transcript, _labelled(transcript, numbers))


def _labelled(transcript: Path, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    for (record, segment), number in zip(segment_records(transcript), numbers, strict=True):
        for each in (VOICE, "batch", "covered"):  # without a batch nothing goes on from this transcript: it is whole
            record.pop(each, None)
        yield record | {"speaker": segment.speaker or speaker_label(number)}
