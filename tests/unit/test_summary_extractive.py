"""The built-in summary engine on whole meetings."""

from __future__ import annotations

import tracemalloc
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import CancelledError
from services.library.segments import Segment
from services.summarization import ranking
from services.summarization.engine import NO_SPEECH, Summary, Watch
from services.summarization.extractive import Extractive, digest
from services.summarization.sentences import sentences
from tests.benchmarks.rouge import rouge
from tests.models.meeting_texts import CHINESE, GERMAN, LAUNCH, OFFICE, long_meeting, meeting

LAUNCH_BY_HAND = (
    "The team talked about the beta release. The login page fails on old phones and will be fixed by Wednesday. The "
    "beta launches on March the third because testing the beta needs more time. Maria sends the press release by "
    "Friday. "
    "The budget for advertising is open, so they go with the smaller campaign."
)


def _ignore(*_: object) -> None:
    """For what a test does not look at."""


QUIET = Watch(text=_ignore, progress=_ignore, check=_ignore)


def summary(segments: list[Segment], language: str = "en", title: str = "") -> Summary:
    return Extractive().summarize(segments, title, "2026-02-23", language, QUIET)


def test_decisions_actions_and_questions_of_a_meeting_are_found() -> None:
    found = summary(meeting(LAUNCH))
    assert list(map(str, found.actions)) == [
        "You: Fix the login page (by Wednesday, 2026-02-25)",
        "Maria: Send the press release to the newspapers (by Friday, 2026-02-27)",
        "Tom: Book the conference room for the launch party",
        "You: Update the website (before the end of the month)",
    ]
    assert found.decisions == (
        "We agreed to launch the beta on March the third.",
        "Let's go with the smaller campaign for now.",
    )
    assert "We still need to find out whether finance approves the bigger campaign." in found.questions


def test_text_without_capitals_and_punctuation_gives_the_same_kinds_of_results() -> None:
    found = summary(meeting(OFFICE))
    assert list(map(str, found.actions)) == [
        "Priya: Call the movers and get three quotes (by next tuesday)",
        "Ask the landlord about the deposit",
        "Jonas: Order new desks (before the end of may)",
    ]
    assert "We have decided to move to the new building in june." in found.decisions
    assert found.questions == ("Who is going to tell the customers about the new address.",)


def test_the_summary_says_more_of_what_mattered_than_the_beginning_does() -> None:
    segments = meeting(LAUNCH)
    ours = " ".join(line for line in summary(segments).text.splitlines() if line.startswith("- "))
    opening = " ".join(" ".join(segment.text for segment in segments).split()[: len(ours.split())])
    assert rouge(ours, LAUNCH_BY_HAND).one > 1.2 * rouge(opening, LAUNCH_BY_HAND).one
    assert rouge(ours, LAUNCH_BY_HAND).two > 1.2 * rouge(opening, LAUNCH_BY_HAND).two


def test_small_talk_and_fillers_stay_out() -> None:
    text = summary(meeting(LAUNCH)).markdown.lower()
    for air in ("weekend", "rained", " um", " uh", "mm-hmm"):
        assert air not in text


def test_a_title_is_suggested_from_what_it_was_about_and_an_own_title_is_kept() -> None:
    suggested = summary(meeting(LAUNCH))
    assert "beta" in suggested.suggestion.lower()
    assert suggested.markdown.startswith(f"# {suggested.suggestion}\n")
    own = summary(meeting(LAUNCH), title="Weekly sync")
    assert own.markdown.startswith("# Weekly sync\n")
    assert own.suggestion == suggested.suggestion


@pytest.mark.parametrize(("text", "expected"), [(GERMAN, "Webseite"), (CHINESE, "新网站")])
@pytest.mark.parametrize("language", ["", "en", "xx"])
def test_other_languages_get_ranked_sentences_and_no_invented_sections(text: str, expected: str, language: str) -> None:
    found = summary(meeting(text), language)
    assert expected in found.text
    assert (found.decisions, found.actions, found.questions, found.suggestion) == ((), (), (), "")
    said = "".join(segment.text for segment in meeting(text))
    for line in found.text.splitlines():
        assert line.split(": ", 1)[1] in said


