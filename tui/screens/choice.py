"""A question with a few answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.events import Key
from textual.reactive import var
from textual.widgets import Static

from tui.screens.base import MARKED, Dialog
from tui.widgets.sheet import Rows, Sheet


@dataclass(frozen=True, slots=True)
class Option:
    """An answer: its value (empty means: nothing happens), its key, and its words."""

    value: str
    key: str
    title: str


class Choice(Dialog[str]):
    """Asks. The answer is the value of an option, or None.

    Args:
        heading: The question.
        text: What it is about.
        options: The first one is marked.
    """

    KEYS = (("↑ ↓", "Choose"), ("Enter", "Answer"), ("Esc", "Back"))
    BINDINGS: ClassVar[list[BindingType]] = [
        ("up", "move(-1)", "Up"), ("shift+tab", "move(-1)", "Up"), ("down", "move(1)", "Down"),
        ("tab", "move(1)", "Down"), ("enter", "answer", "Answer"),
    ]  # fmt: skip

    marked: var[int] = var(0, init=False)

    def __init__(self, heading: str, text: str, options: Sequence[Option]) -> None:
        super().__init__(heading)
        self._text = text
        self._options = tuple(options)

    def content(self) -> ComposeResult:
        yield Static(self._text, classes="text", markup=False)
        yield Sheet(classes="options")

    def on_mount(self) -> None:
        super().on_mount()
        self._paint()

    def watch_marked(self) -> None:
        self._paint()

    def _paint(self) -> None:
        self.query_one(".options", Sheet).show(partial(_option_rows, self._options, self.marked))

    def on_key(self, event: Key) -> None:
        for option in self._options:
            if event.character == option.key:
                event.stop()
                self.dismiss(option.value or None)

    def action_move(self, step: int) -> None:
        self.marked = (self.marked + step) % len(self._options)

    def action_answer(self) -> None:
        self.dismiss(self._options[self.marked].value or None)


def _option_rows(options: Sequence[Option], marked: int, width: int) -> Rows:
    rows = []
    for number, option in enumerate(options):
        if number == marked:
            line = f"› {option.key}  {option.title}"
            rows.append(Content.styled(f"{line:<{width}}", MARKED))
        else:
            rows.append(Content.assemble("  ", (option.key, ".key"), f"  {option.title}"))
    return rows
