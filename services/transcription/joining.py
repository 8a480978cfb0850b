"""Where the words of two windows meet that share some audio: the same words found in both, and one text made of them.

Both windows heard what they share, each with an edge in it where a word may be cut. So the join is laid through a
word that both understood alike, near the middle, where both had heard what comes before and after.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.transcription.engine import Piece

_TOKEN = re.compile(
    # Scripts without blanks: Thai, Lao, Khmer, kana, Han. Each letter stands for itself, with what follows it in its
    # word.
    "[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff][^\\w\\s]*"
    "|[^\\s\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)
_END = re.compile(r"[^\w]*$")

_TIMED_REACH = 0.6
"""Seconds that the same word may lie apart by two engines' word times."""

_GUESSED_REACH = 4.0
"""Seconds that it may lie apart where its time is guessed from its place in the text."""

_OTHER = -0.5
_ALIKE = 0.2
_LEFT_OUT = -0.35
"""Points for two words that differ, for the two halves of a cut word, and for a word that only one side has. The same
word has 1, and the less the further apart its times are. With these the fewest words went wrong where readings were cut
anywhere (tests/benchmarks/seams.py)."""

_EDGE = -0.15
"""Points for a word that only one side has at the edge of what it heard: there engines guess how a sentence may end."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a line, or what stands for it.

    Attributes:
        text: With its punctuation.
        start: Seconds from the start of the stream; guessed where the engine gave no times.
        end: Likewise.
    """

    text: str
    start: float
    end: float

    @property
    def key(self) -> str:
        return "".join(filter(str.isalnum, self.text)).casefold()

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True, slots=True)
class Line:
    """A piece and its words.

    Attributes:
        piece: Its times are from the start of the stream.
        tokens: Its words.
        places: Where each begins in the text of the piece.
        timed: Whether their times are the engine's.
    """

    piece: Piece
    tokens: tuple[Token, ...]
    places: tuple[int, ...]
    timed: bool

    @property
    def spoken(self) -> bool:
        """Whether it holds more than punctuation."""
        return any(token.key for token in self.tokens)


def line_of(piece: Piece, at: float) -> Line:
    """`piece` of a window that begins `at` seconds, with its words found."""
    placed = piece.later(at)
    places = _places(placed)
    if places:
        return Line(placed, tuple(Token(word.text, word.start, word.end) for word in placed.words), places, timed=True)
    found = list(_TOKEN.finditer(piece.text))
    letters = max(1, sum(len(match.group()) + 1 for match in found))
    seconds, done, tokens = placed.end - placed.start, 0, []
    for match in found:
        begin, done = done, done + len(match.group()) + 1
        tokens.append(
            Token(match.group(), placed.start + seconds * begin / letters, placed.start + seconds * done / letters)
        )
    return Line(placed, tuple(tokens), tuple(match.start() for match in found), timed=False)


def _places(piece: Piece) -> tuple[int, ...]:
    """Where the words of `piece` stand in its text; nothing where they are not that text."""
    places, at = [], 0
    for word in piece.words:
        place = piece.text.find(word.text, at) if word.text else -1
        if place < 0 or any(letter.isalnum() for letter in piece.text[at:place]):
            return ()
        places.append(place)
        at = place + len(word.text)
    return () if any(letter.isalnum() for letter in piece.text[at:]) else tuple(places)


def up_to(line: Line, stop: int, at: float, ending: str | None) -> Line:
    """The first words of `line`, as many as `stop`, which is one at least.

    Args:
        line: The whole.
        stop: How many.
        at: Where they end, where the words have no times.
        ending: Stands behind the last of them instead of its own punctuation.
    """
    piece = line.piece
    text = piece.text[: line.places[stop]].rstrip() if stop < len(line.places) else piece.text
    words = list(piece.words[:stop])
    if ending is not None:
        text = _END.sub("", text) + ending
        if words:
            words[-1] = replace(words[-1], text=_END.sub("", words[-1].text) + ending)
    end = line.tokens[stop - 1].end if line.timed else min(piece.end, at)
    piece = replace(piece, end=max(piece.start, end), text=text, words=tuple(words))
    return replace(line, piece=piece, tokens=line.tokens[:stop], places=line.places[:stop])


