"""How large a context is to be, and a transcript that is longer: into how many parts, cut where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ANSWER_TOKENS = 1024
"""Room for a summary: about 700 words."""

NOTES_TOKENS = 512
"""Room for the notes of one part."""

_STEP = 256
_SMALLEST_BODY = 64
_RESERVE_MB = 200.0
"""What a model leaves free: a recording that runs beside it, and the system, have to live on."""
_OWN_MB = 32.0
"""What the process takes beside the model while it works: a long transcript, its tokens and its notes."""


@dataclass(frozen=True, slots=True)
class Room:
    """How a context is divided.

    Attributes:
        context: All of it, in tokens.
        body: What one prompt may hold of a transcript or of notes.
        answer: What the model may write for the summary.
        notes: What it may write about one part; so little that parts always shrink.
    """

    context: int
    body: int
    answer: int
    notes: int


def context_for(body: int, frame: int, trained: int, limit: int) -> int:
    """The context that a transcript of `body` tokens needs: all of it in one prompt where the model can.

    Args:
        body: Tokens of the transcript.
        frame: Tokens of the prompt around it.
        trained: Context that the model was trained with.
        limit: Context that the user allows.
    """
    needed = -(-(body + frame + ANSWER_TOKENS) // _STEP) * _STEP
    return max(1, min(needed, trained, limit))


def within(context: int, most: int) -> int:
    """The context of `context` tokens, or the next smaller one that has at most `most`."""
    return context if context <= most else max(0, most) // _STEP * _STEP


def smallest(frame: int) -> int:
    """The smallest context that is of any use around a prompt frame of `frame` tokens."""
    context = _STEP
    while divide(context, frame) is None:
        context += _STEP
    return context


def room_mb(available_mb: float, held_mb: float, limit_mb: float) -> float:
    """What a model and its context may take together.

    Args:
        available_mb: What the system can give.
        held_mb: What the process holds already.
        limit_mb: What the whole process may hold; 0 for no limit.
    """
    allowed = limit_mb - held_mb if limit_mb > 0 else available_mb
    return max(0.0, min(available_mb - _RESERVE_MB, allowed) - _OWN_MB)


def divide(context: int, frame: int) -> Room | None:
    """Divide `context` tokens around a prompt frame of `frame`; None where nothing useful would fit."""
    answer = min(ANSWER_TOKENS, context // 4)
    body = context - frame - answer
    if body < _SMALLEST_BODY:
        return None
    return Room(context, body, answer, min(NOTES_TOKENS, answer, body // 4))


def parts(sizes: Sequence[int], capacity: int) -> list[range]:
    """Cut a row of items into as few runs as fit, of about the same size, none larger than `capacity`.

    Args:
        sizes: Tokens of each item, none above `capacity`.
        capacity: Tokens that a run may have.

    Returns:
        Ranges of indices that follow on each other and cover all items.
    """
    total = sum(sizes)
    count = max(1, -(-total // capacity))
    target = -(-total // count)
    found: list[range] = []
    begin = used = 0
    for index, size in enumerate(sizes):
        full = used + size > capacity
        # Past the target the rest is shared among the parts that remain; never open one more for that alone.
        balanced = used > 0 and used + size / 2 > target and len(found) < count - 1
        if index > begin and (full or balanced):
            found.append(range(begin, index))
            begin, used = index, 0
        used += size
    if begin < len(sizes):
        found.append(range(begin, len(sizes)))
    return found


def chunks(tokens: Sequence[int], capacity: int) -> list[Sequence[int]]:
    """`tokens` in pieces of at most `capacity`: for a single line that is longer than a whole prompt."""
    return [tokens[begin : begin + capacity] for begin in range(0, len(tokens), capacity)] or [tokens]
