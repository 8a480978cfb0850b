"""The parts of the built-in summary engine: sentences, dates, decisions, questions, topics."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.library.segments import Segment
from services.summarization import dates, decisions, questions, sentences, tidy, topics, words
from services.summarization.actions import ActionFinder
from services.summarization.people import People
from services.summarization.sentences import Sentence
from tests.models.meeting_texts import meeting


def _said(text: str) -> list[Sentence]:
    return sentences.sentences(meeting(text), english=True)


def _never() -> None:
    """Nobody cancels."""


def _actions(text: str, date: str = "") -> list[str]:
    said = _said(text)
    people = People(said, cased=sentences.cased(meeting(text)))
    return [str(found.item) for found in ActionFinder(said, people, date).find(_never)]


def test_a_sentence_is_joined_across_segments_and_interruptions() -> None:
    segments = [
        Segment(0, 4, "We have to move the release because the", "You"),
        Segment(3.5, 4, "Mm-hmm.", "Others"),
        Segment(4.2, 6, "tests take longer. That is all.", "You"),
    ]
    found = sentences.sentences(segments, english=False)
    assert [(s.speaker, s.text) for s in found] == [
        ("You", "We have to move the release because the tests take longer."),
        ("Others", "Mm-hmm."),
        ("You", "That is all."),
    ]
    assert found[0].start == 0
    assert found[2].end == 6


def test_a_long_pause_ends_a_sentence() -> None:
    segments = [Segment(0, 4, "We have to move the release. And then", "You"), Segment(60, 62, "Hello again.", "You")]
    assert [s.text for s in sentences.sentences(segments, english=False)] == [
        "We have to move the release.",
        "And then.",
        "Hello again.",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs 3.5 million. Dr. Smith agrees.", ["It costs 3.5 million.", "Dr. Smith agrees."]),
        ("Wait... what? Yes!", ["Wait... what?", "Yes!"]),
        ("今天开会。预算是多少？很好！", ["今天开会。", "预算是多少？", "很好！"]),
        ("متى نبدأ؟ غدا.", ["متى نبدأ؟", "غدا."]),
    ],
)
def test_sentences_end_where_their_script_ends_them(text: str, expected: list[str]) -> None:
    assert sentences.split(text) == expected


@settings(max_examples=200)
@given(st.text(alphabet="ab .?!。？…\"' \n", max_size=120))
def test_splitting_loses_nothing(text: str) -> None:
    """Feature: summary, Property 3: the pieces of a text together are the text."""
    assert "".join("".join(sentences.split(text)).split()) == "".join(text.split())


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["so", "we", "budget", "and", "then", "okay", "release"]), min_size=1, max_size=200))
def test_long_speech_without_marks_is_cut_and_complete(spoken: list[str]) -> None:
    """Feature: summary, Property 4: speech without punctuation is cut into pieces of at most 40 words, all kept."""
    pieces = list(sentences.split_long(" ".join(spoken)))
    assert " ".join(pieces).split() == spoken
    assert max(len(piece.split()) for piece in pieces) <= 40


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("um so we we need uh the the report", "so we need the report"),
        ("I I'll do it, you know, tomorrow", "I'll do it, tomorrow"),
        ("the thr- three options", "the three options"),
        ("call five five five one two", "call five five five one two"),
    ],
)
def test_speech_is_tidied_and_not_rephrased(spoken: str, written: str) -> None:
    assert tidy.without_disfluency(spoken) == written


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Okay, so we ship on Monday.", "we ship on Monday."),
        ("So far we have no budget.", "So far we have no budget."),
        ("Good morning everybody.", "Good morning everybody."),
        ("Well, okay.", "Well, okay."),
    ],
)
def test_openers_go_and_meaning_stays(text: str, rest: str) -> None:
    assert tidy.without_opener(text) == rest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("send it by Friday", "by Friday"),
        ("send it by next Tuesday please", "by next Tuesday"),
        ("finish by March 3rd", "by March 3rd"),
        ("finish by the third of march", "by the third of march"),
        ("finish it before the end of the month", "before the end of the month"),
        ("call her tomorrow morning", "tomorrow morning"),
        ("deliver within two weeks", "within two weeks"),
        ("ship it on 2026-04-01", "on 2026-04-01"),
        ("report in the next meeting", "in the next meeting"),
        ("finish it no later than noon", "no later than noon"),
        ("send it by end of day", "by end of day"),
    ],
)
def test_dates_are_found_as_said(text: str, said: str) -> None:
    due = dates.find(text)
    assert due is not None
    assert due.text == said
    assert said not in dates.without(text, due)


@pytest.mark.parametrize(
    "text",
    [
        "we met last Friday",
        "it broke on Monday last week",
        "on the screen",
        "at the office",
        "book the launch party",
        "",
    ],
)
def test_what_is_no_due_date_is_none(text: str) -> None:
    assert dates.find(text) is None


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("by Friday", "by Friday, 2026-02-27"),
        ("on Monday", "on Monday, 2026-03-02"),
        ("tomorrow", "tomorrow, 2026-02-24"),
        ("the day after tomorrow", "the day after tomorrow, 2026-02-25"),
        ("by next Tuesday", "by next Tuesday"),
        ("by March 3rd", "by March 3rd"),
    ],
)
def test_only_dates_without_doubt_are_made_absolute(said: str, written: str) -> None:
    assert dates.absolute(said, "2026-02-23T10:30:00+01:00") == written
    assert dates.absolute(said, "") == said
    assert dates.absolute(said, "yesterday") == said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You| I'll prepare the slides by Monday.", ["You: Prepare the slides (by Monday)"]),
        ("| I'll prepare the slides.", ["Prepare the slides"]),
        ("Others| Maria will send the report and Tom will check the numbers.",
         ["Maria: Send the report", "Tom: Check the numbers"]),
        ("Others| We start now. Tom, please update the plan.", ["Tom: Update the plan"]),
        ("Others| Could you send the contract to the lawyer, Anna?", ["Anna: Send the contract to the lawyer"]),
        ("Others| Can you send me the contract?\nYou| Sure, will do.", ["You: Send me the contract"]),
        ("Others| Yes. Priyanka will prepare the budget.", ["Priyanka: Prepare the budget"]),
        ("Others| We talked to Nadia. Nadia is responsible for the invoices.",
         ["Nadia: The invoices"]),
        ("Others| Action item for Ben: renew the licence.", ["Ben: Renew the licence"]),
        ("Engineering| Ok.\nSales| The engineering will test the login page.", ["Engineering: Test the login page"]),
    ],
)  # fmt: skip
def test_tasks_are_found_with_their_owner(text: str, expected: list[str]) -> None:
    assert _actions(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "You| I'll show you the next slide.",
        "You| I'll look into that.",
        "You| If you ask me, I would send the report.",
        "Others| Can you hear me? Can you see my screen?",
        "Others| I won't send the report.",
        "Others| Who will send the report?",
        "Others| The server will send an email to the user.",
        "Others| He said I'll buy the house.",
    ],
)
def test_talk_is_no_task(text: str) -> None:
    assert _actions(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "You| We decided to use the old printer.",
        "You| The decision is to keep the old printer.",
        "You| Let's go with the blue logo.",
        "You| We won't support the old printer.",
        "You| So we'll use the blue logo on the website.",
        "You| The launch is postponed to autumn.",
        "You| We launch the beta in March, agreed?\nOthers| Yes. So we agreed to launch in March.",
        "You| The price will be twenty euros per month.\nOthers| Okay, great.",
    ],
)
def test_decisions_are_found(text: str) -> None:
    assert list(decisions.find(_said(text), _never))


def test_a_decision_is_printed_without_what_led_to_it() -> None:
    found = list(decisions.find(_said("You| That is good news, so we decided to launch the website in June."), _never))
    assert [decided.text for decided in found] == ["we decided to launch the website in June."]


@pytest.mark.parametrize(
    "text",
    [
        "You| We haven't decided on the printer yet.",
        "You| Should we go with the blue logo?",
        "You| If we decided to use the printer, it would be cheaper.",
        "You| Let's go for lunch now and start the presentation later.",
        "You| We won't know that before the summer.",
        "You| The weather will be nice in the mountains.",
    ],
)
def test_what_is_not_settled_is_no_decision(text: str) -> None:
    assert not list(decisions.find(_said(text), _never))


@pytest.mark.parametrize(
    "text",
    [
        "You| How much can we spend on advertising?\nOthers| I don't know yet.",
        "You| We still need to find out whether the printer is broken.",
        "You| It is unclear whether the supplier can deliver.",
        "You| Who will tell the customers about the new address?",
    ],
)
def test_open_questions_are_found(text: str) -> None:
    assert list(questions.find(_said(text), _never))


@pytest.mark.parametrize(
    "text",
    [
        "You| How much can we spend on advertising?\nOthers| Two thousand euros for advertising this year.",
        "You| Can you hear me well?",
        "You| Shall we deliver the printer on Monday?\nOthers| Yes, Monday is fine.",
        "You| Any questions about the printer?",
    ],
)
def test_answered_and_rhetorical_questions_are_closed(text: str) -> None:
    assert not list(questions.find(_said(text), _never))


def test_english_is_told_from_other_languages() -> None:
    assert words.is_english(
        words.tokens("so the main thing today is that we have to move the office to the new building")
    )
    assert not words.is_english(
        words.tokens("heute sprechen wir über die neue Webseite und was in der Werbung passiert")
    )
    assert not words.is_english(words.tokens("nous allons parler du nouveau site et de la date de sortie"))


@pytest.mark.parametrize(
    ("one", "other"), [("batteries", "battery"), ("planned", "plan"), ("testing", "tests"), ("phone's", "phones")]
)
def test_forms_of_a_word_count_as_one(one: str, other: str) -> None:
    assert words.stem(one) == words.stem(other)


def test_one_word_is_no_title() -> None:
    assert topics.title(["kill"]) == ""
    assert topics.title(["login page"]) == "Login page"
    assert topics.title(["budget", "login page"]) == "Budget and login page"
