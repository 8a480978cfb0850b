"""All keys and what they do, from the list of actions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import get_args

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from tui.actions import ACTIONS, SCROLL_KEYS, Group
from tui.screens.base import Dialog
from tui.widgets.lines import key_of
from tui.widgets.sheet import Rows, Sheet
from tui.wrapping import wrap

_KEY_WIDTH = 11
_STATES = "Unloaded, Loading, Ready, Processing, Unloading"


class Help(Dialog[None]):
    """The help screen.

    Args:
        keymap: The settings' keys by action.
    """

    KEYS = (("↑ ↓", "Scroll"), ("Esc", "Close"))

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__("Help")
        self._keymap = keymap

    def content(self) -> ComposeResult:
        with VerticalScroll():
            yield Sheet(classes="keys-table")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(".keys-table", Sheet).show(partial(help_rows, self._keymap))


def help_rows(keymap: Mapping[str, str], width: int) -> Rows:
    """The actions, group by group; what is too long for a line of `width` cells goes on below."""
    rows: list[Content] = []
    for group in get_args(Group):
        rows.append(Content.styled(group, ".title"))
        listed = [(key_of(action, keymap), action.help) for action in ACTIONS if action.group == group]
        for key, what in (*listed, *(SCROLL_KEYS if group == "Move" else ())):
            rows += _entry(key, what, width)
        rows.append(Content())
    rows.append(Content.styled("States of a model", ".title"))
    rows += [Content.styled(line, ".quiet") for line in wrap(_STATES, max(8, width))]
    return rows


def _entry(key: str, what: str, width: int) -> Rows:
    first, *others = wrap(what, max(8, width - _KEY_WIDTH))
    return [
        Content.assemble((f"{key:<{_KEY_WIDTH}}", ".key"), first),
        *(Content(" " * _KEY_WIDTH + line) for line in others),
    ]
