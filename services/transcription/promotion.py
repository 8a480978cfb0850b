"""Single pass: the captions of a recording become its transcript, and what they missed is filled in from disk."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from services.files import write_lines_atomic
from services.library.meeting import Meeting, speakers
from services.library.segments import Segment, read_segments
from services.models.catalogue import EngineSpec
from services.transcription.live import gaps, heard_spans, settled_segments
from services.transcription.service import Part, Transcriber, Transcription

_BEHIND_SECONDS = 60.0
"""A segment of live.jsonl may begin so much before one that stands above it: one speaker's utterance ends after
another's, and a channel that was taken up again has up to half a minute to catch up."""


def has_captions(meeting: Meeting) -> bool:
    """Whether there is anything that a transcript could be made of."""
    return bool(_labels(meeting)) and meeting.duration_s > 0 and bool(heard_spans(meeting.live))


def promote(
    transcriber: Transcriber,
    meeting: Meeting,
    spec: EngineSpec,
    language: str,
    on_progress: Callable[[float, float, str], None],
    cancel: threading.Event,
    take_over: str | None = None,
) -> Transcription:
    """Make the transcript of a recorded meeting out of its captions, of which it has some.

    The transcript appears as a whole, when everything that captions missed has been transcribed. Interrupted, it goes
    on there; done again, it writes the same.

    Args:
        transcriber: Fills the gaps.
        meeting: The recording has ended.
        spec: The engine of the captions.
        language: ISO 639-1 code, or `auto`.
        on_progress: Takes seconds done, seconds in all, and what is being done.
        cancel: Set it to end early.
        take_over: Why this engine goes on where another one stopped; None where it does not.

    Raises:
        CancelledError, AudioFileError, StorageError, ModelError, WorkerError
    """
    duration, heard, labels = meeting.duration_s, heard_spans(meeting.live), _labels(meeting)
    missing = gaps(heard, labels, duration)
    filled = Transcription(duration, 0, engines=(spec.label,))
    if missing:
        part = Part(meeting.filled, missing)
        filled = transcriber.transcribe(
            meeting, meeting.folder, spec, language, on_progress, cancel, part, take_over=take_over
        )
    captions = (segment for segment in settled_segments(meeting.live) if segment.speaker in labels)
    between = read_segments(meeting.filled) if missing else iter(())
    merged = heapq.merge(_in_order(captions), between, key=lambda segment: segment.start)
    count = write_lines_atomic(meeting.transcript, (segment.to_dict() for segment in merged))
    meeting.filled.unlink(missing_ok=True)
    transcriber.tell(meeting)
    return replace(filled, duration_s=duration, segments=count, language="")


def _labels(meeting: Meeting) -> tuple[str, ...]:
    """The labels of the speakers who were recorded; none where nothing was."""
    channels = meeting.info().get("channels")
    return speakers(meeting, len(channels)) if isinstance(channels, list) and channels else ()


def _in_order(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Segments in order of their start, with no more than a minute of them held."""
    held: list[tuple[float, int, Segment]] = []
    for number, segment in enumerate(segments):
        heapq.heappush(held, (segment.start, number, segment))
        while held[0][0] < segment.start - _BEHIND_SECONDS:
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]