@pytest.mark.parametrize(
    "segments", [[], [Segment(0, 1, " "), Segment(1, 2, "... - !")], [Segment(0, 1, "Um. Uh, um.")]]
)
def test_without_speech_it_says_so_and_invents_nothing(segments: list[Segment]) -> None:
    found = summary(segments)
    assert found.markdown == f"# Meeting of 2026-02-23\n\n{NO_SPEECH}\n"


def test_the_text_is_told_as_it_is_written() -> None:
    pieces: list[str] = []
    found = Extractive().summarize(
        meeting(LAUNCH), "", "", "en", Watch(text=pieces.append, progress=_ignore, check=_ignore)
    )
    assert "".join(pieces) == found.markdown


def test_it_stops_when_it_is_cancelled() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise CancelledError("It was cancelled.")

    with pytest.raises(CancelledError):
        Extractive().summarize(long_meeting(20_000), "", "", "en", Watch(text=_ignore, progress=_ignore, check=check))
    assert calls == 20


def test_memory_stays_small_for_a_long_meeting() -> None:
    segments = long_meeting(40_000)
    tracemalloc.start()
    try:
        found = summary(segments)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    assert len(found.actions) <= 30
    assert peak < 40


def test_what_is_said_twice_is_listed_once() -> None:
    said = "You| We decided to sell the old printer.\nYou| I'll send the printer contract to the lawyer by Friday.\n"
    found = summary(meeting(said + LAUNCH + said))
    assert sum("printer" in decision for decision in found.decisions) == 1
    assert sum("lawyer" in str(action) for action in found.actions) == 1


def test_a_summary_covers_new_ground_instead_of_the_same_thing_again() -> None:
    same = [f"The printer contract needs a signature from the printer supplier on page {n}." for n in range(8)]
    other = ["The canteen menu gets a vegetarian dish.", "The canteen menu costs less from June."]
    said = sentences(meeting("\n".join(f"You| {line}" for line in same[:4] + other + same[4:])), english=True)
    chosen = ranking.choose(said, 35, english=True, worth=lambda _: 1.0, check=_ignore)
    assert any("canteen" in said[index].text for index in chosen)


def test_a_sentence_that_points_elsewhere_yields_to_one_that_stands_alone() -> None:
    told = ["It changes the printer contract in June.", "Someone changes the printer contract in June."]
    lines = ["Hello there."] * 10 + told + ["Thank you."] * 10
    said = sentences(meeting("\n".join(f"You| {line}" for line in lines)), english=True)
    assert ranking.choose(said, 5, english=True, worth=lambda _: 1.0, check=_ignore) == [11]


def test_a_digest_is_about_as_long_as_asked() -> None:
    lines = digest(long_meeting(3000), 80, "en", _ignore)
    assert 60 <= sum(len(line.split()) for line in lines) <= 110


_SEGMENTS = st.lists(
    st.builds(
        lambda start, text, speaker: Segment(start, start + 1, text, speaker),
        st.floats(0, 10_000),
        st.text(max_size=80) | st.sampled_from(meeting(LAUNCH)).map(lambda segment: segment.text),
        st.sampled_from(["", "You", "Others", "A [b] (c*"]),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(_SEGMENTS, st.sampled_from(["", "en", "de"]))
def test_any_transcript_gives_clean_markdown(segments: list[Segment], language: str) -> None:
    """Feature: summary, Property 1: any transcript gives a title and sections, without control characters."""
    markdown = summary(sorted(segments, key=lambda segment: segment.start), language).markdown
    assert markdown.startswith("# ")
    assert not [c for c in markdown if c != "\n" and unicodedata.category(c) == "Cc"]
    headings = [line for line in markdown.splitlines() if line.startswith("## ")]
    order = ["## Summary", "## Decisions", "## Action items", "## Open questions"]
    assert headings == [heading for heading in order if heading in headings]


@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_longer_meetings_get_longer_summaries(a: int, b: int) -> None:
    """Feature: summary, Property 2: the length of a summary grows with the meeting's, slowly."""
    shorter, longer = sorted((a, b))
    assert ranking.budget(shorter) <= ranking.budget(longer) <= 260
