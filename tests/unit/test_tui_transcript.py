"""The transcript as lines: every word exactly once, whatever the width, and nothing held but offsets."""

from __future__ import annotations

import json
import os
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from services.files import json_bytes
from services.library.meeting import Meeting
from services.library.names import rename_speaker
from services.library.segments import Segment, Word
from services.text import clean
from tui.entries import parse_segment
from tui.transcript import Columns, Line, TranscriptIndex
from tui.wrapping import wrap

PLAIN = st.text("abcdefgh.,?!'-[]0123", min_size=1, max_size=30)
ANY = st.text(
    st.characters(codec="utf-8", exclude_categories=("Zs", "Zl", "Zp", "Cc", "Cs", "Cf")), min_size=1, max_size=30
).filter(lambda word: word == " ".join(clean(word).split()))
PLAIN_TEXTS = st.lists(PLAIN, max_size=40).map(" ".join)
TEXTS = PLAIN_TEXTS | st.lists(PLAIN | ANY, max_size=40).map(" ".join)
SPEAKERS = st.sampled_from(["", "You", "Others", "Ada Lovelace-Byron the Third", "田中さん"])
SEGMENTS = st.lists(
    st.builds(
        lambda start, length, text, speaker: Segment(start, start + length, text, speaker),
        st.floats(0, 20000),
        st.floats(0, 60),
        TEXTS,
        SPEAKERS,
    ),
    max_size=12,
)
WIDTHS = st.integers(12, 160)


def write(path: Path, segments: Sequence[Segment], mode: str = "w") -> None:
    with path.open(mode, encoding="utf-8") as file:
        for segment in segments:
            file.write(json.dumps(segment.to_dict(), ensure_ascii=False) + "\n")


def lines_of(index: TranscriptIndex) -> list[Line]:
    return [index.line(y) for y in range(index.height)]


def texts_of(lines: Sequence[Line]) -> list[str]:
    """The text of each segment, put together again from its lines, blanks left out."""
    texts: list[str] = []
    for line in lines:
        if line.first:
            texts.append("")
        texts[-1] += line.text.replace(" ", "")
    return texts


@given(TEXTS, st.integers(2, 120))
@settings(max_examples=300)
def test_wrapping_keeps_every_word_once_and_every_line_fits(text: str, width: int) -> None:
    """Feature: transcript-view, Property 1: lines fit, and together they hold every character in order."""
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    # A word is only cut where it is longer than a line.
    whole = [word for word in text.split() if cell_len(word) <= width]
    shown = [word for line in lines for word in line.split()]
    for word in whole:
        assert word in shown
        shown.remove(word)


@given(PLAIN_TEXTS, st.integers(2, 120))
@settings(max_examples=200)
def test_the_quick_way_for_plain_text_gives_what_the_slow_one_gives(text: str, width: int) -> None:
    """Feature: transcript-view, Property 2: both ways of wrapping put as many words on a line as fit."""
    for line, after in zip(wrap(text, width), wrap(text, width)[1:], strict=False):
        first_word = after.split(" ")[0]
        in_one_piece = first_word in text.split()
        assert not in_one_piece or len(line) + 1 + len(first_word) > width


@given(SEGMENTS, WIDTHS, WIDTHS)
@settings(max_examples=150)
def test_an_index_shows_every_segment_once_at_any_width(segments: list[Segment], width: int, other: int) -> None:
    """Feature: transcript-view, Property 3: height is the number of lines, and a new width loses nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transcript.jsonl"
        write(path, segments)
        index = TranscriptIndex(path, width)
        index.extend()
        expected = [segment.text.replace(" ", "") for segment in segments]
        assert texts_of(lines_of(index)) == expected
        assert all(cell_len(line.text) <= index.columns.text for line in lines_of(index))
        index.resize(other)
        assert texts_of(lines_of(index)) == expected
        columns = index.columns
        used = columns.time + 2 + (columns.name + 2 if columns.name else 0) + columns.text
        assert used <= max(other, columns.time + columns.name + 12)
        index.close()


@given(SEGMENTS, SEGMENTS, WIDTHS)
@settings(max_examples=100)
def test_a_growing_file_is_taken_in_piece_by_piece(first: list[Segment], second: list[Segment], width: int) -> None:
    """Feature: transcript-view, Property 4: reading as it grows gives what reading at once gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transcript.jsonl"
        grown = TranscriptIndex(path, width)
        assert not grown.extend()
        write(path, first)
        grown.extend()
        write(path, second, "a")
        grown.extend()
        at_once = TranscriptIndex(path, width)
        at_once.extend()
        assert lines_of(grown) == lines_of(at_once)
        grown.close()
        at_once.close()


