"""Subtitles: whatever was said, cues can be shown and read."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from services.library.cues import LONGEST_MS, WIDEST, Cue, cues
from services.library.segments import Segment, Word

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=60)
WORDS = st.lists(TEXT.map(lambda text: "".join(text.split())).filter(bool), min_size=1, max_size=40)


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    """Segments in order of their start, of speakers who talk across each other; some with the times of their words."""
    made: list[Segment] = []
    start = 0.0
    for _ in range(draw(st.integers(0, 6))):
        start += draw(st.floats(0, 20))
        length = draw(st.floats(0, 60))
        texts = draw(WORDS)
        words: list[Word] = []
        if draw(st.booleans()):
            at = start
            for text in texts:
                at += draw(st.floats(-0.2, 3))
                words.append(Word(at, at + draw(st.floats(0, 9)), text))
        speaker = draw(st.sampled_from(["", "You", "Others", "Dr. " + "x" * 60]))
        made.append(Segment(start, start + length, " ".join(texts), speaker, tuple(words)))
    return made


def letters(text: str) -> str:
    return "".join(text.split())


@given(segments(), st.booleans())
@example([Segment(0, 0, "a" * 500, "You")], True)
@example([Segment(0, 30, "long " * 100, "You"), Segment(1, 2, "short", "Others"), Segment(1, 3, "again", "You")], True)
def test_cues_can_be_shown(said: list[Segment], named: bool) -> None:
    """Feature: export, Property 1: cues are in order, apart by speaker, and of a readable size."""
    found = list(cues(said, named))
    for cue in found:
        assert 0 <= cue.start < cue.end <= cue.start + LONGEST_MS
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= WIDEST and line == line.strip() for line in cue.lines)
    assert all(a.start <= b.start for a, b in pairwise(found))
    for speaker in {cue.speaker for cue in found}:
        own = [cue for cue in found if cue.speaker == speaker]
        assert all(a.end <= b.start for a, b in pairwise(own))


@given(segments())
def test_cues_hold_every_word_once(said: list[Segment]) -> None:
    """Feature: export, Property 2: what each speaker says is in the cues, whole and in order."""
    found = list(cues(said))
    for speaker in {segment.speaker for segment in said}:
        spoken = "".join(segment.text for segment in said if segment.speaker == speaker)
        shown = "".join(line for cue in found if cue.speaker == speaker for line in cue.lines)
        assert letters(shown) == letters(spoken)


def test_words_have_the_times_of_the_engine() -> None:
    texts = "Here is a sentence that is longer than one line of a subtitle. And then another one begins here.".split()
    words = tuple(Word(10 + 0.3 * n, 10.2 + 0.3 * n, text) for n, text in enumerate(texts))
    first, second = cues([Segment(10, 40, " ".join(texts), "", words)])
    assert first == Cue(10_000, 13_800, "", ("Here is a sentence that is longer", "than one line of a subtitle."))
    assert (second.start, second.end) == (13_900, 15_600)
    assert second.lines == ("And then another one begins here.",)


def test_a_silence_between_words_ends_a_cue() -> None:
    words = (Word(0, 1, "Well"), Word(3, 4, "yes"))
    assert [cue.lines for cue in cues([Segment(0, 4, "Well yes", "", words)])] == [("Well",), ("yes",)]


def test_without_times_words_have_a_share_of_the_segment() -> None:
    first, second = cues([Segment(0, 10, " ".join(["word"] * 20))])
    assert first.start == 0
    assert first.end == second.start
    assert 6_000 < first.end <= LONGEST_MS
    assert second.end == 10_000


def test_words_that_are_not_those_of_the_text_give_no_times() -> None:
    (cue,) = cues([Segment(0, 4, "one two", "", (Word(3, 4, "three"),))])
    assert cue == Cue(0, 4000, "", ("one two",))


def test_a_name_stands_where_somebody_else_begins() -> None:
    said = [Segment(0, 1, "Hello.", "You"), Segment(2, 3, "Hi.", "Others"), Segment(4, 5, "So.", "Others")]
    assert [cue.lines[0] for cue in cues(said, named=True)] == ["You: Hello.", "Others: Hi.", "So."]


def test_who_interrupts_comes_between() -> None:
    long = Segment(0, 20, " ".join(["word"] * 60), "You")
    found = list(cues([long, Segment(8, 9, "Wait.", "Others")]))
    place = [cue.speaker for cue in found].index("Others")
    assert 0 < place < len(found) - 1
