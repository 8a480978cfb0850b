"""Notes, pauses and gaps between the segments: at their place, whenever and in whatever order the files grow."""

from __future__ import annotations

import json
import os
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.library.meeting import Meeting
from services.library.moments import LONGEST_LINE, Journal, Kind, add_note
from services.library.segments import Segment
from tests.unit.test_tui_transcript import lines_of, write
from tui.entries import NOTE
from tui.tail import Tail
from tui.transcript import Line, TranscriptIndex

Step = tuple[str, float, str]
"""What was added: a segment, a note or a gap; when in the meeting; its words."""

WORDS = st.text("abc .,[]é田", max_size=60).map(lambda text: " ".join(text.split()) or "x")
STEPS = st.lists(
    st.tuples(st.sampled_from(["segment", "note", "gap"]), st.integers(0, 40_000).map(lambda n: n / 10), WORDS),
    max_size=30,
)  # fmt: skip


def add(meeting: Meeting, step: Step) -> None:
    kind, at_s, text = step
    if kind == "segment":
        write(meeting.transcript, [Segment(at_s, at_s + 1, text, "You")], "a")
    elif kind == "note":
        add_note(meeting, at_s, text)
    else:
        journal = Journal(meeting)
        journal.add("gap", at_s, text)
        journal.close()


def expected(steps: Sequence[Step]) -> list[str]:
    """Segments in the order of the file; each moment behind all segments before the first that began after it."""
    moments = [(int(at_s) + 0.999, f"{NOTE} {text}") for kind, at_s, text in steps if kind == "note"]
    moments = [(at_s, text) for kind, at_s, text in steps if kind == "gap"] + moments
    moments.sort(key=lambda moment: moment[0])
    texts: list[str] = []
    latest = 0.0
    for kind, at_s, text in steps:
        if kind == "segment":
            latest = max(latest, at_s)
            while moments and moments[0][0] < latest:
                texts.append(moments.pop(0)[1])
            texts.append(text)
    return texts + [text for _, text in moments]


def entries_of(index: TranscriptIndex) -> list[str]:
    """The texts of all entries, each put together from its lines."""
    return [line.entry.text for line in lines_of(index) if line.first]


@settings(max_examples=200, deadline=None)
@given(STEPS, st.integers(20, 100), st.integers(1, 8), st.integers(20, 100))
def test_moments_stand_at_their_place_however_the_files_grow(
    steps: list[Step], width: int, every: int, other: int
) -> None:
    """Feature: transcript-view, Property 5: read as they grow, the files show what they show when read at once."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = Meeting(Path(folder))
        grown = TranscriptIndex(meeting.transcript, width)
        before: list[Line] = []
        for number, step in enumerate(steps):
            add(meeting, step)
            if number % every == 0:
                assert grown.changed()
                assert grown.extend()
                assert not grown.changed()
                lines = lines_of(grown)
                assert lines[: grown.stable] == before[: grown.stable]
                before = lines
        grown.extend()
        assert entries_of(grown) == expected(steps)
        at_once = TranscriptIndex(meeting.transcript, other)
        at_once.extend()
        grown.resize(other)
        assert lines_of(grown) == lines_of(at_once)
        grown.close()
        at_once.close()


@settings(max_examples=100, deadline=None)
@given(STEPS, STEPS)
def test_notes_may_be_edited_by_hand_at_any_place(steps: list[Step], edited: list[Step]) -> None:
    """Feature: transcript-view, Property 6: after any edit of notes.md, in its place or not, it shows what is there."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = Meeting(Path(folder))
        index = TranscriptIndex(meeting.transcript, 60)
        for step in steps:
            add(meeting, step)
        index.extend()
        notes = [step for step in edited if step[0] == "note"]
        lines = [f"- {int(at_s) // 60}:{int(at_s) % 60:02} {text}" for _, at_s, text in notes]
        meeting.notes.write_text("\n".join(["Whatever", "", *lines]), encoding="utf-8")
        index.extend()
        assert entries_of(index) == expected([step for step in steps if step[0] != "note"] + notes)
        index.close()


