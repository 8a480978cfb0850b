"""Seams: windows that share some audio become one text, each word once."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.library.segments import Word
from services.transcription.engine import Piece
from services.transcription.seams import Seams, Settled

MANY = [first + middle + last for first in "bdfgklmnprst" for middle in ("a", "ee", "o", "ai") for last in "bdgklmnrst"]
"""Words that differ, for engines without times: there only the text tells where a word belongs."""
FEW = ["no", "and", "well"]
"""Words that come again and again, for engines with times."""


@dataclass(frozen=True)
class Span:
    """A window as a seam sees it."""

    start: float
    end: float
    overlap: float = 0.0
    continued: float = 0.0


@dataclass(frozen=True)
class Speech:
    """What is said, and the windows it was cut into."""

    words: list[Word]
    windows: list[Span]


@st.composite
def speeches(draw: st.DrawFn, vocabulary: list[str], distinct: bool) -> Speech:
    """Words without a pause, and windows of 6 to 15 s over them that share 2 s."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    count = draw(st.integers(20, 120))
    texts = rng.sample(vocabulary, count) if distinct else [rng.choice(vocabulary) for _ in range(count)]
    at, words = 0.3, []
    for text in texts:
        length = rng.uniform(0.2, 0.5)
        words.append(Word(at, at + length, text))
        at += length
    windows: list[Span] = []
    end, start, overlap = at + 0.3, 0.0, 0.0
    while True:
        stop = start + draw(st.floats(6.0, 15.0))
        if stop > end - 1.0:
            return Speech(words, [*windows, Span(start, end, overlap)])
        windows.append(Span(start, stop, overlap, 2.0))
        start, overlap = stop - 2.0, 2.0


