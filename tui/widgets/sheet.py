"""Rows of text that cost few bytes: only cells that really changed are sent to the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from tui.widgets.growing import grow

Rows = Sequence[Content]
_BLANK = Content()
MakeRows = Callable[[int], Rows]
"""Makes the rows for a width in cells."""


class Sheet(Widget):
    """Shows what a function of the width returns; one row is one line, cut where it is too long."""

    DEFAULT_CSS = """
    Sheet { width: 1fr; height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._make: MakeRows = lambda _: ()
        self._rows: list[Content] = []

    def show(self, make: MakeRows) -> None:
        """Show other rows, or the same ones with other figures."""
        self._make = make
        self._update()

    @property
    def text(self) -> str:
        """What is shown, without its styles."""
        return "\n".join(row.plain for row in self._rows)

    def _update(self) -> None:
        width = self.content_size.width
        if not width:
            return
        before, self._rows = self._rows, list(self._make(width))
        changed = changes(before, self._rows)
        resized = len(before) != len(self._rows)
        if changed or resized:
            self.refresh(*changed, layout=resized)

    def on_resize(self) -> None:
        self._update()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._make(width))

    def render(self) -> Content:
        return Content("\n").join(self._rows)


class SheetView(ScrollView, can_focus=True):
    """Rows like those of a sheet, scrolled by itself: that more of them come repaints nothing that was there."""

    DEFAULT_CSS = "SheetView { text-wrap: nowrap; }"
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._make: MakeRows = lambda _: ()
        self._rows: list[Content] = []

    def show(self, make: MakeRows) -> None:
        """Show other rows."""
        self._make = make
        self._update()

    def _update(self) -> None:
        width = self.scrollable_content_region.width
        if not width:
            return
        before, self._rows = self._rows, list(self._make(width))
        grow(self, Size(width, len(self._rows)), stays=True)
        top, height = self.scroll_offset.y, self.size.height
        for region in changes(before, self._rows):
            if top <= region.y < top + height:
                self.refresh(region.translate((0, -top)))

    def on_resize(self) -> None:
        self._update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        y += self.scroll_offset.y
        width = self.scrollable_content_region.width
        if y >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        [strip] = Visual.to_strips(self, self._rows[y].truncate(width), width, 1, self.visual_style)
        return strip.adjust_cell_length(width, self.rich_style)


def around(lines: Sequence[Content], place: int, room: int) -> list[Content]:
    """`room` of the lines, at least one, with the line number `place` as near to their middle as can be."""
    room = max(1, room)
    first = max(0, min(place - room // 2, len(lines) - room))
    return list(lines[first : first + room])


def changes(before: Rows, after: Rows) -> list[Region]:
    """The cells that differ, row by row; rows that are new or gone count as a whole."""
    return [
        Region(start, y, end - start, 1)
        for y, (old, new) in enumerate(zip_longest(before, after, fillvalue=_BLANK))
        for start, end in difference(old, new)
    ]


def difference(old: Content, new: Content) -> list[tuple[int, int]]:
    """The stretch of cells in which two rows differ, as `[(start, end)]`; empty when they look the same.

    Rows of different length, or with characters of more or less than one cell, count as a whole.
    """
    if old.is_same(new):
        return []
    longest = max(old.cell_length, new.cell_length)
    plain = old.plain, new.plain
    if any(content.cell_length != len(content.plain) for content in (old, new)) or len(plain[0]) != len(plain[1]):
        return [(0, longest)]
    styles = [_styles(content) for content in (old, new)]
    same = [a == b and c == d for a, b, c, d in zip(*plain, *styles, strict=True)]
    return [] if all(same) else [(same.index(False), len(same) - same[::-1].index(False))]


def _styles(content: Content) -> list[str]:
    """The names of the styles of each character."""
    names = [""] * len(content.plain)
    for start, end, style in content.spans:
        for position in range(start, min(end, len(names))):
            names[position] += f"{style};"
    return names
