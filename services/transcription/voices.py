"""Who said what, by voice: pieces are cut where another voice begins, and voices put together over a meeting."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.library.segments import segment_records
from services.text import SENTENCE_ENDS
from services.transcription.engine import Piece
from services.transcription.joining import Line, line_of
from services.transcription.labels import VOICE

Vector = NDArray[np.float32]

SAME = 0.4
"""Cosine from which two vectors are taken for one voice. Over the speech set 0.3 to 0.5 find four of four speakers in
both simulated meetings and one in each reading; below, speakers fall together, above, one becomes two."""

_SURE = 1.5
"""Seconds from which an utterance may make a speaker of its own; a shorter one goes to whom it is most like."""

_AT_ONCE = 400
"""So many vectors are compared each with each: time and memory do not grow faster than the meeting."""

_TIMED_BONUS = 0.4
_GUESSED_REACH = 3.0
"""Seconds. Voices change where a sentence ends: with times of words that end may lie so much farther away than another
word's; without, only the end of a sentence is taken, and none that lies farther away than the second."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of a window in which one person speaks.

    Attributes:
        start: Seconds from the start of the window.
        end: Likewise.
        voice: float32 (n,), of length 1.
    """

    start: float
    end: float
    voice: Vector

    def and_then(self, later: Turn) -> Turn:
        """This turn and the next one as one, which it is where the voice is the same."""
        voice = self.voice * (self.end - self.start) + later.voice * (later.end - later.start)
        return Turn(self.start, later.end, _unit(voice))


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something that somebody said.

    Attributes:
        start: Seconds from the start of the meeting.
        seconds: How long it took.
        voice: float32 (n,); None where nothing is known of the voice.
    """

    start: float
    seconds: float
    voice: Vector | None


def alike(one: Vector, other: Vector) -> float:
    """The cosine of two vectors of length 1."""
    return float(one @ other)


def pack(voice: Sequence[float] | Vector) -> str:
    """A vector as text that a line of a transcript can carry: its direction in 8 bits a number, in base64."""
    values = np.asarray(voice, np.float64)
    largest = max(float(np.abs(values).max(initial=0.0)), 1e-9)
    return base64.b64encode(np.round(values / largest * 127).astype(np.int8).tobytes()).decode()


def unpack(text: object) -> Vector | None:
    """The vector that `pack` was given, of length 1; None where `text` holds none."""
    if not isinstance(text, str):
        return None
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), np.int8).astype(np.float32)
    except ValueError:
        return None
    return _unit(values) if values.any() else None


def attribute(pieces: Sequence[Piece], turns: Sequence[Turn]) -> list[Piece]:
    """`pieces` of a window cut where another voice begins, each with the voice that it was said by.

    Without times of words a piece is cut at the ends of its sentences only; what holds several voices then has the
    one that speaks longest.
    """
    if not turns:
        return list(pieces)
    return [part for piece in pieces for part in _cut(line_of(piece, 0.0), turns)]


def _cut(line: Line, turns: Sequence[Turn]) -> list[Piece]:
    piece = line.piece
    bounds = [turn.start for turn in turns if piece.start < turn.start < piece.end]
    places = [0]
    times = [piece.start]
    for bound in bounds:
        place = _place(line, bound)
        if place is not None and places[-1] < place < len(line.tokens):
            places.append(place)
            times.append(bound)
    spans = zip(pairwise([*places, len(line.tokens)]), pairwise([*times, piece.end]), strict=True)
    if len(places) == 1:
        return [replace(piece, voice=_longest(turns, piece.start, piece.end))]
    return [replace(_part(line, *words), voice=_longest(turns, *span)) for words, span in spans]


def _place(line: Line, bound: float) -> int | None:
    """How many words of `line` come before a change of voices; None where that cannot be told."""
    tokens = line.tokens
    best, place = _GUESSED_REACH, None
    for i in range(1, len(tokens)):
        gap = abs((tokens[i - 1].end + tokens[i].start) / 2 - bound)
        ends = tokens[i - 1].text.rstrip("\"'”’»)").endswith(SENTENCE_ENDS)
        if not line.timed and not ends:
            continue
        if (cost := gap - _TIMED_BONUS * ends) < best:
            best, place = cost, i
    if line.timed and tokens:
        edges = ((abs(tokens[0].start - bound), 0), (abs(tokens[-1].end - bound), len(tokens)))
        for cost, edge in edges:
            if cost < best:
                best, place = cost, edge
    return place


