"""What all panels share: a frame with number and title, and one line that stands for a panel that is folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import var
from textual.widget import Widget

from tui.situation import Figures, Situation
from tui.widgets.sheet import Rows, Sheet

Part = tuple[str, str]
_TITLE = 12


class Panel(Vertical):
    """A panel of the main screen. It paints from `situation` and `figures`, which flow down from the screen.

    Subclasses give `content`, `paint` and `headline`.
    """

    NUMBER: ClassVar[int]
    TITLE: ClassVar[str]

    situation: var[Situation] = var(Situation, init=False)
    figures: var[Figures] = var(Figures, init=False)
    _composed = False

    class Chosen(Message):
        """Somebody clicked on the panel."""

        def __init__(self, number: int) -> None:
            self.number = number
            super().__init__()

    def compose(self) -> ComposeResult:
        self.border_title = f"{self.NUMBER} {self.TITLE}"
        yield Sheet(classes="headline")
        yield from self.content()

    def content(self) -> ComposeResult:
        """The widgets inside the frame."""
        raise NotImplementedError

    def paint(self) -> None:
        """Show what `situation` and `figures` say."""
        raise NotImplementedError

    def headline(self, width: int) -> Sequence[Part | Content]:
        """What is worth knowing while the panel is folded, in about `width` cells."""
        raise NotImplementedError

    @property
    def target(self) -> Widget:
        """The widget that takes the focus."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self._composed = True
        self._refresh()

    def on_click(self) -> None:
        self.post_message(self.Chosen(self.NUMBER))

    def watch_situation(self) -> None:
        self._refresh()

    def watch_figures(self) -> None:
        self._refresh()

    def _refresh(self) -> None:
        if self._composed:
            self.query_one(".headline", Sheet).show(self._headline)
            self.paint()

    def _headline(self, width: int) -> Rows:
        title = f"{self.TITLE:<{_TITLE}}"
        said = self.headline(width - _TITLE - 2)
        return [Content.assemble((f"{self.NUMBER} ", ".quiet"), (title, ".title"), *said)]


def fact(label: str, value: Content | str, style: str = "") -> Content:
    """A labelled value, values aligned."""
    shown = value if isinstance(value, Content) else Content.styled(value, style)
    return Content.assemble((f"{label:<9}", ".quiet"), shown)
