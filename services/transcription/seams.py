"""One text of windows that overlap: no word doubled, none lost.

A window that was cut in speech shares some audio with the next one of its speaker (`services.audio.windows`). What of
its text reaches into that is held back until the next one was understood; then the words that both have tell where
one text goes over into the other (`services.transcription.joining`). The text of a window depends on the windows
beside it that it shares audio with, and on no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.transcription.engine import Piece
from services.transcription.joining import Line, Token, behind, ending_of, join, line_of, up_to

_TIMED_SLACK = 0.5
_GUESSED_SLACK = 3.0
"""Seconds beyond the overlap where its words are looked for: times of words are not exact, guessed ones less."""


class Stretch(Protocol):
    """What a seam needs to know of a window; `services.audio.windows.Window` has it."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def overlap(self) -> float: ...
    @property
    def continued(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Settled:
    """Something that was said, and that no other window changes any more.

    Attributes:
        number: The window that it comes from.
        speaker: Whose window that was.
        piece: Its times are from the start of the stream.
    """

    number: int
    speaker: str
    piece: Piece


@dataclass(frozen=True, slots=True)
class _Held:
    """The end of a window that the next one of its speaker goes on with.

    Attributes:
        number: The window.
        lines: Its last lines.
        begin: No text that is still to come for this speaker begins before this time, in seconds.
        limit: Words that end before this time are not looked for in the next window; in seconds.
    """

    number: int
    lines: list[Line]
    begin: float
    limit: float


class Seams:
    """Takes in the windows of each speaker in order, and gives out what was said.

    For every window that the front end gives, also for one that is not worth an engine's time or of which nothing was
    believed (`pieces` is empty then):

        for settled in seams.feed(number, heard.speaker, heard.window, pieces):
            ...  # settled.number, settled.speaker, settled.piece (times from the start of the stream)

    and `seams.flush()` after the last. The pieces of one speaker come out in order, with starts that never decrease;
    speakers do not wait for each other. While `since` is None nothing is held back: what comes then depends on no
    window before.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    @property
    def since(self) -> float | None:
        """Time from which text is held back until the next window comes, in seconds; None where none is."""
        return min((held.begin for held in self._held.values()), default=None)

    def feed(self, number: int, speaker: str, window: Stretch, pieces: Sequence[Piece]) -> list[Settled]:
        """Take in the next window.

        Args:
            number: Comes back with what was said in it.
            speaker: Label of its stream.
            window: When it was, and what it shares.
            pieces: What was said in it, times from the start of the window.

        Returns:
            What is settled by now.
        """
        lines = [line_of(piece, window.start) for piece in pieces]
        out = []
        before = self._held.pop(speaker, None)
        if before is not None:
            kept, lines = _sew(before, lines, window)
            out += [Settled(before.number, speaker, line.piece) for line in kept]
        if window.continued > 0:
            held = self._held[speaker] = _hold_back(number, lines, window)
            lines = lines[: len(lines) - len(held.lines)]
        return out + [Settled(number, speaker, line.piece) for line in lines]

    def flush(self) -> list[Settled]:
        """What is left; no window comes any more."""
        held, self._held = self._held, {}
        return [Settled(end.number, speaker, line.piece) for speaker, end in held.items() for line in end.lines]


def _hold_back(number: int, lines: list[Line], window: Stretch) -> _Held:
    """The last lines of a window, from the first one on that reaches into what it shares with the next."""
    limit = window.end - _reach(lines, window, window.continued)
    first = next((i for i, line in enumerate(lines) if line.piece.end > limit), len(lines))
    held = lines[first:]
    return _Held(number, held, min([window.end - window.continued, *(line.piece.start for line in held)]), limit)


def _reach(lines: Sequence[Line], window: Stretch, shared: float) -> float:
    """Seconds from the edge of a window in which the words of what it shares are looked for."""
    slack = _TIMED_SLACK if all(line.timed for line in lines) else _GUESSED_SLACK
    # Where it has seams at both ends, never beyond the middle: so they are independent of each other.
    length = window.end - window.start
    return min(shared + slack, length / 2 if window.overlap and window.continued else length)


def _sew(held: _Held, lines: list[Line], window: Stretch) -> tuple[list[Line], list[Line]]:
    """Join the end of a window to the start of the next. Returns the lines of each that remain."""
    middle = window.start + window.overlap / 2
    before = [token for line in held.lines for token in line.tokens]
    after = [token for line in lines for token in line.tokens]
    skipped = next((i for i, token in enumerate(before) if token.end > held.limit), len(before))
    limit = window.start + _reach(lines, window, window.overlap)
    sought = next((i for i, token in enumerate(after) if token.start > limit), len(after))
    timed = all(line.timed for line in (*held.lines, *lines))
    found = join(before[skipped:], after[:sought], middle, timed)
    left, right = skipped + found.left, found.right
    ending = ending_of(after[right - 1]) if found.common else _ending(before, left, after[right:])
    # A window may be shorter than what it shares at both ends: then the next seam begins before this one ends.
    latest = window.end - window.continued
    kept = [_begun_by(line, latest) for line in _first_words(held.lines, left, middle, ending)]
    if not kept:
        return [], lines
    return kept, _without_first_words(lines, right, middle, kept[-1].piece.start)


def _begun_by(line: Line, at: float) -> Line:
    """`line`, which begins at `at` at the latest."""
    return line if line.piece.start <= at else replace(line, piece=replace(line.piece, start=at))


def _ending(before: Sequence[Token], left: int, rest: Sequence[Token]) -> str | None:
    """What stands between two texts with nothing in common: an engine ends a sentence where its window ends."""
    if left and left == len(before) and before[-1].key and rest and rest[0].text[:1].islower():
        return ending_of(before[-1]).rstrip(".!?\u2026")
    return None


def _first_words(lines: Sequence[Line], count: int, at: float, ending: str | None) -> list[Line]:
    """The first `count` words of `lines`."""
    kept = []
    for line in lines:
        words = len(line.tokens)
        if count > words:
            kept.append(line)
        elif count > 0:
            kept.append(up_to(line, count, at, ending))
        count -= words
    return [line for line in kept if line.spoken]


def _without_first_words(lines: Sequence[Line], count: int, at: float, earliest: float) -> list[Line]:
    """`lines` without their first `count` words; none of them begins before `earliest`."""
    rest = []
    for line in lines:
        words = len(line.tokens)
        if count < words:
            rest.append(behind(line, max(0, count), earliest if line.timed else max(at, earliest)))
            earliest = rest[-1].piece.start
        count -= words
    return [line for line in rest if line.spoken]
