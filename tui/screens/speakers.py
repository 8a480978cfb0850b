"""Who speaks in a meeting: how long, and under what name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from rich.cells import set_cell_size
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from services.errors import SottoError
from services.library.meeting import Meeting
from services.library.names import Speaker, rename_speaker, speakers_of
from services.text import clock, one_line
from tui.screens.base import MARKED, Dialog
from tui.widgets.sheet import Rows, Sheet
from tui.wrapping import wrap

_SHOWN = 6
_LONGEST_NAME = 60
_NAME_WIDTH = 24
_ADVICE = "The transcript shows a name at once, the summary when it is written again. An empty line takes a name away."
_NOBODY = "Nobody can tell the speakers of this meeting apart."
_HINT = "speakers = true below [transcription] tells them apart in recordings with one channel."


class Speakers(Dialog[None]):
    """The speakers of a meeting, and a line that takes the name of the marked one.

    Args:
        meeting: It has a transcript.
        renamed: Is called when somebody has another name.
    """

    KEYS = (("Enter", "Give the name"), ("↑ ↓", "Choose"), ("Esc", "Close"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,shift+tab", "move(-1)", "Up", show=False),
        Binding("down,tab", "move(1)", "Down", show=False),
    ]

    def __init__(self, meeting: Meeting, renamed: Callable[[], None]) -> None:
        super().__init__("Speakers")
        self._meeting = meeting
        self._renamed = renamed
        self.speakers: Sequence[Speaker] | None = None
        self._marked = 0
        self._problem = ""

    def content(self) -> ComposeResult:
        yield Sheet(classes="list")
        line = Input(max_length=_LONGEST_NAME, select_on_focus=False)
        line.cursor_blink = False
        yield line
        yield Sheet(classes="about")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Input).focus()
        self._paint()
        self.look()

    @work(exclusive=True, group="look")
    async def look(self) -> None:
        """List them. A long transcript takes a moment to read: the screen does not wait for it."""
        try:
            self.speakers = await asyncio.to_thread(speakers_of, self._meeting)
        except SottoError as error:
            self._complain(error)
        else:
            self._fill()

    @property
    def _speaker(self) -> Speaker | None:
        return self.speakers[self._marked] if self.speakers else None

    def _fill(self) -> None:
        """Put the name of the marked one into the line."""
        speaker = self._speaker
        for line in self.query(Input):
            line.disabled = speaker is None
            line.value = speaker.name if speaker is not None and speaker.name != speaker.label else ""
            line.placeholder = f"Name of {speaker.label}" if speaker is not None else ""
            line.cursor_position = len(line.value)
        self._paint()

    def action_move(self, step: int) -> None:
        if self.speakers:
            self._marked = (self._marked + step) % len(self.speakers)
            self._problem = ""
            self._fill()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        speaker = self._speaker
        if speaker is None:
            return
        name = one_line(event.value, _LONGEST_NAME)
        if name in (speaker.name, "" if speaker.name == speaker.label else speaker.name):
            self.action_move(1)
        else:
            self._rename(speaker, name)

    @work(exclusive=True, group="rename")
    async def _rename(self, speaker: Speaker, name: str) -> None:
        try:
            await asyncio.to_thread(rename_speaker, self._meeting, speaker.label, name)
            self.speakers = await asyncio.to_thread(speakers_of, self._meeting)
        except SottoError as error:
            self._complain(error)
        else:
            self._renamed()
            self.action_move(1)

    def _complain(self, error: SottoError) -> None:
        self._problem = f"{error.message} {error.hint}"
        self._paint()

    def _paint(self) -> None:
        # None where the dialog was closed while the disk was read.
        for sheet in self.query(".list").results(Sheet):
            sheet.show(partial(speaker_rows, self.speakers, self._marked))
        for sheet in self.query(".about").results(Sheet):
            sheet.show(partial(_about, self.speakers, self._problem))


def speaker_rows(speakers: Sequence[Speaker] | None, marked: int, width: int) -> Rows:
    """A few speakers around the marked one: the name, how long they spoke, and the label where that is another."""
    if not speakers:
        return [Content.styled(line, ".quiet") for line in wrap("…" if speakers is None else _NOBODY, width)]
    first = max(0, min(marked - _SHOWN // 2, len(speakers) - _SHOWN))
    rows: list[Content] = []
    for number, speaker in enumerate(speakers[first : first + _SHOWN], first):
        label = speaker.label if speaker.label != speaker.name else ""
        name = set_cell_size(one_line(speaker.name, _NAME_WIDTH), _NAME_WIDTH)
        about = f" {clock(speaker.seconds):>8}   {one_line(label, max(1, width - _NAME_WIDTH - 14))}"
        if number == marked:
            rows.append(Content.styled(set_cell_size(f"› {name}{about}", width), MARKED))
        else:
            rows.append(Content.assemble("  ", name, (about, ".quiet")))
    more = len(speakers) - first - _SHOWN
    return [*rows, Content.styled(f"  {more} more below" if more > 0 else "", ".quiet")]


def _about(speakers: Sequence[Speaker] | None, problem: str, width: int) -> Rows:
    said = _HINT if speakers is not None and not speakers else _ADVICE
    return [
        Content.styled(line, ".bad" if problem else ".quiet") for line in wrap(one_line(problem or said, 400), width)
    ]