def _part(line: Line, begin: int, end: int) -> Piece:
    """The words `begin` to `end` of a line as a piece of its own."""
    piece, count = line.piece, len(line.tokens)
    stop = line.places[end] if end < count else len(piece.text)
    return replace(
        piece,
        start=line.tokens[begin].start if begin else piece.start,
        end=line.tokens[end - 1].end if end < count else piece.end,
        text=piece.text[line.places[begin] : stop].strip(),
        words=piece.words[begin:end] if line.timed else (),
    )


def _longest(turns: Sequence[Turn], start: float, end: float) -> tuple[float, ...]:
    """The voice of the turn that most of a stretch belongs to."""
    turn = max(turns, key=lambda turn: min(turn.end, end) - max(turn.start, start))
    return tuple(turn.voice.tolist())


def speakers_in(transcript: Path) -> list[int]:
    """The speaker of each segment of a transcript in the making, by the vectors that its lines carry; 0 for unknown."""
    lines = segment_records(transcript)
    return label([Utterance(said.start, said.end - said.start, unpack(record.get(VOICE))) for record, said in lines])


def label(utterances: Sequence[Utterance]) -> list[int]:
    """The speaker of each utterance: 1 for the one who speaks first, then 2 and so on; 0 where nobody knows.

    Average-linkage clustering by cosine (Sokal and Michener 1958), of the longest utterances first. It does not matter
    in which order they come.
    """
    sizes = Counter(len(each.voice) for each in utterances if each.voice is not None)
    if not sizes:
        return [0] * len(utterances)
    size = max(sizes, key=lambda size: (sizes[size], size))  # vectors of another kind cannot be compared with these
    known = [i for i, each in enumerate(utterances) if each.voice is not None and len(each.voice) == size]
    order = sorted(known, key=lambda i: _key(utterances[i]))
    voices = np.stack([_unit(np.asarray(utterances[i].voice, np.float32)) for i in order])
    seconds = np.array([utterances[i].seconds for i in order])
    found = _clusters(voices, seconds)
    numbers: dict[int, int] = {}
    labels = [0] * len(utterances)
    for i, cluster in zip(order, found, strict=True):
        labels[i] = numbers.setdefault(int(cluster), len(numbers) + 1)
    return labels


def _key(utterance: Utterance) -> tuple[float, float, bytes]:
    return utterance.start, utterance.seconds, np.asarray(utterance.voice, np.float32).tobytes()


def _clusters(voices: NDArray[np.float32], seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    """The cluster of each of the vectors (n, d)."""
    sure = np.flatnonzero(seconds >= _SURE)
    waiting = sure if len(sure) else np.arange(len(seconds))
    waiting = waiting[np.argsort(-seconds[waiting], kind="stable")]
    centres = np.zeros((0, voices.shape[1]), np.float32)
    while len(waiting):
        now, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        centres = np.concatenate([centres, _centres(voices[now])])
        waiting = waiting[(voices[waiting] @ centres.T).max(axis=1, initial=-1.0) < SAME]
    nearest: NDArray[np.intp] = (voices @ centres.T).argmax(axis=1)
    return nearest


def _centres(voices: NDArray[np.float32]) -> NDArray[np.float32]:
    """The directions (k, d) of the clusters that `voices` (n, d) fall into."""
    count = np.ones(len(voices))
    likeness = (voices @ voices.T).astype(np.float64)
    np.fill_diagonal(likeness, -np.inf)
    members = [[i] for i in range(len(voices))]
    while True:
        one, other = sorted(divmod(int(likeness.argmax()), len(voices)))
        if likeness[one, other] < SAME or one == other:
            break
        merged = (count[one] * likeness[one] + count[other] * likeness[other]) / (count[one] + count[other])
        merged[[one, other]] = -np.inf
        likeness[one], likeness[:, one] = merged, merged
        likeness[other], likeness[:, other] = -np.inf, -np.inf
        count[one] += count[other]
        members[one] += members[other]
        members[other] = []
    return np.stack([_unit(voices[group].sum(axis=0)) for group in members if group])


def _unit(vector: Vector) -> Vector:
    unit: Vector = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return unit
