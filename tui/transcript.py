"""A transcript as lines of a given width, without holding it: byte offsets into the file, and which line each starts.

A segment costs 18 bytes here, however long its text is.
"""

from __future__ import annotations

import json
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.cells import cell_len, chop_cells

from services.text import clean, clock

_BLOCK = 1 << 16
_LONGEST_NAME = 12
_HOUR = 3600.0
_LONGEST_SECONDS = 100 * _HOUR


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file: a segment, or a span that the captions skipped (then without speaker).

    Attributes:
        start: Seconds from the start of the meeting.
        speaker: Who spoke; empty where nobody can tell.
        text: The words, on one line, fit for a terminal.
        skipped: True for a span that captions had no time for.
    """

    start: float
    speaker: str
    text: str
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the screen.

    Attributes:
        entry: What it belongs to.
        text: Its share of the entry's words.
        first: It is the entry's first line: the one with time and speaker.
        named: The speaker is not the one of the entry before.
        voice: Number of the speaker, from 1 in order of appearance; 0 where nobody can tell.
    """

    entry: Entry
    text: str
    first: bool
    named: bool
    voice: int


@dataclass(frozen=True, slots=True)
class Columns:
    """How wide time, speaker and text are, in cells. Each of the first two is followed by two blanks."""

    time: int
    name: int
    text: int

    @staticmethod
    def fit(width: int, long: bool, name: int) -> Columns:
        """The columns of a view `width` cells wide.

        Args:
            width: All there is.
            long: The meeting has reached one hour, which takes two more digits.
            name: Cells of the longest name; 0 for no names.
        """
        time = 7 if long else 5
        name = min(name, _LONGEST_NAME)
        return Columns(time, name, max(8, width - time - 2 - (name + 2 if name else 0)))


def wrap(text: str, width: int) -> list[str]:
    """Cut `text` into lines of at most `width` cells, between words; a word that is too long is cut inside.

    Args:
        text: Words with single blanks between them.
        width: At least 2, so that a wide character fits.
    """
    if not text.isascii():
        return _wrap_wide(text, width)
    lines: list[str] = []
    position, end = 0, len(text)
    while end - position > width:
        cut = text.rfind(" ", position, position + width + 1)
        if cut <= position:
            lines.append(text[position : position + width])
            position += width
        else:
            lines.append(text[position:cut])
            position = cut + 1
    lines.append(text[position:])
    return lines


def _wrap_wide(text: str, width: int) -> list[str]:
    lines: list[str] = []
    line, used = "", 0
    for word in text.split(" "):
        needed = cell_len(word)
        if line and used + 1 + needed <= width:
            line, used = f"{line} {word}", used + 1 + needed
            continue
        if line:
            lines.append(line)
        *full, line = chop_cells(word, width) if needed > width else (word,)
        lines.extend(full)
        used = cell_len(line)
    lines.append(line)
    return lines


def parse(line: bytes) -> Entry | None:
    """The entry of one line of the file; None for a line that is damaged or of another kind."""
    try:
        record = json.loads(line)
        return _entry(record) if isinstance(record, dict) else None
    except (ValueError, KeyError, TypeError):
        return None


def _entry(record: dict[str, Any]) -> Entry:
    if "skipped" in record:
        span = record["skipped"]
        start, end = float(span["start"]), float(span["end"])
        text = f"{clock(start)} to {clock(end)} follows in the final transcript"
        return Entry(start, "", text, skipped=True)
    speaker = " ".join(clean(str(record.get("speaker", ""))).split())
    start = float(record["start"])
    if not 0.0 <= start < _LONGEST_SECONDS:
        raise ValueError(start)
    return Entry(start, speaker, " ".join(clean(str(record["text"])).split()))


class TranscriptIndex:
    """Where each segment of a growing transcript file is, and on which line it starts at the present width.

    Args:
        path: A transcript.jsonl or live.jsonl; it may not exist yet.
        width: Of the view, in cells.
    """

    def __init__(self, path: Path, width: int) -> None:
        self.path = path
        self._width = width
        self._fd = -1
        self._clear()
        self._recent = lru_cache(maxsize=128)(self._wrapped)

    def _clear(self) -> None:
        self._end = 0
        self._offsets = array("Q")
        self._sizes = array("I")
        self._tops = array("I")
        self._voices = array("H")
        self._names: list[str] = []
        self._long = False
        self.height = 0
        self.columns = Columns.fit(self._width, False, 0)

    def __len__(self) -> int:
        return len(self._offsets)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def extend(self) -> bool:
        """Take in what was appended; returns whether anything changed. A file that was replaced is read anew."""
        if not self._open():
            return False
        before = len(self)
        columns = self.columns
        for offset, line in self._new_lines():
            entry = parse(line)
            if entry is not None:
                self._add(offset, len(line), entry)
        if self.columns != columns:
            self._measure()
        return len(self) != before

    def resize(self, width: int) -> None:
        """Lay the lines out for another width."""
        if width != self._width:
            self._width = width
            self._measure()

    def line(self, y: int) -> Line:
        """Line `y` of `height`."""
        number = bisect_right(self._tops, y) - 1
        entry, lines = self._recent(number)
        part = y - self._tops[number]
        voice = self._voices[number]
        named = voice > 0 and (number == 0 or self._voices[number - 1] != voice)
        # A file that was damaged since it was read may wrap into fewer lines.
        return Line(entry, lines[part] if part < len(lines) else "", part == 0, named, voice)

    def voice(self, speaker: str) -> int:
        """Number of a speaker, from 1; 0 for nobody."""
        if not speaker:
            return 0
        if speaker not in self._names:
            self._names.append(speaker)
            self.columns = Columns.fit(self._width, self._long, self._longest_name())
        return self._names.index(speaker) + 1

    def _longest_name(self) -> int:
        return max((cell_len(name) for name in self._names), default=0)

    def _open(self) -> bool:
        try:
            there = self.path.stat()
        except OSError:
            return self._fd >= 0
        if self._fd >= 0 and (os.fstat(self._fd).st_ino != there.st_ino or there.st_size < self._end):
            self.close()
            self._clear()
            self._recent.cache_clear()
        if self._fd < 0:
            try:
                self._fd = os.open(self.path, os.O_RDONLY)
            except OSError:
                return False
        return True

    def _new_lines(self) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of each complete line behind what has been read."""
        rest = b""
        while block := os.pread(self._fd, _BLOCK, self._end + len(rest)):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                offset = self._end
                self._end += len(line) + 1
                yield offset, line

    def _add(self, offset: int, size: int, entry: Entry) -> None:
        voice = self.voice(entry.speaker)
        if entry.start >= _HOUR and not self._long:
            self._long = True
            self.columns = Columns.fit(self._width, True, self._longest_name())
        self._offsets.append(offset)
        self._sizes.append(size)
        self._voices.append(voice)
        self._tops.append(self.height)
        self.height += len(wrap(entry.text, self.columns.text))

    def _measure(self) -> None:
        """Count the lines of all segments anew, reading the file once more."""
        self._recent.cache_clear()
        self.columns = Columns.fit(self._width, self._long, self._longest_name())
        top = 0
        for number in range(len(self)):
            self._tops[number] = top
            top += len(wrap(self._read(number).text, self.columns.text))
        self.height = top

    def _read(self, number: int) -> Entry:
        entry = parse(os.pread(self._fd, self._sizes[number], self._offsets[number]))
        return entry if entry is not None else Entry(0.0, "", "")

    def _wrapped(self, number: int) -> tuple[Entry, list[str]]:
        entry = self._read(number)
        return entry, wrap(entry.text, self.columns.text)