def heard(speech: Speech, window: Span, rng: random.Random) -> list[Word]:
    """The words in a window, times from its start; those that its edges cut are wrong in one way or another."""
    found = []
    for word in speech.words:
        if word.end <= window.start or word.start >= window.end:
            continue
        text, start, end = word.text, max(word.start, window.start), min(word.end, window.end)
        if (start, end) != (word.start, word.end):
            half = text[: len(text) // 2] if end == window.end else text[len(text) // 2 :]
            text = rng.choice([half, half + "xx", "Zq", ""])
        jitter = rng.uniform(-0.05, 0.05)
        if text:
            found.append(Word(start + jitter - window.start, end + jitter - window.start, text))
    return found


def sewn(seams: Seams, windows: list[tuple[Span, list[Piece]]]) -> list[Settled]:
    out = []
    for number, (window, pieces) in enumerate(windows):
        out += seams.feed(number, "You", window, pieces)
    return out + seams.flush()


def said(settled: list[Settled]) -> list[str]:
    return " ".join(one.piece.text for one in settled).split()


def in_pieces(words: list[Word], sizes: list[int]) -> list[Piece]:
    """Words as an engine with times gives them: a few in each piece."""
    pieces, at, turn = [], 0, 0
    while at < len(words):
        part = words[at : at + sizes[turn % len(sizes)]]
        pieces.append(Piece(part[0].start, part[-1].end, " ".join(word.text for word in part), tuple(part)))
        at, turn = at + len(part), turn + 1
    return pieces


@settings(max_examples=200, deadline=None)
@given(speeches(FEW, distinct=False), st.lists(st.integers(1, 12), min_size=1), st.integers(0, 2**32))
def test_words_with_times_are_each_there_once(speech: Speech, sizes: list[int], seed: int) -> None:
    """Feature: seams, Property 1: with word times the join of windows is what was said, even of the same few words."""
    rng = random.Random(seed)
    out = sewn(Seams(), [(window, in_pieces(heard(speech, window, rng), sizes)) for window in speech.windows])
    assert said(out) == [word.text for word in speech.words]
    for one in out:
        assert one.piece.text.split() == [word.text for word in one.piece.words]
    times = [word for one in out for word in one.piece.words]
    assert all(abs(word.start - true.start) < 0.06 for word, true in zip(times, speech.words, strict=True))


@settings(max_examples=200, deadline=None)
@given(speeches(MANY, distinct=True), st.integers(0, 2**32))
def test_words_without_times_are_each_there_once(speech: Speech, seed: int) -> None:
    """Feature: seams, Property 2: without times the join of cut windows is what was said, from the text alone."""
    rng = random.Random(seed)
    windows = []
    for window in speech.windows:
        text = " ".join(word.text for word in heard(speech, window, rng))
        windows.append((window, [Piece(0.0, window.end - window.start, text)]))
    out = sewn(Seams(), windows)
    assert said(out) == [word.text for word in speech.words]
    assert len(out) == len(windows)


WORD = st.text("ab ,.Z\u3042\u0e01", min_size=1, max_size=4).map(lambda text: text.replace(" ", "") or "a")


@st.composite
def anything(draw: st.DrawFn) -> list[tuple[Span, list[Piece]]]:
    """Windows that share something, and pieces of any kind, with times that fit or not."""
    windows, start, overlap = [], 0.0, 0.0
    for _ in range(draw(st.integers(1, 6))):
        length = draw(st.floats(max(0.5, overlap), 15.0))
        continued = draw(st.one_of(st.just(0.0), st.floats(0.01, length / 3)))
        pieces, at = [], 0.0
        for _ in range(draw(st.integers(0, 3))):
            begin = draw(st.floats(at, length))
            at = end = draw(st.floats(begin, length))
            texts = [*draw(st.lists(WORD, max_size=6)), draw(st.sampled_from(["a", "b.", "Z"]))]
            texts = draw(st.permutations(texts))
            words: tuple[Word, ...] = ()
            if draw(st.booleans()):
                step = (end - begin) / len(texts)
                words = tuple(Word(begin + i * step, begin + (i + 1) * step, text) for i, text in enumerate(texts))
            pieces.append(Piece(begin, end, draw(st.sampled_from([" ", ""])).join(texts), words))
        windows.append((Span(start, start + length, overlap, continued), pieces))
        start, overlap = start + length - continued, continued
    return windows


def test_a_window_that_is_all_overlap_changes_no_order() -> None:
    seams = Seams()
    out = seams.feed(0, "", Span(2.0, 13.0, 0.0, 3.5), [Piece(11.0, 11.0, "early")])
    out += seams.feed(1, "", Span(9.5, 13.5, 3.5, 1.0), [])
    assert seams.since == 12.5
    out += seams.feed(2, "", Span(12.5, 13.5, 1.0, 0.0), [Piece(0.0, 0.0, "late")])
    assert [(one.piece.start, one.piece.text) for one in out] == [(12.5, "early"), (12.5, "late")]


@settings(max_examples=300, deadline=None)
@given(anything())
def test_what_comes_out_is_in_order_and_whole(windows: list[tuple[Span, list[Piece]]]) -> None:
    """Feature: seams, Property 3: starts never decrease, text and words agree, only words in a seam change."""
    seams, out = Seams(), []
    for number, (window, pieces) in enumerate(windows):
        since = seams.since
        settled = seams.feed(number, "", window, pieces)
        assert all(since is None or one.piece.start >= since - 1e-9 for one in settled)
        assert (seams.since is None) == (window.continued == 0.0)
        out += settled
    out += seams.flush()
    assert seams.since is None
    numbers = [one.number for one in out]
    assert numbers == sorted(numbers)
    starts = [one.piece.start for one in out]
    assert all(later >= earlier - 1e-9 for earlier, later in zip(starts, starts[1:], strict=False))
    for one in out:
        assert one.piece.text.strip() and one.piece.end >= one.piece.start
        if one.piece.words:
            assert "".join(one.piece.text.split()) == "".join(word.text for word in one.piece.words)


@settings(max_examples=200, deadline=None)
@given(anything(), st.integers(0, 5))
def test_a_window_depends_on_its_neighbours_alone(windows: list[tuple[Span, list[Piece]]], number: int) -> None:
    """Feature: seams, Property 4: begun anew at the window before, the rest comes out the same."""
    number = min(number, len(windows) - 1)
    first = number - 1 if windows[number][0].overlap else number
    anew = Seams()
    rest = []
    for at in range(first, len(windows)):
        window, pieces = windows[at]
        rest += anew.feed(at, "", window, pieces)
    rest += anew.flush()
    whole = sewn_all(windows)
    assert [one for one in rest if one.number >= number] == [one for one in whole if one.number >= number]


def sewn_all(windows: list[tuple[Span, list[Piece]]]) -> list[Settled]:
    seams, out = Seams(), []
    for number, (window, pieces) in enumerate(windows):
        out += seams.feed(number, "", window, pieces)
    return out + seams.flush()


BRISK = Span(0.0, 5.0, 0.0, 2.0), Span(3.0, 8.0, 2.0)
FIRST, SECOND = Span(0.0, 10.0, 0.0, 2.0), Span(8.0, 18.0, 2.0)


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        # An engine ends a sentence where its window ends, and begins one where it begins.
        (
            "He walked slowly down to the old.",
            "Down to the old harbour and looked at the ships.",
            "He walked slowly down to the old harbour and looked at the ships.",
        ),
        # A word that is cut becomes another one.
        (
            "He walked slowly down to the old hard.",
            "Own to the old harbour and looked at the ships.",
            "He walked slowly down to the old harbour and looked at the ships.",
        ),
        # One word here, two there.
        (
            "It was said in the workhouse by the sea side to",
            "Work house by the seaside to everybody who came.",
            "It was said in the workhouse by the seaside to everybody who came.",
        ),
        # A comma or a full stop: what stands behind a word is known to the window that goes on.
        (
            "He looked at the old harbour.",
            "the old harbour, and then at the ships that were there.",
            "He looked at the old harbour, and then at the ships that were there.",
        ),
        # Nobody's sentence is ended where it goes on, even if nothing was understood twice.
        ("Nothing of this.", "", "Nothing of this."),
        ("", "There is only the second of them.", "There is only the second of them."),
    ],
)
def test_two_texts_become_one(one: str, other: str, text: str) -> None:
    windows = [(BRISK[0], [Piece(0.0, 5.0, one)] if one else []), (BRISK[1], [Piece(0.0, 5.0, other)] if other else [])]
    assert " ".join(settled.piece.text for settled in sewn_all(windows)) == text