def words_of(text: str, start: float) -> tuple[Word, ...]:
    """The words of a text, one each quarter of a second."""
    return tuple(Word(start + n / 4, start + n / 4 + 0.2, word) for n, word in enumerate(text.split()))


@given(
    st.lists(PLAIN | ANY | st.sampled_from([',"words":[', '"}', "]}", '\\",', '"'])).map(" ".join),
    SPEAKERS,
    st.booleans(),
)
@settings(max_examples=300)
def test_words_and_their_times_change_nothing(text: str, speaker: str, compact: bool) -> None:
    """Feature: transcript-view, Property 5: a line with the times of its words reads like the one without."""
    record = Segment(1.0, 9.0, text, speaker).to_dict()
    timed = Segment(1.0, 9.0, text, speaker, words_of(text, 1.0)).to_dict() | {"batch": 3}
    separators = (",", ":") if compact else None
    line = json.dumps(timed, ensure_ascii=False, separators=separators).encode()
    assert parse_segment(line) == parse_segment(json.dumps(record).encode()) is not None


@given(st.data())
def test_a_line_that_was_cut_off_is_passed_over(data: st.DataObject) -> None:
    """Feature: transcript-view, Property 6: of a line whose end never reached the disk nothing is shown."""
    text = data.draw(PLAIN_TEXTS)
    line = json_bytes(Segment(1.0, 9.0, text, "You", words_of(text, 1.0)).to_dict())
    assert parse_segment(line[: data.draw(st.integers(0, len(line) - 1))]) is None


def test_the_longest_segment_with_words_is_no_line_too_long(tmp_path: Path) -> None:
    # Half a minute, eight words a second, each of them long and in letters of three bytes.
    text = " ".join(["田" * 30] * 240)
    path = tmp_path / "transcript.jsonl"
    path.write_bytes(json_bytes(Segment(0.0, 30.0, text, "Others", words_of(text, 0.0)).to_dict()) + b"\n")
    index = TranscriptIndex(path, 80)
    index.extend()
    assert len(index) == 1


def test_a_line_that_is_being_written_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    line = json.dumps(Segment(0, 1, "hello there").to_dict()).encode()
    path.write_bytes(line[:10])
    index = TranscriptIndex(path, 60)
    assert not index.extend()
    path.write_bytes(line + b"\n")
    assert index.extend()
    assert [line.text for line in lines_of(index)] == ["hello there"]


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    write(path, [Segment(0, 1, "the old one"), Segment(1, 2, "and more")])
    index = TranscriptIndex(path, 60)
    index.extend()
    write(tmp_path / "new", [Segment(0, 1, "the new one")])
    os.replace(tmp_path / "new", path)
    index.extend()
    assert [line.text for line in lines_of(index)] == ["the new one"]


def test_a_file_that_was_written_anew_in_its_place_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    write(path, [Segment(0, 1, "the old one"), Segment(1, 2, "and more")])
    index = TranscriptIndex(path, 60)
    index.extend()
    write(path, [Segment(0, 1, "short")])
    index.extend()
    assert [line.text for line in lines_of(index)] == ["short"]


