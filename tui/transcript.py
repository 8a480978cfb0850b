"""A transcript as lines of a given width, without holding it: byte offsets into the files, and which line each starts.

An entry costs 31 bytes here, however long its text is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from rich.cells import cell_len

from services.library.meeting import Meeting
from services.library.names import names_of
from services.text import clock
from tui.entries import Entry, parse_event, parse_note, parse_segment
from tui.tail import Tail
from tui.wrapping import wrap

_LONGEST_NAME = 12
_PARSERS = (parse_segment, parse_event, parse_note)
_SPEECH = 0
"""Number of the transcript itself among the files; events and notes follow."""


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
    def fit(width: int, latest: float, name: int) -> Columns:
        """The columns of a view `width` cells wide.

        Args:
            width: All there is.
            latest: The latest time, in seconds: from one hour on it takes more cells.
            name: Cells of the longest name; 0 for no names.
        """
        time = max(5, len(clock(latest)))
        name = min(name, _LONGEST_NAME)
        return Columns(time, name, max(8, width - time - 2 - (name + 2 if name else 0)))


class TranscriptIndex:
    """Where each entry of a growing transcript is, and on which line it starts at the present width.

    Entries are the segments in the order of their file, and between them the moments of the meeting: each after the
    segments that had begun.

    Args:
        path: A transcript.jsonl or live.jsonl; it may not exist yet. notes.md, events.jsonl and meeting.json, which has
            the names of speakers, lie beside it.
        width: Of the view, in cells.

    Attributes:
        height: Number of lines.
        stable: How many of them are as they were before the last change.
        columns: How wide the columns are.
    """

    def __init__(self, path: Path, width: int) -> None:
        self.path = path
        self._meeting = meeting = Meeting(path.parent)
        self._tails = (Tail(path), Tail(meeting.events), Tail(meeting.notes, edited=True))
        self._info = Tail(meeting.info_file, edited=True)
        self._called: dict[str, str] = {}
        self._width = width
        # For each entry: its file, place and size there; its time, for moments to find theirs; speaker and lines.
        self._files, self._offsets, self._sizes = array("B"), array("Q"), array("I")
        self._places, self._voices = array("d"), array("H")
        self._heights, self._tops = array("I"), array("I")
        self._last_segment = -1
        self._names: list[str] = []
        self._latest = 0.0
        self.height = self.stable = 0
        self.columns = Columns.fit(width, 0.0, 0)
        self._recent = lru_cache(maxsize=128)(self._wrapped)

    def __len__(self) -> int:
        return len(self._files)

    def close(self) -> None:
        for tail in (*self._tails, self._info):
            tail.close()

    def changed(self) -> bool:
        """Whether there is something to take in; a cheap look."""
        return any(tail.changed() for tail in (*self._tails, self._info))

    def extend(self) -> bool:
        """Take in what was appended; returns whether anything changed. A file that was replaced is read anew."""
        there = first = len(self)
        changed = False
        for number, tail in enumerate(self._tails):
            if tail.renew():
                first = min(first, self._drop(number))
                changed = True
            for offset, line in tail.lines():
                entry = _PARSERS[number](line)
                if entry is not None:
                    first = min(first, self._insert(number, offset, len(line), entry))
                    changed = True
        if first < there:
            self._recent.cache_clear()
        self.stable = self._tops[first] if first < there else self.height
        self._stack(first)
        if self._renamed():
            self._recent.cache_clear()
            self.stable, changed = 0, True
        self._fit()
        return changed

    def _renamed(self) -> bool:
        """Look whether speakers have other names now."""
        if not self._info.changed():
            return False
        self._info.renew()
        before, self._called = self._called, names_of(self._meeting)
        return self._called != before

    def name(self, speaker: str) -> str:
        """What the speaker of a label is called."""
        return self._called.get(speaker, speaker)

    def resize(self, width: int) -> None:
        """Lay the lines out for another width."""
        if width != self._width:
            self._width = width
            self._fit()

    def line(self, y: int) -> Line:
        """Line `y` of `height`."""
        number = bisect_right(self._tops, y) - 1
        entry, lines = self._recent(number)
        part = y - self._tops[number]
        voice = self._one(self._voices[number])
        named = voice > 0 and (number == 0 or self._one(self._voices[number - 1]) != voice)
        # A file that was damaged since it was read may wrap into fewer lines.
        return Line(entry, lines[part] if part < len(lines) else "", part == 0, named, voice)

    def voice(self, speaker: str) -> int:
        """Number of a speaker, from 1; 0 for nobody. A new name may take room from the text."""
        number = self._number(speaker)
        self._fit()
        return self._one(number)

    def _one(self, voice: int) -> int:
        """The first number of all that have the same name: two labels may be one person."""
        names = [self.name(label) for label in self._names] if self._called and voice else []
        return names.index(names[voice - 1]) + 1 if names else voice

    def _number(self, speaker: str) -> int:
        if not speaker:
            return 0
        if speaker not in self._names:
            self._names.append(speaker)
        return self._names.index(speaker) + 1

    def _insert(self, file: int, offset: int, size: int, entry: Entry) -> int:
        """Put an entry at its place; returns its number."""
        place = entry.place
        if file == _SPEECH:
            # Segments of two channels may overlap: one never stands before an earlier line of the file.
            if self._last_segment >= 0:
                place = max(place, self._places[self._last_segment])
            number = bisect_left(self._places, place, lo=self._last_segment + 1)
            self._last_segment = number
        else:
            number = bisect_right(self._places, place)
            self._last_segment += number <= self._last_segment
        self._files.insert(number, file)
        self._offsets.insert(number, offset)
        self._sizes.insert(number, size)
        self._places.insert(number, place)
        self._voices.insert(number, self._number(entry.speaker))
        self._heights.insert(number, len(wrap(entry.text, self.columns.text)))
        self._latest = max(self._latest, entry.start)
        return number

    def _drop(self, file: int) -> int:
        """Forget the entries of one file; returns the number of the first of them."""
        gone = [number for number, origin in enumerate(self._files) if origin == file]
        for values in (self._files, self._offsets, self._sizes, self._places, self._voices, self._heights):
            for number in reversed(gone):
                del values[number]
        segments = [number for number, origin in enumerate(self._files) if origin == _SPEECH]
        self._last_segment = segments[-1] if segments else -1
        if file == _SPEECH:
            self._names.clear()
        return gone[0] if gone else len(self)

    def _stack(self, first: int) -> None:
        """Set the lines right on which the entries from number `first` on start."""
        top = self._tops[first - 1] + self._heights[first - 1] if first else 0
        *tops, self.height = accumulate(self._heights[first:], initial=top)
        self._tops[first:] = array("I", tops)

    def _fit(self) -> None:
        """Fit the columns to what is there. Where they change, all lines are counted anew, reading the files again."""
        longest = max((cell_len(self.name(label)) for label in self._names), default=0)
        columns = Columns.fit(self._width, self._latest, longest)
        if columns == self.columns:
            return
        self.columns = columns
        self._recent.cache_clear()
        self.stable = 0
        for number in range(len(self)):
            self._heights[number] = len(wrap(self._read(number).text, columns.text))
        self._stack(0)

    def _read(self, number: int) -> Entry:
        file = self._files[number]
        entry = _PARSERS[file](self._tails[file].read(self._offsets[number], self._sizes[number]))
        return entry if entry is not None else Entry(0.0, "", "")

    def _wrapped(self, number: int) -> tuple[Entry, list[str]]:
        entry = self._read(number)
        entry = replace(entry, speaker=self.name(entry.speaker))
        return entry, wrap(entry.text, self.columns.text)