def test_a_kind_has_its_look_and_a_warning_none(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path)
    journal = Journal(meeting)
    kinds: list[Kind] = ["pause", "resume", "gap", "stop", "warning"]
    for kind in kinds:
        journal.add(kind, 5.0, f"a {kind}")
    journal.close()
    add_note(meeting, 2, "look")
    add_note(meeting, 3)
    write(meeting.live, [Segment(2.5, 4, "We begin.", "You"), Segment(6, 7, "We go on.", "You")])
    index = TranscriptIndex(meeting.live, 60)
    index.extend()
    lines = lines_of(index)
    assert [(line.entry.kind, line.text) for line in lines] == [
        ("speech", "We begin."), ("note", f"{NOTE} look"), ("note", f"{NOTE} Marked"), ("event", "a pause"),
        ("event", "a resume"), ("event", "a gap"), ("event", "a stop"), ("speech", "We go on."),
    ]  # fmt: skip
    assert [line.voice for line in lines] == [1, 0, 0, 0, 0, 0, 0, 1]
    assert lines[-1].named, "after something else it is said again who speaks"


def test_a_segment_that_comes_late_stands_before_the_note_that_was_taken_meanwhile(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path)
    index = TranscriptIndex(meeting.live, 60)
    add_note(meeting, 7, "while they speak")
    index.extend()
    assert entries_of(index) == [f"{NOTE} while they speak"]
    write(meeting.live, [Segment(5, 9, "What they say.")])
    index.extend()
    assert entries_of(index) == ["What they say.", f"{NOTE} while they speak"]
    assert index.stable == 0
    write(meeting.live, [Segment(9, 12, "And more.")], "a")
    index.extend()
    assert index.stable == 2


def test_a_transcript_that_is_replaced_keeps_the_notes(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path)
    add_note(meeting, 7, "noted")
    write(meeting.transcript, [Segment(0, 1, "the old one"), Segment(9, 10, "and more")])
    index = TranscriptIndex(meeting.transcript, 60)
    index.extend()
    write(tmp_path / "new", [Segment(8, 9, "the new one")])
    os.replace(tmp_path / "new", meeting.transcript)
    index.extend()
    assert entries_of(index) == [f"{NOTE} noted", "the new one"]


def test_a_new_name_takes_room_from_the_text_and_no_word_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    text = "one two three four five six seven eight nine ten eleven twelve"
    write(path, [Segment(n, n + 1, text, "Me") for n in range(5)])
    index = TranscriptIndex(path, 70)
    index.extend()
    assert index.voice("Somebody else") == 2
    assert " ".join(line.text for line in lines_of(index)) == " ".join([text] * 5)
    assert all(len(line.text) <= index.columns.text for line in lines_of(index))


def test_times_beyond_ten_hours_fit(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path)
    write(meeting.live, [Segment(0, 1, "We begin.")])
    add_note(meeting, 36_000, "still here")
    index = TranscriptIndex(meeting.live, 60)
    index.extend()
    assert index.columns.time == len("10:00:00")


def test_a_line_without_end_is_not_held(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path)
    add_note(meeting, 1, "before")
    with meeting.notes.open("ab") as file:
        for _ in range(64):
            file.write(b"x" * LONGEST_LINE)
        file.write(b"\n- 0:02 after\n- 0:03 not ended")
    tail = Tail(meeting.notes, edited=True)
    tracemalloc.start()
    try:
        tail.renew()
        found = list(tail.lines())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [line for _, line in found] == [b"# Notes", b"", b"- 0:01 before", b"- 0:02 after", b"- 0:03 not ended"]
    assert all(tail.read(offset, len(line)) == line for offset, line in found)
    assert peak < 10 * LONGEST_LINE
    tail.close()


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path)
    os.mkfifo(meeting.notes)
    meeting.events.mkdir()
    write(meeting.live, [Segment(0, 1, "We begin.")])
    index = TranscriptIndex(meeting.live, 60)
    index.extend()
    assert entries_of(index) == ["We begin."]


def test_ten_thousand_moments_cost_their_offsets_only(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path)
    write(meeting.transcript, [Segment(n * 5.0, n * 5.0 + 4, f"{n} some words") for n in range(10_000)])
    with meeting.events.open("w") as file:
        for n in range(10_000):
            file.write(json.dumps({"at_s": n * 5.0, "kind": "gap", "text": "mic: no sound for 2.0 s, " * 20}) + "\n")
    index = TranscriptIndex(meeting.transcript, 100)
    tracemalloc.start()
    try:
        index.extend()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(index) == 20_000
    assert held < 1_300_000
