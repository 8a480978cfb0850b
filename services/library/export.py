"""A meeting as other programs read it: Markdown, plain text, subtitles, JSON. Made as a stream: no format holds more of
a transcript than a few segments at a time."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

from services.errors import PathError
from services.files import read_error, write_stream
from services.library.cues import cues
from services.library.meeting import Meeting
from services.library.moments import Moment, read_moments
from services.library.names import read_transcript
from services.library.segments import Segment
from services.text import clean, clock, one_line, slug

Format = Literal["md", "txt", "srt", "vtt", "json"]

SCHEMA = 1
"""Version of the JSON export, written into each."""

OWN = ("meeting.json", "summary.md", "notes.md")
"""Files of a meeting that an export could have the name of."""

_LONGEST_NAME = 200
"""In bytes: file systems take 255, and a file that is being written has a longer name for a while."""

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&])")
_HEADING = re.compile(r"^(#{1,5})(?=\s)", re.MULTILINE)
_TITLE = re.compile(r"\A\s*# [^\n]*\n?")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a meeting has to be exported.

    Attributes:
        title: On one line.
        created: When it was, ISO 8601 with offset; empty where nobody knows.
        duration_s: Its length in seconds; 0 where nobody knows.
        engine: What transcribed it, as `engine:model`; empty where nobody knows.
        summary: Markdown; empty where there is none.
        moments: Notes, pauses and gaps, in order.
        segments: Reads what was said, in order, each time it is called.
    """

    title: str
    created: str
    duration_s: float
    engine: str
    summary: str
    moments: tuple[Moment, ...]
    segments: Callable[[], Iterator[Segment]]

    @property
    def when(self) -> str:
        """The date and time as people write them; empty where nobody knows."""
        try:
            return f"{datetime.fromisoformat(self.created):%Y-%m-%d %H:%M}"
        except ValueError:
            return ""

    @property
    def notes(self) -> list[Moment]:
        return [moment for moment in self.moments if moment.personal]


def contents_of(meeting: Meeting) -> Contents:
    """What there is of a meeting now.

    Raises:
        StorageError: It cannot be read.
    """
    info = meeting.info()
    try:
        summary = meeting.summary.read_text(encoding="utf-8", errors="replace") if meeting.summary.is_file() else ""
    except OSError as error:
        raise read_error(meeting.summary, error) from error
    return Contents(
        title=meeting.title,
        created=one_line(str(info.get("created", ""))),
        duration_s=meeting.duration_s,
        engine=one_line(str(info.get("stt", ""))),
        summary=clean(summary).strip(),
        moments=tuple(read_moments(meeting)),
        segments=lambda: read_transcript(meeting),
    )


def place(meeting: Meeting, kind: Format, folder: str | None = None) -> Path:
    """Where an export goes of which nobody said where: into the meeting's folder, with which it is deleted one day."""
    name = meeting.folder.name
    safe = name == one_line(name, _LONGEST_NAME) and len(name.encode()) <= _LONGEST_NAME
    name = f"{name if safe else slug(name)}.{kind}"
    name = f"export-{name}" if name.lower() in OWN else name
    return (Path(folder) if folder else meeting.folder) / name


def export_beside(meeting: Meeting, kind: Format) -> Path:
    """Write what there is of a meeting into its folder, under a name that nothing there has yet; returns its path.

    Raises:
        StorageError: There is nothing to export (`PathError`), or the disk refuses.
    """
    if not (meeting.transcript.is_file() and meeting.transcript.stat().st_size):
        raise PathError(f"“{meeting.title}” has no transcript yet.", "Write it up first.")
    wanted = place(meeting, kind)
    names = chain([wanted], (wanted.with_name(f"{wanted.stem}-{n}{wanted.suffix}") for n in count(2)))
    target = next(path for path in names if not os.path.lexists(path))
    write_stream(target, render(contents_of(meeting), kind))
    return target


def render(contents: Contents, kind: Format) -> Iterator[str]:
    """The export, line by line: each with its line break at the end."""
    return _KINDS[kind](contents)


