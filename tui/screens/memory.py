"""The report of the memory, as `sotto report` writes it: what holds how much, what was done, and what to do next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from services.memory.account import MemoryReport
from services.memory.document import Section, sections
from services.memory.report import columns
from services.text import clean
from tui.screens.base import Dialog
from tui.widgets.sheet import Rows, SheetView
from tui.wrapping import wrap

_EVERY_SECONDS = 2.0
_INDENT = "  "


class MemoryDetails(Dialog[None]):
    """The report, made anew every two seconds.

    Args:
        report: Makes one; None before the first measurement.
    """

    KEYS = (("↑ ↓", "Scroll"), ("Esc", "Close"))
    BINDINGS: ClassVar[list[BindingType]] = [("enter", "close", "Close")]

    def __init__(self, report: Callable[[], MemoryReport | None]) -> None:
        super().__init__("Memory report")
        self._report = report

    def content(self) -> ComposeResult:
        yield SheetView(classes="report")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(SheetView).focus()
        self.look()
        self.set_interval(_EVERY_SECONDS, self.look)

    @work(exclusive=True)
    async def look(self) -> None:
        """Make the report; it reads what models have mapped, so the screen does not wait for it."""
        report = await asyncio.to_thread(self._report)
        for view in self.query(SheetView):  # none where the dialog was closed meanwhile
            view.show(partial(report_rows, sections(report) if report is not None else ()))


def report_rows(parts: Sequence[Section], width: int) -> Rows:
    """The sections, one below the other; a table that is too wide is written as a list."""
    if not parts:
        return [Content.styled("Measuring", ".quiet")]
    rows: list[Content] = []
    for part in parts:
        rows += [Content()] if rows else []
        rows.append(Content.styled(part.title, ".title"))
        rows += _table([tuple(map(clean, row)) for row in part.rows], width)
        for line in part.lines:
            rows += [Content(each) for each in _hanging(clean(line), width)]
    return rows


def _table(cells: Sequence[tuple[str, ...]], width: int) -> Iterable[Content]:
    if not cells:
        return
    lines = columns(cells)
    if max(map(len, lines)) <= width:
        yield Content.styled(lines[0], ".quiet")
        yield from map(Content, lines[1:])
        return
    head, *body = cells
    for first, *others in body:
        yield Content.styled(first, ".accent")
        said = [f"{name} {cell}" for name, cell in zip(head[1:], others, strict=True) if cell not in ("", "-")]
        for line in _hanging(", ".join(said), width):
            yield Content.styled(line, ".quiet")


def _hanging(text: str, width: int) -> list[str]:
    return [_INDENT + line for line in wrap(" ".join(text.split()), max(8, width - len(_INDENT)))]
