"""Notes and events of a meeting: what was written comes back at its second, and damage loses the damaged lines only."""

from __future__ import annotations

import json
import resource
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import StorageError
from services.library.meeting import Meeting
from services.library.moments import LONGEST_LINE, Journal, Kind, Moment, add_note, event_of, note_of, read_moments
from services.text import one_line

TIMES = st.floats(0, 360_000)
TEXTS = st.text(max_size=80) | st.sampled_from(
    ["⚑", "- 0:12 x", "\x1b[31mred", "# Notes", "a\nb", "\udcff", "0:59", "…"]
)
KINDS = st.sampled_from([kind for kind in get_args(Kind) if kind not in ("note", "mark")])


def meeting_in(folder: str | Path) -> Meeting:
    return Meeting(Path(folder))


@settings(max_examples=200)
@given(st.lists(st.tuples(TIMES, TEXTS), max_size=8))
def test_any_text_comes_back_as_one_line_at_its_second(taken: list[tuple[float, str]]) -> None:
    """Feature: notes, Property 1: each note is one line, at its second, as `add_note` said; a blank one is a marker."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = meeting_in(folder)
        told = [add_note(meeting, at_s, text) for at_s, text in taken]
        assert read_moments(meeting) == sorted(told, key=lambda moment: moment.at_s)
        for (at_s, text), moment in zip(taken, told, strict=True):
            words = one_line(text, 2000)
            expected = (float(int(at_s)), "", "mark") if words in ("", "⚑") else (float(int(at_s)), words, "note")
            assert (moment.at_s, moment.text, moment.kind) == expected
        if taken:
            heading, blank, *lines = meeting.notes.read_text(encoding="utf-8").split("\n")
            assert (heading, blank, len(lines)) == ("# Notes", "", len(taken) + 1)


@settings(max_examples=200)
@given(st.lists(st.tuples(TIMES, TEXTS), max_size=5), st.binary(max_size=60), st.lists(st.tuples(TIMES, TEXTS)))
def test_whatever_else_stands_in_the_file_no_note_is_lost(
    before: list[tuple[float, str]], rubbish: bytes, after: list[tuple[float, str]]
) -> None:
    """Feature: notes, Property 2: what an editor, or a crash, leaves between the notes takes none of them away."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = meeting_in(folder)
        told = [add_note(meeting, at_s, text) for at_s, text in before]
        with meeting.notes.open("ab") as file:
            file.write(rubbish)
        told += [add_note(meeting, at_s, text) for at_s, text in after]
        read = read_moments(meeting)
        for moment in told:
            assert moment in read
            read.remove(moment)
        assert len(read) <= rubbish.count(b"\n") + 1