def test_a_file_that_was_cut_and_has_grown_again_is_read_anew(tmp_path: Path) -> None:
    # A transcription that goes on drops its last batch first; nobody may have looked in between.
    path = tmp_path / "transcript.jsonl"
    write(path, [Segment(0, 1, "the first one"), Segment(1, 2, "dropped")])
    index = TranscriptIndex(path, 60)
    index.extend()
    write(path, [Segment(0, 1, "the first one"), Segment(1, 2, "another one that is longer"), Segment(2, 3, "more")])
    index.extend()
    assert [line.text for line in lines_of(index)] == ["the first one", "another one that is longer", "more"]


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b'{"start": 1}', b'{"start": "x", "text": "a"}', b'{"start": NaN, "text": "a"}',
     b'{"start": -1, "text": "a"}', b'{"start": 1e300, "text": "a"}', b'{"skipped": {}}', b'\xff\xfe'],
)  # fmt: skip
def test_a_damaged_line_is_passed_over(line: bytes) -> None:
    assert parse_segment(line) is None


def test_control_characters_never_reach_the_screen() -> None:
    entry = parse_segment(
        json.dumps({"start": 0, "text": "a\x1b[31mred\x07\nb", "speaker": "Eve\x1b]0;x\x07"}).encode()
    )
    assert entry is not None
    assert (entry.text, entry.speaker) == ("ared b", "Eve")


def test_a_skipped_span_says_so(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_text('{"skipped": {"start": 42.0, "end": 73.5}}\n')
    index = TranscriptIndex(path, 80)
    index.extend()
    assert index.line(0).entry.kind == "skipped"
    assert index.line(0).text == "0:42 to 1:13 is written after the recording"


def test_the_speaker_is_named_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    write(path, [Segment(n, n + 1, "words", who) for n, who in enumerate(["You", "You", "Others", "", "Others"])])
    index = TranscriptIndex(path, 60)
    index.extend()
    assert [line.named for line in lines_of(index)] == [True, False, True, False, True]


def test_columns_give_the_text_what_time_and_name_leave() -> None:
    assert Columns.fit(60, 3599.9, name=6) == Columns(5, 6, 45)
    assert Columns.fit(60, 3600.0, name=0) == Columns(7, 0, 51)
    assert Columns.fit(60, 36000.0, name=0) == Columns(8, 0, 50)
    assert Columns.fit(60, 0.0, name=99).name == 12


@pytest.mark.parametrize("timed", [False, True], ids=["plain", "with words"])
def test_ten_thousand_segments_cost_their_offsets_only(tmp_path: Path, timed: bool) -> None:
    path = tmp_path / "transcript.jsonl"
    text = "This is a sentence of a quite usual length, such as people say them in a meeting about money."
    words = words_of(text, 0.0) if timed else ()
    write(
        path, [Segment(n * 5.0, n * 5.0 + 4, f"{n} {text}", "You" if n % 2 else "Others", words) for n in range(10_000)]
    )
    index = TranscriptIndex(path, 60)
    tracemalloc.start()
    try:
        index.extend()
        index.resize(90)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(index) == 10_000
    assert index.line(index.height - 1).entry.text.startswith("9999 ")
    # 31 bytes a segment, up to twice that for arrays that have room to grow; the file itself is over a megabyte.
    assert path.stat().st_size > 1_000_000
    assert held < 600_000


def test_speakers_have_the_names_that_the_meeting_gives_them(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path, "Sync")
    write(meeting.transcript, [Segment(i, i + 1.0, "so it is", who) for i, who in enumerate(("You", "Others", "You"))])
    index = TranscriptIndex(meeting.transcript, 60)
    index.extend()
    assert [line.entry.speaker for line in lines_of(index)] == ["You", "Others", "You"]
    assert not index.changed()
    rename_speaker(meeting, "You", "Anna Karenina")
    assert index.changed()
    assert index.extend()
    assert (index.stable, index.columns.name) == (0, 12)
    assert [line.entry.speaker for line in lines_of(index)] == ["Anna Karenina", "Others", "Anna Karenina"]
    assert index.name("You") == "Anna Karenina"
    rename_speaker(meeting, "Others", "Anna Karenina")
    index.extend()
    assert [(line.named, line.voice) for line in lines_of(index)] == [(True, 1), (False, 1), (False, 1)]
    assert index.voice("Others") == 1
    meeting.update(title="Another title")
    assert index.changed()
    assert not index.extend(), "a title changes no line"
    index.close()
