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


def help_rows(keymap: Mapping[str, str], _: int) -> Rows:
    """A row per action, group by group."""
    rows: list[Content] = []
    for group in get_args(Group):
        rows.append(Content.styled(group, ".title"))
        rows += [_row(key_of(action, keymap), action.help) for action in ACTIONS if action.group == group]
        if group == "Move":
            rows += [_row(keys, what) for keys, what in SCROLL_KEYS]
        rows.append(Content())
    rows.append(Content.styled("States of a model", ".title"))
    rows.append(Content.styled(_STATES, ".quiet"))
    return rows


def _row(key: str, what: str) -> Content:
    return Content.assemble((f"{key:<11}", ".key"), what)