def test_scripts_without_blanks_are_joined_letter_by_letter() -> None:
    windows = [
        (BRISK[0], [Piece(0.0, 5.0, "今日はとても天気がいいですね。散歩に")]),
        (BRISK[1], [Piece(0.0, 5.0, "いですね、散歩に行きましょう。")]),
    ]
    assert "".join(one.piece.text for one in sewn_all(windows)) == "今日はとても天気がいいですね、散歩に行きましょう。"


def test_only_what_reaches_into_the_overlap_is_held_back() -> None:
    early, late = in_pieces([Word(1.0, 1.5, "early"), Word(8.5, 9.0, "late")], [1])
    seams = Seams()
    assert [one.piece.text for one in seams.feed(0, "You", FIRST, [early, late])] == ["early"]
    assert seams.since == 8.0
    assert seams.feed(1, "Others", Span(9.0, 10.0), [Piece(0.0, 1.0, "Meanwhile.")])[0].speaker == "Others"
    settled = seams.feed(2, "You", SECOND, in_pieces([Word(0.5, 1.0, "late"), Word(1.0, 1.5, "again")], [2]))
    assert [(one.number, one.piece.text) for one in settled] == [(0, "late"), (2, "again")]


def test_a_window_without_words_leaves_its_neighbour_whole() -> None:
    piece = Piece(0.0, 10.0, "All of this was said before.")
    assert said(sewn_all([(FIRST, [piece]), (SECOND, [])])) == piece.text.split()
    assert said(sewn_all([(FIRST, []), (SECOND, [piece])])) == piece.text.split()


def test_words_that_nothing_confirms_are_told_apart_by_their_times() -> None:
    first = in_pieces([Word(7.0, 7.5, "one"), Word(8.2, 8.7, "two"), Word(9.4, 9.9, "three")], [3])
    second = in_pieces([Word(0.1, 0.8, "zwei"), Word(1.3, 1.9, "drei"), Word(2.5, 3.0, "vier")], [3])
    assert said(sewn_all([(FIRST, first), (SECOND, second)])) == ["one", "two", "drei", "vier"]