def behind(line: Line, first: int, at: float) -> Line:
    """The words of `line` from index `first` on, of which there is one at least. They do not begin before `at`."""
    piece, place = line.piece, line.places[first] if first else 0
    start = max(at, line.tokens[first].start if line.timed else piece.start)
    piece = replace(piece, start=start, end=max(start, piece.end), text=piece.text[place:], words=piece.words[first:])
    return replace(line, piece=piece, tokens=line.tokens[first:], places=tuple(p - place for p in line.places[first:]))


def ending_of(token: Token) -> str:
    """The punctuation behind a word."""
    found = _END.search(token.text)
    return found.group() if found else ""


@dataclass(frozen=True, slots=True)
class Join:
    """How two lists of words become one: the first up to `left`, then the second from `right` on.

    Attributes:
        left: So many words of the first.
        right: So many words of the second are left out.
        common: Whether the last word of the first is also the last one left out of the second.
    """

    left: int
    right: int
    common: bool


def join(before: Sequence[Token], after: Sequence[Token], middle: float, timed: bool) -> Join:
    """Find the join of two windows.

    Args:
        before: Words at the end of the first.
        after: Words at the start of the second.
        middle: Middle of what they share, in seconds from the start of the stream.
        timed: Whether the times of the words are the engine's.
    """
    if not before or not after:
        return Join(len(before), 0, common=False)
    pairs = _common(before, after, _TIMED_REACH if timed else _GUESSED_REACH)
    if not pairs:
        return _by_time(before, after, middle, timed)
    known = set(pairs)

    def cost(pair: tuple[int, int]) -> float:
        i, j = pair
        lonely = ((i - 1, j - 1) not in known) + ((i + 1, j + 1) not in known)
        return abs((before[i].middle + after[j].middle) / 2 - middle) + 0.5 * lonely

    i, j = min(pairs, key=cost)
    return Join(i + 1, j + 1, common=True)


def _by_time(before: Sequence[Token], after: Sequence[Token], middle: float, timed: bool) -> Join:
    """Nothing in common: up to the middle what the first heard, from there the second; but nobody's words are left
    out where the other one heard nothing. Where times are guessed the first keeps all but the word at its edge: what
    is understood so differently is hardly told twice, but might be told by nobody."""
    limit = max(middle, after[0].start)
    left = sum(1 for token in before if token.middle < limit)
    heard = before[left - 1].end if left else float("-inf")
    right = sum(1 for token in after if token.middle <= heard)
    return Join(left if timed else max(left, len(before) - 1), right, common=False)


def _common(before: Sequence[Token], after: Sequence[Token], reach: float) -> list[tuple[int, int]]:
    """The words that are the same in both, by the best alignment of the end of the first with the start of the second.

    Needleman and Wunsch (1970) with free ends: what the first holds before it and the second behind it costs nothing,
    what lies between it and the edges little.
    """
    rows = [[_EDGE * j for j in range(len(after) + 1)]]
    for one in before:
        row = [0.0]
        for j, other in enumerate(after, 1):
            both = rows[-1][j - 1] + _points(one, other, reach)
            row.append(max(_EDGE * j, both, rows[-1][j] + _LEFT_OUT, row[j - 1] + _LEFT_OUT))
        rows.append(row)
    ends = ((i, j) for i in range(len(before), -1, -1) for j in range(len(after) + 1))
    i, j = max(ends, key=lambda end: rows[end[0]][end[1]] + _EDGE * (len(before) - end[0]))
    pairs = []
    while rows[i][j] > _EDGE * j:
        if rows[i][j] == rows[i - 1][j - 1] + _points(before[i - 1], after[j - 1], reach):
            i, j = i - 1, j - 1
            if before[i].key == after[j].key:
                pairs.append((i, j))
        elif rows[i][j] == rows[i - 1][j] + _LEFT_OUT:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _points(one: Token, other: Token, reach: float) -> float:
    a, b, apart = one.key, other.key, abs(one.middle - other.middle)
    if apart > reach or not a or not b:
        return 2 * _LEFT_OUT
    if a == b:
        return 1.0 - apart / reach
    return _ALIKE if b.startswith(a) or a.endswith(b) else _OTHER
