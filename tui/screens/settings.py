"""All settings: what they mean, where each has its value from, and another value, which holds at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from services import configfile
from services.core import Services
from services.errors import SottoError
from services.events import Event, SettingsChanged
from services.layers import variable
from services.settings import reloaded
from tui.screens.base import Dialog
from tui.widgets.lines import key_rows
from tui.widgets.settings_table import Entry, detail_rows, entries, table_rows
from tui.widgets.sheet import Rows, Sheet

_PAGE = 8


class SettingsScreen(Dialog[None]):
    """The settings. A value is written into config.toml and holds at once.

    Args:
        services: Have the settings, and go by others.
    """

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        ("up", "move(-1)", "Up"), ("down", "move(1)", "Down"), ("pageup", f"move(-{_PAGE})", "Up"),
        ("pagedown", f"move({_PAGE})", "Down"), ("home", "move(-1000)", "First"), ("end", "move(1000)", "Last"),
        ("enter", "change", "Change"), ("x,delete", "reset", "Reset"),
    ]  # fmt: skip

    def __init__(self, services: Services) -> None:
        super().__init__("Settings")
        self._services = services
        self.entries: Sequence[Entry] = entries(services.settings)
        self._marked = 0
        self._message = ("", "")
        self._typing = False

    def content(self) -> ComposeResult:
        yield Sheet(classes="table")
        line = Input(classes="value", disabled=True)
        line.cursor_blink = False
        yield line
        yield Sheet(classes="about")

    def on_mount(self) -> None:
        super().on_mount()
        self._paint()

    def on_resize(self) -> None:
        self._paint()

    @property
    def entry(self) -> Entry:
        """The marked one."""
        return self.entries[self._marked]

    def hears(self, event: Event) -> bool:
        if not isinstance(event, SettingsChanged):
            return False
        self._look()
        return True

    def _look(self) -> None:
        self.entries = entries(self._services.settings)
        self._paint()

    def _paint(self) -> None:
        for table in self.query(".table").results(Sheet):  # none any more where the dialog was closed meanwhile
            table.show(partial(self._table, table))
        for about in self.query(".about").results(Sheet):
            about.show(partial(detail_rows, self.entry, self._services.settings.preset.title, self._message))
        for keys in self.query(".keys").results(Sheet):
            keys.show(partial(key_rows, self._keys()))

    def _table(self, table: Sheet, width: int) -> Rows:
        return table_rows(self.entries, self._marked, width, table.size.height)

    def _keys(self) -> list[tuple[str, str, bool]]:
        if self._typing:
            return [("Enter", "Keep", True), ("Esc", "Back", True)]
        change = "Switch" if self.entry.switch else "Change"
        return [("Enter", change, True), ("x", "Reset", self.entry.origin == "file"), ("Esc", "Close", True)]

    def _say(self, text: str, style: str = ".bad") -> None:
        self._message = (text, style)
        self._paint()

    def action_move(self, step: int) -> None:
        if self._typing:
            return
        last = len(self.entries) - 1
        single = abs(step) == 1
        self._marked = (self._marked + step) % (last + 1) if single else max(0, min(last, self._marked + step))
        self._say("")

    def action_change(self) -> None:
        entry = self.entry
        if entry.switch:
            self._keep(entry, entry.value != "true")
        elif entry.choices:
            self._ask(entry)
        else:
            self._type(entry)

    def _ask(self, entry: Entry) -> None:
        from tui.screens.choice import Choice, Option

        # An empty answer would mean that nothing happens.
        options = [Option(f"={choice}", str(n), choice or "nothing") for n, choice in enumerate(entry.choices, 1)]

        def answered(answer: str | None) -> None:
            if answer:
                self._keep(entry, answer[1:])

        self.app.push_screen(Choice(entry.key, entry.manual, options), answered)

    def _type(self, entry: Entry) -> None:
        line = self.query_one(Input)
        line.password = entry.secret
        line.value = "" if entry.secret else entry.value
        line.cursor_position = len(line.value)
        line.add_class("-open")
        line.disabled = False
        line.focus()
        self._typing = True
        self._say("")

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        entry = self.entry
        try:
            value = configfile.typed(entry.key, event.value)
        except SottoError as error:
            self._say(f"{error.message} {error.hint}")
        else:
            self._keep(entry, value)

    def action_reset(self) -> None:
        if self.entry.origin == "file":
            self._keep(self.entry, None)
        elif not self._typing:
            self._say("It is not in config.toml: there is nothing to take out.", ".quiet")

    def action_close(self) -> None:
        if self._typing:
            self._stop_typing()
            self._say("")
        else:
            super().action_close()

    def _stop_typing(self) -> None:
        self._typing = False
        line = self.query_one(Input)
        line.remove_class("-open")
        line.disabled = True
        line.value = ""
        self.set_focus(None)

    @work(exclusive=True, group="keep")
    async def _keep(self, entry: Entry, value: object | None) -> None:
        """Write a value and go by it. A disk may be slow: the screen does not wait for it."""
        try:
            await asyncio.to_thread(self._write, entry, value)
        except SottoError as error:
            self._say(f"{error.message} {error.hint}")
            return
        if self._typing:
            self._stop_typing()
        self._look()
        held = self.entry
        if held.origin == "environment":
            self._say(f"It is in config.toml. What holds is {variable(entry.key)}, as long as that is set.", ".warn")
        elif held.origin == "flag":
            self._say(
                "It is in config.toml, and holds from the next start on: a flag or a key said otherwise.", ".warn"
            )
        else:
            self._say("It is in config.toml, and holds." if value is not None else "It is out of config.toml.", ".good")

    def _write(self, entry: Entry, value: object | None) -> None:
        before = configfile.write(entry.key, value)
        try:
            self._services.apply(reloaded(self._services.settings))
        except SottoError:
            configfile.take_back(entry.key, before)  # else the next start would fail at it
            raise
