"""The meetings that are not finished, and what can be done about them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from services.text import clock, one_line
from tui.screens.base import MARKED, Dialog
from tui.widgets.sheet import Rows, Sheet

if TYPE_CHECKING:
    from services.library.unfinished import Unfinished

_SHOWN = 4
_MISSING = {"cut off": "cut off", "recorded": "not written up"}
_TEXT = "What was recorded is safe. Finishing repairs it and writes the transcript and the summary."


class UnfinishedList(Dialog[Sequence[Path]]):
    """Picks one or all of them. The answer is their folders.

    Args:
        meetings: At least one.
    """

    KEYS = (("Enter", "Finish it"), ("a", "Finish all"), ("↑ ↓", "Choose"), ("Esc", "Not now"))
    BINDINGS: ClassVar[list[BindingType]] = [
        ("up", "move(-1)", "Up"), ("shift+tab", "move(-1)", "Up"), ("down", "move(1)", "Down"),
        ("tab", "move(1)", "Down"), ("enter", "one", "Finish it"), ("a", "all", "Finish all"),
    ]  # fmt: skip

    def __init__(self, meetings: Sequence[Unfinished]) -> None:
        super().__init__("Unfinished meetings")
        self._meetings = meetings
        self._marked = 0

    def content(self) -> ComposeResult:
        yield Static(_TEXT, classes="text", markup=False)
        yield Sheet(classes="meetings")

    def on_mount(self) -> None:
        super().on_mount()
        self._paint()

    def _paint(self) -> None:
        self.query_one(".meetings", Sheet).show(partial(meeting_rows, self._meetings, self._marked))

    def action_move(self, step: int) -> None:
        self._marked = (self._marked + step) % len(self._meetings)
        self._paint()

    def action_one(self) -> None:
        self.dismiss([self._meetings[self._marked].meeting])

    def action_all(self) -> None:
        self.dismiss([each.meeting for each in self._meetings])


def meeting_rows(meetings: Sequence[Unfinished], marked: int, width: int) -> Rows:
    """Two rows for each of a few meetings around the marked one, and how many more there are."""
    first = max(0, min(marked - _SHOWN // 2, len(meetings) - _SHOWN))
    rows: list[Content] = []
    for number, each in enumerate(meetings[first : first + _SHOWN], first):
        title, about = one_line(each.title, width - 2), one_line(_about(each), width - 2)
        if number == marked:
            rows += [Content.styled(f"{line:<{width}}", MARKED) for line in (f"› {title}", f"  {about}")]
        else:
            rows += [Content(f"  {title}"), Content.styled(f"  {about}", ".quiet")]
    more = len(meetings) - first - _SHOWN
    return [*rows, Content(), Content.styled(f"{more} more below", ".quiet")] if more > 0 else rows


def _about(meeting: Unfinished) -> str:
    """When it was, how long it is, and what is missing."""
    when = f"{meeting.started.day} {meeting.started:%b %Y %H:%M}"
    length = clock(meeting.seconds) if meeting.seconds else "length unknown"
    return f"{when} · {length} · {_MISSING.get(meeting.state, meeting.state)}"
