"""What nobody can have said does not come through, and what somebody said does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audio.windows import Window
from services.transcription.engine import Piece
from services.transcription.plausible import believable, holds_speech, without_loops

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


@pytest.mark.parametrize("text", ["", " ", "...", "♪ ♪"])
def test_no_words_are_no_text(text: str) -> None:
    assert said(text, 3.0) is None


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
