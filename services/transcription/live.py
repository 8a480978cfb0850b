"""What live.jsonl says: what captions wrote, which of it is settled, and what they never took into account.

Its lines are segments, `{"skipped": {start, end}}` for what captions let go of, and `{"heard": {speaker, start, end}}`
behind the segments of each window: all that the speaker said between these two times stands in the lines before it.
Segments without such a line behind them were cut off while they were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.files import read_json_lines
from services.library.segments import Segment

Span = tuple[float, float]
"""From when to when, in seconds of the meeting."""

_SHORTEST_GAP = 0.1
"""Seconds. Less holds no word: it is what rounding leaves between two spans."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where captions go on.

    Attributes:
        start: Seconds; for speakers of whom nothing was heard.
        heard: Up to when each speaker was heard, in seconds.
    """

    start: float = 0.0
    heard: dict[str, float] = field(default_factory=dict)

    def after(self, record: Mapping[str, Any]) -> Position:
        """The position behind one more line of live.jsonl."""
        try:
            if "heard" in record:
                speaker, _, end = _heard(record["heard"])
                return Position(self.start, self.heard | {speaker: end})
            if "skipped" in record:
                return Position(float(record["skipped"]["end"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            pass
        return self


def position(live: Path) -> Position:
    """Where the captions of a recording stand: another app may have followed it before."""
    reached = Position()
    for record in read_json_lines(live):
        reached = reached.after(record)
    return reached


def settled_segments(live: Path) -> Iterator[Segment]:
    """The segments that captions are done with, each once, a speaker's in order."""
    waiting: dict[str, list[Segment]] = {}
    for record in read_json_lines(live):
        try:
            if "heard" in record:
                speaker, start, end = _heard(record["heard"])
                own = waiting.pop(speaker, [])
                yield from (each for each in own if start - _SHORTEST_GAP <= each.start <= end + _SHORTEST_GAP)
            elif "text" in record:
                segment = Segment.from_dict(record)
                # One that does not come after the one before is the first of another try.
                own = [each for each in waiting.get(segment.speaker, []) if each.start < segment.start]
                waiting[segment.speaker] = [*own, segment]
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            continue


def heard_spans(live: Path) -> dict[str, list[Span]]:
    """What captions took into account of each speaker: spans in order, apart from each other."""
    spans: dict[str, list[Span]] = {}
    for record in read_json_lines(live):
        try:
            speaker, start, end = _heard(record["heard"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            continue
        own = spans.setdefault(speaker, [])
        if own and own[-1][1] >= start - _SHORTEST_GAP >= own[-1][0] - _SHORTEST_GAP:
            own[-1] = (own[-1][0], max(end, own[-1][1]))
        else:
            own.append((start, end))
    return {speaker: _merged(own) for speaker, own in spans.items()}


def gaps(heard: Mapping[str, Iterable[Span]], speakers: Iterable[str], duration: float) -> dict[str, list[Span]]:
    """What is missing of each speaker between 0 and `duration` seconds; speakers without gaps are left out.

    Args:
        heard: Of `heard_spans`.
        speakers: All there are, whether anything was heard of them or not.
        duration: Of the meeting, in seconds.
    """
    missing: dict[str, list[Span]] = {}
    for speaker in speakers:
        reached = 0.0
        for start, end in [*heard.get(speaker, ()), (duration, duration)]:
            if min(start, duration) - reached > _SHORTEST_GAP:
                missing.setdefault(speaker, []).append((reached, min(start, duration)))
            reached = max(reached, end)
    return missing


def _heard(data: Mapping[str, Any]) -> tuple[str, float, float]:
    start, end = float(data["start"]), float(data["end"])
    if not 0.0 <= start <= end < float("inf"):
        raise ValueError("no span")
    return str(data["speaker"]), start, end


def _merged(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1] + _SHORTEST_GAP:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
