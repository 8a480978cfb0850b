"""Exports, read back by others: FFmpeg for subtitles, a Markdown parser, JSON."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from services.library.export import FORMATS, Contents, Format, render
from services.library.moments import Moment
from services.library.segments import Segment, Word

SUMMARY = "# Weekly sync\n\nWe agreed.\n\n## Decisions\n\n- Ship it\n"
MOMENTS = (Moment(3, "note", "ask *Ann*"), Moment(5, "gap", seconds=2.0), Moment(6, "mark"), Moment(7, "warning", "no"))
SAID = (
    Segment(0.0, 2.0, "Hello & <welcome> --> [all].", "You", (Word(0.0, 0.5, "Hello"),)),
    Segment(4.5, 6.25, "1. Thanks_a_lot `x`", "<Ann> & co"),
    Segment(3600.0, 3601.5, "# late", ""),
)


def contents(said: tuple[Segment, ...] = SAID, **changes: Any) -> Contents:
    fields: dict[str, Any] = {
        "title": "Weekly *sync*",
        "created": "2026-03-14T10:30:00+01:00",
        "duration_s": 3605.25,
        "engine": "moonshine:tiny-en",
        "summary": SUMMARY,
        "moments": MOMENTS,
        "segments": lambda: iter(said),
    }
    return Contents(**fields | changes)


def whole(kind: Format, source: Contents) -> str:
    return "".join(render(source, kind))


def text_of(markdown: str) -> list[tuple[str, str]]:
    """What Markdown shows: the kind of each block and its text, without marks."""
    found: list[tuple[str, str]] = []
    tokens = MarkdownIt().parse(markdown)
    for opening, token in zip(tokens, tokens[1:], strict=False):
        if token.type == "inline":
            assert token.children is not None
            found.append((opening.tag, "".join(child.content for child in token.children)))
    return found


def test_markdown_shows_what_was_said_as_it_was_said() -> None:
    shown = text_of(whole("md", contents()))
    assert shown == [
        ("h1", "Weekly *sync*"),
        ("p", "Date: 2026-03-14 10:30"),
        ("p", "Length: 1:00:05"),
        ("h2", "Summary"),
        ("p", "We agreed."),
        ("h3", "Decisions"),
        ("p", "Ship it"),
        ("h2", "Notes"),
        ("p", "0:03 ask *Ann*"),
        ("p", "0:06 Marked"),
        ("h2", "Transcript"),
        ("p", "[0:00] You: Hello & <welcome> --> [all]."),
        ("p", "[0:04] <Ann> & co: 1. Thanks_a_lot `x`"),
        ("p", "(0:05 No sound)"),
        ("p", "[1:00:00] # late"),
    ]


def test_plain_text_is_a_line_each() -> None:
    assert whole("txt", contents()).splitlines() == [
        "Weekly *sync*",
        "2026-03-14 10:30, 1:00:05",
        "",
        "[0:00] You: Hello & <welcome> --> [all].",
        "[0:03] (Note: ask *Ann*)",
        "[0:04] <Ann> & co: 1. Thanks_a_lot `x`",
        "[0:05] (No sound)",
        "[0:06] (Marked)",
        "[1:00:00] # late",
    ]


def test_json_is_what_the_readme_says() -> None:
    told = json.loads(whole("json", contents()))
    assert list(told) == ["version", "title", "created", "duration_s", "engine", "summary", "notes", "segments"]
    assert (told["version"], told["duration_s"], told["engine"]) == (1, 3605.25, "moonshine:tiny-en")
    assert told["notes"] == [{"at_s": 3, "kind": "note", "text": "ask *Ann*"}, {"at_s": 6, "kind": "mark", "text": ""}]
    assert told["segments"][0] == {
        "start": 0.0,
        "end": 2.0,
        "speaker": "You",
        "text": "Hello & <welcome> --> [all].",
        "words": [{"start": 0.0, "end": 0.5, "text": "Hello"}],
    }
    assert [segment["words"] for segment in told["segments"][1:]] == [[], []]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_meeting_without_anything_is_exported_all_the_same(kind: Format) -> None:
    empty = contents((), title="x", created="soon", duration_s=0.0, engine="", summary="", moments=())
    text = whole(kind, empty)
    if kind == "json":
        told = json.loads(text)
        assert (told["segments"], told["summary"], told["created"]) == ([], None, "soon")
    else:
        assert text == {"md": "# x\n\n\n## Transcript\n", "txt": "x\n\n", "srt": "", "vtt": "WEBVTT\n\n"}[kind]


TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)[.,](\d{3})"


def read_srt(text: str) -> list[tuple[int, int, list[str]]]:
    """The cues of a SubRip file, strictly: number, times, lines, an empty line."""
    found = []
    for number, block in enumerate(re.split(r"\n\n", text)[:-1], 1):
        head, times, *lines = block.split("\n")
        assert head == str(number)
        match = re.fullmatch(TIME.replace("[.,]", ",") + " --> " + TIME.replace("[.,]", ","), times)
        assert match, times
        assert lines
        assert not any("-->" in line or not line.strip() for line in lines)
        found.append((_ms(match.groups()[:4]), _ms(match.groups()[4:]), lines))
    return found


def read_vtt(text: str) -> list[tuple[int, int, str, list[str]]]:
    """The cues of a WebVTT file by its grammar (W3C WebVTT, section 4), with the speaker of each."""
    header, *blocks = re.split(r"\n\n", text)[:-1]
    assert header == "WEBVTT"
    found = []
    for block in blocks:
        times, payload = block.split("\n", 1)
        match = re.fullmatch(TIME.replace("[.,]", r"\.") + " --> " + TIME.replace("[.,]", r"\."), times)
        assert match, times
        voiced = re.fullmatch(r"(?:<v ([^<>\n]+)>)?([^<]+)", payload)
        assert voiced, payload
        assert "-->" not in payload
        assert not re.search(r"&(?!(amp|lt|gt);)", payload)
        found.append((_ms(match.groups()[:4]), _ms(match.groups()[4:]), voiced[1] or "", voiced[2].split("\n")))
    return found


def _ms(groups: tuple[str, ...]) -> int:
    hours, minutes, seconds, ms = map(int, groups)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


LINE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=80).map(
    lambda text: " ".join(text.split())
)


@given(st.lists(st.tuples(st.floats(0, 9e5), st.floats(0, 90), LINE.filter(bool), LINE), max_size=8))
def test_subtitles_keep_to_their_grammar(drawn: list[tuple[float, float, str, str]]) -> None:
    """Feature: export, Property 3: whatever was said by whomever, subtitles can be read back."""
    said = tuple(Segment(start, start + length, text, speaker) for start, length, text, speaker in sorted(drawn))
    srt, vtt = read_srt(whole("srt", contents(said))), read_vtt(whole("vtt", contents(said)))
    for found in ([cue[0] for cue in srt], [cue[0] for cue in vtt]):
        assert found == sorted(found)
    for speaker in {segment.speaker for segment in said}:
        spoken = "".join(segment.text for segment in said if segment.speaker == speaker)
        shown = "".join(line for _, _, who, lines in vtt if _unescaped(who) == speaker for line in lines)
        assert "".join(_unescaped(shown).split()) == "".join(spoken.split())


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_ffmpeg_reads_the_same_subtitles(kind: Format, tmp_path: Path) -> None:
    file = tmp_path / f"x.{kind}"
    file.write_text(whole(kind, contents()), encoding="utf-8")
    with av.open(str(file)) as container:
        packets = [packet for packet in container.demux() if packet.size]
    assert [packet.pts for packet in packets] == [0, 4500, 3_600_000]
    assert [packet.duration for packet in packets] == [2000, 1750, 1500]
    read = [bytes(packet).decode() for packet in packets]
    if kind == "vtt":
        assert read[1] == "<v &lt;Ann&gt; &amp; co>1. Thanks_a_lot `x`"
    else:
        assert read[0] == "You: Hello & <welcome> -> [all]."


@pytest.mark.parametrize("kind", FORMATS)
def test_a_transcript_is_never_held_whole(kind: Format) -> None:
    def hours() -> Iterator[Segment]:
        for number in range(5_000):
            yield Segment(number * 3.0, number * 3.0 + 2.5, "What was said in these seconds, in some words.", "You")

    tracemalloc.start()
    try:
        size = sum(map(len, render(contents(segments=hours), kind)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 250_000
    assert peak < 100_000