@settings(max_examples=200)
@given(
    st.lists(st.tuples(KINDS, TIMES, st.text(max_size=40), st.floats(0, 1e6)), max_size=6),
    st.lists(st.binary(max_size=40).filter(lambda data: b"\n" not in data), max_size=3),
    st.integers(0, 50),
)
def test_events_come_back_and_damage_loses_the_damaged_lines_only(
    happened: list[tuple[Kind, float, str, float]], rubbish: list[bytes], cut: int
) -> None:
    """Feature: notes, Property 3: a journal's events are read as they were written, but for a line that was cut."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = meeting_in(folder)
        journal = Journal(meeting)
        for event in happened:
            journal.add(*event)
        journal.close()
        expected = [
            (kind, round(at_s, 3), one_line(text, 2000), round(seconds, 3)) for kind, at_s, text, seconds in happened
        ]
        expected.sort(key=lambda event: event[1])
        assert [(m.kind, m.at_s, m.text, m.seconds) for m in read_moments(meeting)] == expected
        if happened:
            data = meeting.events.read_bytes()
            *whole, last = data.splitlines(keepends=True)
            kept = last[: max(0, len(last) - 1 - cut)]
            meeting.events.write_bytes(b"".join(line + b"\n" for line in rubbish) + b"".join(whole) + kept)
            journal = Journal(meeting)
            journal.add("stop", 400_000, "the end")
            journal.close()
            read = read_moments(meeting)
            assert len(read) == len(whole) + 1 + (kept == last[:-1])
            assert read[-1].text == "the end"


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("- 0:12 buy milk", Moment(12, "note", "buy milk")),
        ("  * 1:02:03\tindented, with a tab  ", Moment(3723, "note", "indented, with a tab")),
        ("0:12 without a hyphen\r", Moment(12, "note", "without a hyphen")),
        ("\ufeff- 0:07 behind a byte order mark", Moment(7, "note", "behind a byte order mark")),
        ("- 75:30 minutes beyond the hour", Moment(4530, "note", "minutes beyond the hour")),
        ("- 0:12", Moment(12, "mark")),
        ("- 0:12 ⚑", Moment(12, "mark")),
        ("- 0:12 \x1b]0;title\x07red\x1b[31m", Moment(12, "note", "red")),
        ("# Notes", None),
        ("", None),
        ("- buy milk", None),
        ("- 0:1 milk", None),
        ("- 0:12milk", None),
        ("- ١:٢٣ digits of another script", None),
        ("- 1000:00:00 too late", None),
    ],
)
def test_a_line_that_a_person_wrote(line: str, moment: Moment | None) -> None:
    assert note_of(line.encode()) == moment


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"1", b"null", b"{}", b'{"at_s": 1}', b'{"kind": "gap"}', b'{"at_s": "x", "kind": "gap"}',
     b'{"at_s": NaN, "kind": "gap"}', b'{"at_s": -1, "kind": "gap"}', b'{"at_s": 1e300, "kind": "gap"}',
     b'{"at_s": 1%s, "kind": "gap"}' % (b"0" * 400), b'{"at_s": 1, "kind": []}', b'{"at_s": 1, "kind": "party"}',
     b'{"at_s": 1, "kind": "gap", "seconds": null}', b'{"at_s": 1, "kind": "gap", "seconds": -Infinity}', b"\xff\xfe",
     b"[" * 50_000],
)  # fmt: skip
def test_a_damaged_event_is_passed_over(line: bytes) -> None:
    assert event_of(line) is None


def test_what_a_later_version_adds_does_no_harm_and_control_characters_go() -> None:
    line = json.dumps({"at_s": 1, "kind": "gap", "text": "mic\x1b[2J\ngone", "time": None, "more": [1]}).encode()
    assert event_of(line) == Moment(1.0, "gap", "mic gone")
    assert event_of(b'{"at_s": 2.5, "kind": "pause"}') == Moment(2.5, "pause")
    assert Moment(2.5, "pause").words == "Paused"


def test_notes_and_events_come_in_the_order_of_the_recording(tmp_path: Path) -> None:
    meeting = meeting_in(tmp_path)
    add_note(meeting, 12.7, "in the twelfth second")
    add_note(meeting, 3, "")
    journal = Journal(meeting)
    journal.add("pause", 12.3, "Paused")
    journal.add("gap", 1.5, "mic: no sound", 0.5)
    journal.close()
    assert [moment.words for moment in read_moments(meeting)] == [
        "mic: no sound", "Marked", "Paused", "in the twelfth second"
    ]  # fmt: skip


def test_a_line_without_end_is_neither_held_nor_does_it_hide_the_next(tmp_path: Path) -> None:
    meeting = meeting_in(tmp_path)
    add_note(meeting, 1, "before")
    with meeting.notes.open("ab") as file:
        file.write(b"- 0:02 " + b"x" * (3 * LONGEST_LINE) + b"\n")
    add_note(meeting, 3, "after")
    assert [moment.text for moment in read_moments(meeting)] == ["before", "after"]


def test_a_meeting_without_notes(tmp_path: Path) -> None:
    assert read_moments(meeting_in(tmp_path)) == []


def test_notes_are_private(tmp_path: Path) -> None:
    add_note(meeting_in(tmp_path), 1, "x")
    assert stat.S_IMODE((tmp_path / "notes.md").stat().st_mode) == 0o600


def test_notes_that_cannot_be_read_or_written_say_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        add_note(meeting_in(tmp_path / "nowhere"), 1, "x")
    (tmp_path / "notes.md").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        add_note(meeting_in(tmp_path), 1, "x")
    assert read_moments(meeting_in(tmp_path)) == []


def test_a_full_disk_says_so_and_the_next_note_stands_alone(tmp_path: Path) -> None:
    # A real limit of the kernel in a process of its own; Python ignores the signal that comes with it.
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from services.errors import StorageError\n"
        "from services.library.meeting import Meeting\n"
        "from services.library.moments import add_note\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (20, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    add_note(Meeting(Path(sys.argv[1])), 1, 'a note that is cut')\n"
        "except StorageError as error:\n"
        "    sys.stdout.write(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "notes.md cannot be written" in done.stdout
    assert meeting_in(tmp_path).notes.read_bytes() == b"", "who tries again does not find half of it there"
    add_note(meeting_in(tmp_path), 2, "the next")
    assert read_moments(meeting_in(tmp_path)) == [Moment(2, "note", "the next")]