def _markdown(contents: Contents) -> Iterator[str]:
    yield f"# {_escape(contents.title)}\n\n"
    if contents.when:
        yield f"- Date: {contents.when}\n"
    if contents.duration_s:
        yield f"- Length: {clock(contents.duration_s)}\n"
    if contents.summary:
        yield f"\n## Summary\n\n{_below(contents.summary)}\n"
    if contents.notes:
        yield "\n## Notes\n\n"
    for note in contents.notes:
        yield f"- {clock(note.at_s)} {_escape(note.words)}\n"
    yield "\n## Transcript\n"
    events = [moment for moment in contents.moments if not moment.personal]
    for said in _in_order(contents.segments(), events):
        if isinstance(said, Moment):
            yield f"\n*({clock(said.at_s)} {_escape(said.words)})*\n"
        else:
            speaker = f" {_escape(said.speaker)}:" if said.speaker else ""
            yield f"\n**\\[{clock(said.start)}\\]{speaker}** {_escape(said.text)}\n"


def _text(contents: Contents) -> Iterator[str]:
    yield f"{contents.title}\n"
    facts = [contents.when, clock(contents.duration_s) if contents.duration_s else ""]
    if any(facts):
        yield f"{', '.join(filter(None, facts))}\n"
    yield "\n"
    for said in _in_order(contents.segments(), contents.moments):
        if isinstance(said, Moment):
            note = "Note: " if said.kind == "note" else ""
            yield f"[{clock(said.at_s)}] ({note}{said.words})\n"
        else:
            speaker = f"{said.speaker}: " if said.speaker else ""
            yield f"[{clock(said.start)}] {speaker}{said.text}\n"


def _srt(contents: Contents) -> Iterator[str]:
    for number, cue in enumerate(cues(contents.segments(), named=True), 1):
        # SubRip has no way to escape: a line that looks like times would begin a new cue in some players.
        lines = "\n".join(cue.lines).replace("-->", "->")
        yield f"{number}\n{_stamp(cue.start, ',')} --> {_stamp(cue.end, ',')}\n{lines}\n\n"


def _vtt(contents: Contents) -> Iterator[str]:
    yield "WEBVTT\n\n"
    for cue in cues(contents.segments()):
        lines = html.escape("\n".join(cue.lines), quote=False)
        voice = f"<v {html.escape(cue.speaker, quote=False)}>" if cue.speaker else ""
        yield f"{_stamp(cue.start, '.')} --> {_stamp(cue.end, '.')}\n{voice}{lines}\n\n"


def _json(contents: Contents) -> Iterator[str]:
    head = {
        "version": SCHEMA,
        "title": contents.title,
        "created": contents.created or None,
        "duration_s": round(contents.duration_s, 3),
        "engine": contents.engine or None,
        "summary": contents.summary or None,
        "notes": [{"at_s": note.at_s, "kind": note.kind, "text": note.text} for note in contents.notes],
    }
    yield f'{_dump(head)[:-1]}, "segments": [\n'
    last = ""
    for segment in contents.segments():
        if last:
            yield f"{last},\n"
        words = [{"start": word.start, "end": word.end, "text": word.text} for word in segment.words]
        last = _dump(segment.to_dict() | {"words": words})
    yield f"{last}\n]}}\n"


_KINDS: dict[Format, Callable[[Contents], Iterator[str]]] = {
    "md": _markdown,
    "txt": _text,
    "srt": _srt,
    "vtt": _vtt,
    "json": _json,
}

FORMATS: tuple[Format, ...] = tuple(_KINDS)


def _in_order(segments: Iterable[Segment], moments: Iterable[Moment]) -> Iterator[Segment | Moment]:
    """What was said, with what happened at its place between; warnings are nobody's business later."""
    waiting = [moment for moment in moments if moment.kind != "warning"][::-1]
    for segment in segments:
        while waiting and waiting[-1].place < segment.start:
            yield waiting.pop()
        yield segment
    yield from reversed(waiting)


def _below(markdown: str) -> str:
    """A document without its title, its headings a step lower: as a part of another one."""
    return _HEADING.sub(r"\1#", _TITLE.sub("", markdown, count=1)).strip()


def _escape(text: str) -> str:
    """Text such that Markdown shows it as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def _stamp(ms: int, point: str) -> str:
    """Milliseconds as `hh:mm:ss`, the point and three digits."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def _dump(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)
