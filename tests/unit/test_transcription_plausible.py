"""What nobody can have said does not come through, and what somebody said does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audio.windows import Window
from services.library.segments import Word
from services.transcription.engine import Piece
from services.transcription.plausible import _looped_once, believable, believed, holds_speech

SENTENCE = "You don't mean that you thought me so silly."


def window(certainty: float, peak: float, voiced: float = 2.0) -> Window:
    return Window(0.0, np.zeros(16000, np.float32), voiced, certainty, peak)


@pytest.mark.parametrize(
    ("certainty", "peak", "voiced", "holds"),
    [
        (0.95, 1.0, 3.0, True),
        (0.66, 0.97, 1.0, True),
        (0.8, 0.95, 0.3, True),
        (0.59, 0.88, 2.4, False),  # applause
        (0.4, 0.56, 0.5, False),  # hiss
        (0.65, 0.7, 0.5, False),
        (0.9, 0.95, 0.13, False),  # a click
    ],
)
def test_only_speech_is_worth_an_engine(certainty: float, peak: float, voiced: float, holds: bool) -> None:
    assert holds_speech(window(certainty, peak, voiced)) is holds


def said(text: str, voiced: float) -> str | None:
    piece = believable(Piece(0.0, 3.0, text), voiced)
    return piece.text if piece else None


def test_a_sentence_is_believed() -> None:
    assert said(SENTENCE, 2.0) == SENTENCE


def test_a_sentence_that_was_repeated_is_believed() -> None:
    assert said(" ".join([SENTENCE] * 4), 8.3) == " ".join([SENTENCE] * 4)


def test_no_no_no_is_believed() -> None:
    assert said("No, no, no!", 0.9) == "No, no, no!"


def test_a_loop_faster_than_speech_is_cut() -> None:
    assert said("so I thought it was so so so so so so so so so", 2.0) == "so I thought it was so"
    assert said("The amount of " + "the amount of " * 12, 3.9) == "The amount of"


def test_a_sentence_from_a_click_is_not_believed() -> None:
    assert said("Thank you for watching.", 0.13) is None
    assert said("Yeah.", 0.25) == "Yeah."


def timed(text: str, joint: str = " ", pace: float = 0.2) -> Piece:
    """A piece with a time for each word; without a joint for each letter."""
    parts = text.split() if joint else list(text)
    words = tuple(Word(at * pace, (at + 1) * pace, part) for at, part in enumerate(parts))
    return Piece(0.0, 30.0, text, words)


def test_words_go_with_the_text_that_is_cut() -> None:
    piece = believable(timed("and so we go we go we go we go there"), 1.0)
    assert piece is not None
    assert piece.text == "and so we go there"
    assert [word.text for word in piece.words] == piece.text.split()
    assert [word.start for word in piece.words] == pytest.approx([0.0, 0.2, 0.4, 0.6, 2.0])
    assert piece.end == piece.words[-1].end


def test_text_that_is_not_cut_keeps_its_words() -> None:
    assert believable(timed(SENTENCE), 2.0) == timed(SENTENCE)


def test_words_that_are_not_those_of_the_text_go_when_it_is_cut() -> None:
    other = Piece(0.0, 3.0, "go go go go there", (Word(0.0, 1.0, "go"),))
    piece = believable(other, 0.5)
    assert piece == Piece(0.0, 3.0, "go there", ())


def test_a_loop_in_a_script_without_blanks_is_cut() -> None:
    piece = believable(timed("我们走了我们走了我们走了吧", ""), 1.0)
    assert piece is not None
    assert piece.text == "我们走了吧"
    assert "".join(word.text for word in piece.words) == piece.text


@pytest.mark.parametrize("text", ["哈哈哈哈", "号码是八八八六"])
def test_laughter_and_numbers_are_no_loops(text: str) -> None:
    assert believable(timed(text, ""), 0.5) == timed(text, "")


@pytest.mark.parametrize(
    ("no_speech", "log_probability", "believed_in"),
    [
        (0.9, -0.3, True),  # sure of its words, whatever it thinks of the silence around them
        (0.61, -0.99, True),
        (0.59, -1.5, True),
        (None, -1.5, True),
        (0.61, -1.01, False),
        (0.0, -2.01, False),
        (None, -2.01, False),
        (0.9, None, True),
    ],
)
def test_what_an_engine_itself_doubts_is_not_believed(
    no_speech: float | None, log_probability: float | None, believed_in: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "sotto.transcription")
    piece = Piece(0.0, 3.0, SENTENCE, log_probability=log_probability, no_speech=no_speech)
    assert (believable(piece, 3.0) is not None) is believed_in
    assert (SENTENCE in caplog.text) is not believed_in, "what goes is in the log"


def pieces(*texts: str) -> list[Piece]:
    return [Piece(2.0 * at, 2.0 * at + 2, text) for at, text in enumerate(texts)]


def test_a_loop_over_pieces_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sotto.transcription")
    said = pieces("Let us begin.", "Thank you for it.", "Thank you for it!", "thank you for it", "Goodbye.")
    assert believed(said, 25.0) == [said[0], said[1], said[4]]
    assert "3 times" in caplog.text


def test_short_words_may_be_said_again() -> None:
    said = pieces(
        "Yeah.", "Yeah.", "Yeah.", "I know.", "I know.", "I know.", "We agreed on that.", "We agreed on that."
    )
    assert believed(said, 25.0) == said


@pytest.mark.parametrize("text", ["", " ", "...", "♪ ♪"])
def test_no_words_are_no_text(text: str) -> None:
    assert said(text, 3.0) is None


def without_loops(words: list[str]) -> list[str]:
    return [words[at] for at in _looped_once(words, 1)]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a b c", "a b c"),
        ("a a b b", "a a b b"),
        ("x a a a y", "x a y"),
        ("a b a b a b", "a b"),
        ("a b a b a b a", "a b"),
        ("A, b! a b. a B c", "A, b! c"),
        ("one two three one two three one two three one two", "one two three"),
        ("a b a b", "a b a b"),
    ],
)
def test_three_times_in_a_row_become_once(text: str, left: str) -> None:
    assert " ".join(without_loops(text.split())) == left


@given(st.lists(st.sampled_from("abc"), max_size=40))
def test_cutting_loops_keeps_order_and_invents_nothing(words: list[str]) -> None:
    """Feature: loop-guard, Property 1: what is left is a subsequence, without a word three times in a row."""
    left = without_loops(words)
    rest = iter(words)
    assert all(word in rest for word in left)
    if words:
        assert left[0] == words[0]


@given(st.lists(st.integers(), max_size=40, unique=True))
def test_without_repetition_nothing_changes(numbers: list[int]) -> None:
    """Feature: loop-guard, Property 2: text without repetition comes through as it is."""
    words = [f"w{number}" for number in numbers]
    assert without_loops(words) == words
