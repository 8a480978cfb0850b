"""What was understood comes out once, in order of start, and the same from any batch on."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from services.transcription.engine import Piece
from services.transcription.settling import Settling

SPEAKERS = ("You", "Others")


@dataclass(frozen=True)
class Span:
    """A window as seams see it, whose it is, and what was said in it."""

    speaker: str
    start: float
    end: float
    overlap: float
    continued: float
    pieces: tuple[Piece, ...]


@st.composite
def windows(draw: st.DrawFn) -> list[Span]:
    """Windows of two speakers in order of start, some of them cut in speech, each with up to three pieces."""
    spans: list[Span] = []
    for speaker in SPEAKERS:
        at, overlap = draw(st.floats(0, 5)), 0.0
        count = draw(st.integers(0, 6))
        for number in range(count):
            length = draw(st.floats(5, 20))
            continued = 1.0 if number < count - 1 and draw(st.booleans()) else 0.0
            places = sorted(draw(st.lists(st.floats(0, 0.9), max_size=3, unique=True)))
            pieces = tuple(
                Piece(place * length, place * length + 0.05, f"{speaker}{number}x{n}") for n, place in enumerate(places)
            )
            spans.append(Span(speaker, at, at + length, overlap, continued, pieces))
            at, overlap = (at + length - 1.0, 1.0) if continued else (at + length + draw(st.floats(0, 3)), 0.0)
    return sorted(spans, key=lambda span: (span.start, SPEAKERS.index(span.speaker)))


Told = list[tuple[int, float, str, str]]


def run(spans: list[Span], first: int = 0) -> Told:
    settling = Settling()
    told: Told = []
    for number, span in enumerate(spans):
        if number >= first:
            batch = settling.batch
            told += [(batch, s.piece.start, s.speaker, s.piece.text) for s in settling.arrive(number, span)]
            settling.understood(number, span.speaker, span, span.pieces)
            following = spans[number + 1].start if number + 1 < len(spans) else span.start
            told += [(settling.batch, s.piece.start, s.speaker, s.piece.text) for s in settling.settle(following)]
    batch = settling.batch
    return told + [(batch, s.piece.start, s.speaker, s.piece.text) for s in settling.flush()]


@settings(max_examples=300)
@given(windows())
def test_times_never_decrease_and_nothing_is_lost(spans: list[Span]) -> None:
    """Feature: transcription, Property 1: segments come in order of start, each once"""
    told = run(spans)
    assert [start for _, start, _, _ in told] == sorted(start for _, start, _, _ in told)
    assert [batch for batch, *_ in told] == sorted(batch for batch, *_ in told)
    alone = {piece.text for span in spans if not (span.overlap or span.continued) for piece in span.pieces}
    words = [word for *_, text in told for word in text.split()]
    assert alone <= set(words)
    assert len(words) == len(set(words))


@settings(max_examples=300)
@given(windows())
def test_from_any_batch_on_it_is_the_same(spans: list[Span]) -> None:
    """Feature: transcription, Property 2: resuming anywhere gives the same segments"""
    told = run(spans)
    for first in {batch for batch, *_ in told}:
        assert run(spans, first) == [each for each in told if each[0] >= first]
