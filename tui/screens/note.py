"""A line at the bottom of the screen for a note; what is said stays in sight above it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from services.errors import StorageError
from services.text import clock, one_line
from tui.screens.base import Dialog

_log = logging.getLogger(__name__)

_LONGEST = 2000


class NoteLine(Dialog[None]):
    """Takes a note of the moment in which it was opened, however long the typing takes.

    Args:
        at_s: That moment, in seconds of the recording.
        keep: Writes the note down. Where that fails the line stays, with what was typed.
        keep_now: The same without a screen to tell how it went, for when the line drops.
    """

    KEYS = (("Enter", "Keep"), ("Esc", "Drop"))

    def __init__(self, at_s: float, keep: Callable[[str], Awaitable[None]], keep_now: Callable[[str], object]) -> None:
        super().__init__(f"Note at {clock(at_s)}")
        self._keep = keep
        self._keep_now = keep_now
        self._keeping = False

    def content(self) -> ComposeResult:
        line = Input(placeholder="What to remember of this moment", max_length=_LONGEST)
        line.cursor_blink = False
        yield line
        yield Static(classes="problem", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Input).focus()

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if self._keeping:
            return
        self._keeping = True
        try:
            if text:
                await self._keep(text)
        except StorageError as error:
            self._keeping = False
            problem = self.query_one(".problem", Static)
            problem.update(one_line(f"{error.message} {error.hint}", 400))
            problem.add_class("-told")
        else:
            self.dismiss(None)

    def forsake(self) -> None:
        text = self.query_one(Input).value.strip()
        if text and not self._keeping:
            self._keeping = True
            try:
                self._keep_now(text)
            except StorageError as error:
                _log.error("a note is lost: %s", error)  # noqa: TRY400 - an answer of the disk, not a defect
