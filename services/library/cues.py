"""Subtitles: what was said, cut into cues that can be read in the time that they stand."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.library.segments import Segment
from services.text import SENTENCE_ENDS

WIDEST = 42
"""Letters in a line, and two lines in a cue: what subtitlers have agreed on for Latin scripts."""

LONGEST_MS = 7000
"""A cue stands no longer."""

_SHORTEST_MS = 500
"""And no shorter, even where a word has no length."""

_PAUSE_MS = 1500
"""A silence so long between two words ends a cue."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at one time.

    Attributes:
        start: Milliseconds from the start of the meeting.
        end: Likewise, after `start`.
        speaker: Who says it; empty where nobody knows.
        lines: One or two, at most `WIDEST` letters each.
    """

    start: int
    end: int
    speaker: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    """A word, or a piece of one that is wider than a line; times in milliseconds."""

    start: int
    end: int
    text: str


def cues(segments: Iterable[Segment], named: bool = False) -> Iterator[Cue]:
    """The cues of a transcript, one by one. They begin in order; those of one speaker do not overlap.

    Args:
        segments: In order of their start.
        named: Write who speaks before the words, whenever that is somebody else than before.
    """
    waiting: list[tuple[int, int, Cue]] = []  # a long segment's later cues, until everything before them is out
    busy: dict[str, int] = {}  # until when each speaker has a cue
    number, latest, before = 0, 0, ""
    for segment in segments:
        begins = max(latest, _ms(segment.start))
        while waiting and waiting[0][0] <= begins:
            yield heapq.heappop(waiting)[2]
        latest = begins
        name = f"{segment.speaker}:" if named and segment.speaker and segment.speaker != before else ""
        before = segment.speaker
        for group in _groups(_tokens(segment, name)):
            start = max(latest, group[0].start, busy.get(segment.speaker, 0))
            end = max(min(group[-1].end, start + LONGEST_MS), start + _SHORTEST_MS)
            busy[segment.speaker] = end
            heapq.heappush(waiting, (start, number, Cue(start, end, segment.speaker, _lines(group))))
            number += 1
    while waiting:
        yield heapq.heappop(waiting)[2]


def _tokens(segment: Segment, name: str) -> list[_Token]:
    """The words of a segment with their times, none wider than a line; the name of its speaker first."""
    tokens: list[_Token] = []
    floor = _ms(segment.start)
    for word in _timed(segment):
        start = max(floor, word.start)
        tokens += _narrow(_Token(start, max(start, word.end), word.text))
        floor = start
    if not tokens:
        return []
    return [*_narrow(_Token(tokens[0].start, tokens[0].start, name)), *tokens] if name else tokens


def _timed(segment: Segment) -> list[_Token]:
    """The words of a segment with the engine's times, or with times by the number of letters before them."""
    if segment.words and " ".join(word.text for word in segment.words) == segment.text:
        return [_Token(_ms(word.start), _ms(word.end), word.text) for word in segment.words]
    return _spread(segment.text.split(), _ms(segment.start), _ms(segment.end))


def _spread(texts: Sequence[str], start: int, end: int) -> list[_Token]:
    """Texts one after another in a span of time, each with a share of it by its length."""
    letters = sum(map(len, texts)) or 1
    tokens: list[_Token] = []
    at = 0
    for text in texts:
        begins = start + (end - start) * at // letters
        at += len(text)
        tokens.append(_Token(begins, start + (end - start) * at // letters, text))
    return tokens


def _narrow(token: _Token) -> list[_Token]:
    """A word cut into pieces that fit a line: an address, or a sentence of a script without blanks."""
    parts = [part for word in token.text.split() for part in _parts(word)]
    return _spread(parts, token.start, token.end)


def _parts(word: str) -> list[str]:
    return [word[at : at + WIDEST] for at in range(0, len(word), WIDEST)]


def _groups(tokens: Sequence[_Token]) -> Iterator[list[_Token]]:
    """The words of each cue."""
    group: list[_Token] = []
    for token in tokens:
        if group and _ends(group, token):
            yield group
            group = []
        group.append(token)
    if group:
        yield group


def _ends(group: list[_Token], following: _Token) -> bool:
    """Whether a cue is over before the word that follows."""
    too_long = following.end - group[0].start > LONGEST_MS or following.start - group[-1].end >= _PAUSE_MS
    sentence = group[-1].text.endswith(SENTENCE_ENDS) and len(_joined(group)) > WIDEST
    return too_long or sentence or _lines([*group, following]) == ()


def _lines(group: Sequence[_Token]) -> tuple[str, ...]:
    """The words on one line or, if need be, on two of about the same length; none where they do not fit."""
    whole = _joined(group)
    if len(whole) <= WIDEST:
        return (whole,)
    pairs = ((_joined(group[:cut]), _joined(group[cut:])) for cut in range(1, len(group)))
    return min((pair for pair in pairs if max(map(len, pair)) <= WIDEST), key=_unevenness, default=())


def _unevenness(pair: tuple[str, str]) -> int:
    return abs(len(pair[0]) - len(pair[1]))


def _joined(group: Sequence[_Token]) -> str:
    return " ".join(token.text for token in group)


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
