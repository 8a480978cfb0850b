"""Names of speakers: given, taken back, and shown wherever a transcript is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import UsageError
from services.files import JsonLines
from services.library.export import contents_of
from services.library.meeting import Meeting
from services.library.names import names_of, read_transcript, rename_speaker, speakers_of
from services.library.segments import Segment, read_segments
from services.text import one_line

SAID = (
    Segment(0.0, 2.0, "Shall we start?", "Speaker 1"),
    Segment(2.0, 6.5, "Yes, please.", "Speaker 2"),
    Segment(7.0, 8.0, "hm"),
    Segment(9.0, 10.0, "Good.", "Speaker 1"),
)


@pytest.fixture
def meeting(tmp_path: Path) -> Meeting:
    made = Meeting.create(tmp_path, "Weekly sync")
    with JsonLines(made.transcript) as transcript:
        for segment in SAID:
            transcript.append(segment.to_dict())
    return made


def who(meeting: Meeting) -> list[str]:
    return [segment.speaker for segment in read_transcript(meeting)]


def test_a_name_is_shown_and_the_transcript_stays_as_it_is(meeting: Meeting) -> None:
    before = meeting.transcript.read_bytes()
    rename_speaker(meeting, "Speaker 1", "Anna")
    assert who(meeting) == ["Anna", "Speaker 2", "", "Anna"]
    assert [segment.speaker for segment in contents_of(meeting).segments()] == who(meeting)
    assert meeting.transcript.read_bytes() == before
    assert meeting.info()["speakers"] == {"Speaker 1": "Anna"}
    assert meeting.title == "Weekly sync"


def test_the_same_can_be_named_again_by_label_or_name(meeting: Meeting) -> None:
    rename_speaker(meeting, "speaker 1", "Ana")
    rename_speaker(meeting, "ANA", "Anna")
    assert who(meeting)[0] == "Anna"
    rename_speaker(meeting, "Anna", "")
    assert who(meeting)[0] == "Speaker 1"
    assert names_of(meeting) == {}


def test_two_may_become_one_and_are_renamed_together(meeting: Meeting) -> None:
    for label in ("Speaker 1", "Speaker 2"):
        rename_speaker(meeting, label, "Anna")
    rename_speaker(meeting, "Anna", "Ben")
    assert who(meeting) == ["Ben", "Ben", "", "Ben"]


def test_names_can_be_swapped(meeting: Meeting) -> None:
    rename_speaker(meeting, "Speaker 1", "Speaker 2")
    rename_speaker(meeting, "Speaker 2", "Speaker 1")
    assert who(meeting)[:2] == ["Speaker 2", "Speaker 1"]


def test_who_speaks_is_listed_with_how_long(meeting: Meeting) -> None:
    rename_speaker(meeting, "Speaker 2", "Ben")
    assert [(s.label, s.name, s.seconds, s.segments) for s in speakers_of(meeting)] == [
        ("Speaker 1", "Speaker 1", 3.0, 2),
        ("Speaker 2", "Ben", 4.5, 1),
    ]


def test_nobody_of_that_name_is_told_with_who_there_is(meeting: Meeting) -> None:
    rename_speaker(meeting, "Speaker 1", "Anna")
    with pytest.raises(UsageError) as caught:
        rename_speaker(meeting, "Carl", "x")
    assert "Speaker 1, Anna, Speaker 2" in caught.value.hint
    meeting.transcript.unlink()
    with pytest.raises(UsageError, match="Nobody called 'Anna'"):
        rename_speaker(meeting, "Anna", "x")


@pytest.mark.parametrize("damage", [None, [], "Anna", {"Speaker 1": 7}, {"Speaker 1": ""}, {"Speaker 1": "\x1b[31m"}])
def test_damaged_names_are_none(meeting: Meeting, damage: object) -> None:
    meeting.update(speakers=damage)
    assert names_of(meeting) == {}
    assert who(meeting)[0] == "Speaker 1"
    meeting.info_file.write_text("{")
    assert who(meeting)[0] == "Speaker 1"


names = st.text(max_size=100)


@given(given_names=st.lists(st.tuples(st.sampled_from(["Speaker 1", "Speaker 2"]), names), max_size=6))
def test_the_last_name_is_the_one_that_is_shown(
    tmp_path_factory: pytest.TempPathFactory, given_names: list[tuple[str, str]]
) -> None:
    """Feature: names, Property 1: whatever was said before, a label has its last name, or itself for an empty one."""
    made = Meeting.create(tmp_path_factory.mktemp("names"), "x")
    with JsonLines(made.transcript) as transcript:
        for segment in SAID:
            transcript.append(segment.to_dict())
    for label, name in given_names:
        rename_speaker(made, label, name)
    last = dict(given_names)
    for raw, shown in zip(SAID, read_transcript(made), strict=True):
        assert shown.speaker == (one_line(last.get(raw.speaker, ""), 60) or raw.speaker)
        assert (shown.start, shown.end, shown.text) == (raw.start, raw.end, raw.text)


def test_a_name_that_paints_the_screen_is_cleaned(meeting: Meeting) -> None:
    rename_speaker(meeting, "Speaker 1", "A\x1b[2Jn\nna " + "x" * 200)
    name = who(meeting)[0]
    assert name.startswith("An na xxx")
    assert len(name) == 60
    assert list(read_segments(meeting.transcript)) == list(SAID)
