"""From segments to sentences: joined across segments, cut where people end a thought, each with its speaker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.library.segments import Segment
from services.summarization import tidy, words
from services.text import clean

_ENDS = ".?!…。？！｡؟۔।"
# An end mark, what may close after it, and a gap; scripts that write no gap need none.
_BOUNDARY = re.compile(r"(?<=[.?!…؟۔।])(?<!\b[A-Za-z]\.)[\"'”’)\]]*\s+|(?<=[。？！｡])[」』”’）]*\s*")
_ABBREVIATION = re.compile(r"(?:^|\s)(?:mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|approx|inc|ltd|jr|sr)\.$", re.IGNORECASE)
_LOOSE_END = re.compile(r"(?:…|\.\.)$")

_JOIN_SECONDS = 3.0
"""A speaker who goes on within this time goes on with the same sentence, where the text has punctuation."""

_PAUSE_SECONDS = 0.2
"""Without punctuation a segment's end is the best guess at a sentence's end, unless the next one follows at once."""

_LONG = 40
"""Words without any end mark after which a cut is looked for."""

_CUT_BEFORE = frozenset("so and but because okay now then anyway also well".split())
_CUT_AFTER_WORDS = 12


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, as it can be shown.

    Attributes:
        text: Tidied, with a capital and an end mark.
        speaker: Its speaker; empty where nobody can tell.
        start: Seconds from the start of the meeting.
        end: Seconds; an estimate where the sentence ends inside a segment.
    """

    text: str
    speaker: str
    start: float
    end: float


@dataclass(slots=True)
class _Pending:
    """What a speaker has said and not finished."""

    text: str
    start: float
    end: float


def split(text: str) -> list[str]:
    """The sentences of a text with punctuation, in any script."""
    found: list[str] = []
    begin = 0
    for match in _BOUNDARY.finditer(text):
        piece = text[begin : match.end()]
        following = text[match.end() : match.end() + 1]
        if _ABBREVIATION.search(piece.rstrip()) or (_LOOSE_END.search(piece.rstrip()) and following.islower()):
            continue
        if piece.strip():
            found.append(piece.strip())
        begin = match.end()
    if text[begin:].strip():
        found.append(text[begin:].strip())
    return found


def split_long(text: str) -> Iterator[str]:
    """Cut a text without punctuation into pieces of a sentence's length, before words that begin a new thought."""
    spoken = text.split()
    begin = 0
    for at, word in enumerate(spoken):
        length = at - begin
        if length >= _LONG or (length >= _CUT_AFTER_WORDS and word.lower() in _CUT_BEFORE and len(spoken) - at > 4):
            yield " ".join(spoken[begin:at])
            begin = at
    yield " ".join(spoken[begin:])


def punctuated(segments: Sequence[Segment]) -> bool:
    """Whether the recogniser writes punctuation: one end mark in forty words or more."""
    marks = sum(sum(map(segment.text.count, _ENDS)) for segment in segments)
    spoken = sum(len(segment.text.split()) for segment in segments)
    return marks * _LONG >= spoken


def cased(segments: Sequence[Segment]) -> bool:
    """Whether the recogniser writes capitals: half of the segments or more have one."""
    return 2 * sum(segment.text.lower() != segment.text for segment in segments) >= len(segments)


def sentences(segments: Sequence[Segment], *, english: bool) -> list[Sentence]:
    """The sentences of a transcript in the order in which they began.

    A sentence that runs over several segments of one speaker is joined, also when another one threw in a word.
    """
    join = _JOIN_SECONDS if punctuated(segments) else _PAUSE_SECONDS
    found: list[Sentence] = []
    pending: dict[str, _Pending] = {}
    for segment in segments:
        text = " ".join(clean(segment.text).split())
        if not text:
            continue
        held = pending.get(segment.speaker)
        if held is not None and (held.text[-1] in _ENDS or segment.start - held.end > join):
            found.extend(_cut(held, segment.speaker, english))
            held = None
        if held is None:
            pending[segment.speaker] = _Pending(text, segment.start, segment.end)
        else:
            held.text += " " + text
            held.end = max(held.end, segment.end)
        _release(pending, segment.speaker, found, english)
    for speaker, held in pending.items():
        found.extend(_cut(held, speaker, english))
    found.sort(key=lambda sentence: sentence.start)
    return found


def _release(pending: dict[str, _Pending], speaker: str, found: list[Sentence], english: bool) -> None:
    """Give out what is finished, so that a monologue is never held as a whole."""
    held = pending[speaker]
    if len(held.text) < 1000:
        return
    pieces = split(held.text)
    if len(pieces) == 1:
        found.extend(_cut(held, speaker, english))
        del pending[speaker]
        return
    last = pieces[-1]
    done = held.text[: len(held.text) - len(last)].rstrip()
    border = held.start + (held.end - held.start) * len(done) / len(held.text)
    found.extend(_cut(_Pending(done, held.start, border), speaker, english))
    pending[speaker] = _Pending(last, border, held.end)


def _cut(held: _Pending, speaker: str, english: bool) -> Iterator[Sentence]:
    per_character = (held.end - held.start) / max(1, len(held.text))
    at = held.start
    for piece in split(held.text):
        for part in split_long(piece) if len(piece.split()) > _LONG else [piece]:
            until = min(held.end, at + per_character * (len(part) + 1))
            shown = tidy.as_sentence(tidy.without_disfluency(part) if english else part)
            if words.tokens(shown):
                yield Sentence(shown, speaker, at, until)
            at = until
