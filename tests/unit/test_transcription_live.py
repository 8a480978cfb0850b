"""What live.jsonl says: each word of the captions once, and every moment either heard or missing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.files import JsonLines
from services.library.segments import Segment
from services.transcription.live import Span, gaps, heard_spans, position, settled_segments
from services.worker.handler import Json

DURATION = 100.0
SPEAKERS = ("You", "Others")


def heard(speaker: str, start: float, end: float) -> Json:
    return {"heard": {"speaker": speaker, "start": start, "end": end}}


def write(path: Path, *records: Json) -> Path:
    with JsonLines(path) as lines:
        for record in records:
            lines.append(record)
    return path


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """What captions did of each speaker, in tenths of a second: `heard` a stretch, or `missed` it."""
    found = []
    for speaker in SPEAKERS:
        edges = sorted(draw(st.sets(st.integers(0, 1000), max_size=12)))
        found += [(speaker, a, b) for a, b in pairwise(edges) if draw(st.booleans())]
    return draw(st.permutations(found).map(lambda each: sorted(each, key=lambda part: part[1])))


@settings(max_examples=150)
@given(histories())
def test_every_moment_is_heard_or_missing(parts: list[tuple[str, int, int]]) -> None:
    """Feature: live text, Property 1: what was heard and the gaps cover the meeting exactly once, for each speaker"""
    heard_of: dict[str, list[Span]] = {speaker: [] for speaker in SPEAKERS}
    for speaker, a, b in parts:
        heard_of[speaker].append((a / 10, b / 10))
    missing = gaps(heard_of, SPEAKERS, DURATION)
    for speaker in SPEAKERS:
        tenths = [0] * 1000
        for start, end in [*heard_of[speaker], *missing.get(speaker, [])]:
            for at in range(round(start * 10), round(end * 10)):
                tenths[at] += 1
        # A gap of a tenth of a second is none: no word fits.
        assert all(count <= 1 for count in tenths)
        uncovered = [at for at, count in enumerate(tenths) if not count]
        assert all(b - a > 1 for a, b in pairwise(uncovered)), "a gap was passed over"


def test_words_count_when_their_window_is_settled(tmp_path: Path) -> None:
    first, second = Segment(0.5, 3.0, "Good morning.", "You"), Segment(5.0, 6.0, "Hello.", "Others")
    torn = Segment(9.0, 9.9, "This was cut", "You")
    path = write(
        tmp_path / "live.jsonl",
        first.to_dict(),
        second.to_dict(),
        heard("You", 0, 3.2),
        heard("Others", 0, 6.2),
        torn.to_dict(),
    )
    assert list(settled_segments(path)) == [first, second]
    assert heard_spans(path) == {"You": [(0.0, 3.2)], "Others": [(0.0, 6.2)]}


def test_words_that_were_cut_off_and_came_again_count_once(tmp_path: Path) -> None:
    said = Segment(9.0, 9.9, "This is it.", "You")
    path = write(tmp_path / "live.jsonl", heard("You", 0, 8), said.to_dict(), said.to_dict(), heard("You", 8, 10))
    assert list(settled_segments(path)) == [said]


def test_words_at_the_end_of_a_window_count_once(tmp_path: Path) -> None:
    last = Segment(2.95, 3.0, "Yes.", "You")
    path = write(tmp_path / "live.jsonl", last.to_dict(), heard("You", 0, 3), heard("You", 3, 9))
    assert list(settled_segments(path)) == [last]


def test_what_was_heard_piece_by_piece_is_one_span(tmp_path: Path) -> None:
    path = write(tmp_path / "live.jsonl", heard("", 0, 3.2), heard("", 3.2, 9), {"skipped": {"start": 9, "end": 50}},
                 heard("", 51.5, 60))  # fmt: skip
    assert heard_spans(path) == {"": [(0.0, 9.0), (51.5, 60.0)]}
    assert gaps(heard_spans(path), ("",), 60.0) == {"": [(9.0, 51.5)]}


def test_captions_go_on_per_speaker(tmp_path: Path) -> None:
    path = write(tmp_path / "live.jsonl", heard("You", 0, 12.5), heard("Others", 0, 7))
    assert position(path).heard == {"You": 12.5, "Others": 7.0}
    write(path, {"skipped": {"start": 7.0, "end": 60.0}}, heard("You", 61, 65))
    assert (position(path).start, position(path).heard) == (60.0, {"You": 65.0})


def test_damage_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_bytes(
        b'{"heard": 3}\n{"heard": {"speaker": "", "start": 5, "end": 1}}\n{"skipped": []}\n{"text": 1, "start": 0}\n'
        b"\xff\n"
        b'{"heard": {"speaker": "", "start": 0, "end": 1e999}}\n[]\n'
    )
    assert list(settled_segments(path)) == []
    assert heard_spans(path) == {}
    assert position(path).heard == {}


def test_a_file_of_an_older_sotto_has_no_settled_text(tmp_path: Path) -> None:
    path = write(tmp_path / "live.jsonl", Segment(0, 3, "Good morning.", "You").to_dict())
    assert list(settled_segments(path)) == []
    assert gaps(heard_spans(path), ("You",), 10.0) == {"You": [(0.0, 10.0)]}
