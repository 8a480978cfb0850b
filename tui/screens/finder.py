"""A line to type in and a list that follows: what the file dialog and the pickers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Generic

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.fuzzy import Matcher
from textual.widgets import Input

from services.text import one_line
from tui.screens.base import MARKED, Answer, Dialog
from tui.widgets.sheet import Rows, Sheet

_SHOWN = 8
_TITLE = 20


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of the list.

    Attributes:
        value: What it stands for.
        title: What is shown.
        note: What is shown behind it.
        style: Of the title.
    """

    value: str
    title: str
    note: str = ""
    style: str = ""


class Finder(Dialog[Answer], Generic[Answer]):
    """Subclasses give `find` and `submit`.

    Args:
        heading: Title of the box.
        hint: What to type.
        typed: What stands in the line at first.
        first: Index of the entry that is marked at first; -1 for none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "mark(-1)", "Up"),
        Binding("down", "mark(1)", "Down"),
        Binding("pageup", f"mark(-{_SHOWN})", "Up"),
        Binding("pagedown", f"mark({_SHOWN})", "Down"),
    ]

    def __init__(self, heading: str, hint: str, typed: str = "", first: int = 0) -> None:
        super().__init__(heading)
        self._hint = hint
        self._at_first = typed
        self._first = first
        self.items: Sequence[Item] = ()
        self.marked = first
        self.problem = ""

    def content(self) -> ComposeResult:
        line = Input(self._at_first, placeholder=self._hint, select_on_focus=False)
        line.cursor_blink = False
        yield line
        yield Sheet(classes="list")

    async def find(self, typed: str) -> Sequence[Item]:
        """The entries for what was typed, the best first."""
        raise NotImplementedError

    async def submit(self, item: Item | None, typed: str) -> None:
        """Enter was pressed, with `item` marked."""
        raise NotImplementedError

    def highlighted(self, item: Item) -> None:
        """Another entry is marked."""

    def on_mount(self) -> None:
        super().on_mount()
        line = self.query_one(Input)
        line.focus()
        line.cursor_position = len(line.value)
        self.look()

    @property
    def item(self) -> Item | None:
        """The marked entry."""
        return self.items[self.marked] if 0 <= self.marked < len(self.items) else None

    def fill(self, text: str) -> None:
        """Put `text` into the line."""
        line = self.query_one(Input)
        line.value = text
        line.cursor_position = len(text)

    def complain(self, problem: str) -> None:
        """Say in the box why what was typed will not do."""
        self.problem = problem
        self._paint()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.problem = ""
        self.look()

    @work(exclusive=True)
    async def look(self) -> None:
        """List the entries. A disk may be slow: the screen does not wait for it."""
        self.items = await self.find(self.query_one(Input).value)
        self.marked = self._first
        self._paint()

    def action_mark(self, step: int) -> None:
        if not self.items:
            return
        last = len(self.items) - 1
        if self.marked < 0:
            self.marked = 0 if step > 0 else last
        elif abs(step) == 1:
            self.marked = (self.marked + step) % (last + 1)
        else:
            self.marked = max(0, min(last, self.marked + step))
        self._paint()
        self.highlighted(self.items[self.marked])

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        await self.submit(self.item, event.value)

    def _paint(self) -> None:
        # None where the dialog was closed while the disk was read.
        for sheet in self.query(".list").results(Sheet):
            sheet.show(partial(_rows, self.items, self.marked, self.problem))


class Picker(Finder[str]):
    """Picks one of a few entries by a part of its name. The answer is its value.

    Args:
        heading: Title of the box.
        items: All entries.
    """

    KEYS = (("Enter", "Choose"), ("↑ ↓", "Move"), ("Esc", "Close"))

    def __init__(self, heading: str, items: Sequence[Item]) -> None:
        super().__init__(heading, "Type a part of its name")
        self._all = items

    async def find(self, typed: str) -> Sequence[Item]:
        if not typed.strip():
            return self._all
        matcher = Matcher(typed.strip())
        scored = [(matcher.match(item.title), item) for item in self._all]
        return [item for score, item in sorted(scored, key=lambda pair: -pair[0]) if score > 0]

    async def submit(self, item: Item | None, typed: str) -> None:
        if item is not None:
            self.dismiss(item.value)
        else:
            self.complain(f"There is nothing like {one_line(typed, 40)}.")


def _rows(items: Sequence[Item], marked: int, problem: str, width: int) -> Rows:
    """A window of the entries around the marked one, and below it what is wrong or how many more there are."""
    first = max(0, min(marked - _SHOWN // 2, len(items) - _SHOWN))
    rows = []
    for number, item in enumerate(items[first : first + _SHOWN], first):
        title = f"{item.title:<{_TITLE}} " if item.note else item.title
        if number == marked:
            bar = Content(f"› {title}{item.note}").truncate(width, ellipsis=True, pad=True)
            rows.append(Content.styled(bar.plain, MARKED))
        else:
            rows.append(Content.assemble("  ", (title, item.style), (item.note, ".quiet")))
    rows += [Content()] * (_SHOWN - len(rows))
    more = len(items) - first - _SHOWN
    said = problem or (f"{more} more below" if more > 0 else "" if items else "Nothing matches.")
    rows += [Content(), Content.styled(said, ".bad" if problem else ".quiet")]
    return rows
