"""What the keys of memory and settings do, and what is said when services change either."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from functools import partial

from textual import work
from textual.timer import Timer

from services.errors import SottoError, StorageError
from services.events import SettingsChanged
from services.memory.alert import MemoryAlert, Severity
from services.memory.optimization import Optimization
from services.models.offers import NO_SUMMARY
from services.presets import PresetName, first_start
from services.settings import Settings
from services.text import one_line
from tui import actions, keymap, notify, theme
from tui.panels.record import RecordPanel
from tui.screens.base import Dialog
from tui.widgets.lines import ModelStrip
from tui.written import WrittenApp

_log = logging.getLogger(__name__)

LADDER: tuple[PresetName, ...] = ("conservative", "balanced", "performance")
"""The presets that one key goes through; low memory has a key of its own."""


_GOING_THROUGH_SECONDS = 0.5
"""Who goes through the presets by their key wants to be told the one that it ends on, not a pile of all of them."""


class TunedApp(WrittenApp):
    """The actions around memory and settings."""

    _preset = ""
    """Title of the preset that was told last."""
    _telling: Timer | None = None
    """Tells the preset when nobody goes on to the next one."""

    @work(thread=True)
    def action_unload(self) -> None:
        """A process that ends may take a moment; what came back is in the model strip."""
        self.services.room.unload_idle("you asked for it")

    def action_preset(self) -> None:
        """The next preset: more of the machine, or from the end on little again."""
        now = self.services.settings.preset.name
        following = LADDER[(LADDER.index(now) + 1) % len(LADDER)] if now in LADDER else LADDER[0]
        self._switch(partial(self.services.preset, following))

    def action_low_memory(self) -> None:
        self._switch(partial(self.services.low_memory, not self.figures.low_memory))

    def _switch(self, order: Callable[[], None]) -> None:
        try:
            order()
        except SottoError as error:
            self.failed(error)
        self.figures = self.fetch()

    def action_memory_details(self) -> None:
        from tui.screens.memory import MemoryDetails

        self.push_screen(MemoryDetails(self.services.memory.report))

    def action_settings(self) -> None:
        from tui.screens.settings import SettingsScreen

        self.push_screen(SettingsScreen(self.services))

    @work(thread=True)
    def tell_the_preset(self) -> None:
        """Once in a user's life: what this machine has room for, and how to change it."""
        try:
            preset = first_start(self.settings.memory.preset)
        except StorageError as error:
            _log.warning("%s", error)
            return
        if preset is not None:
            self.notify(
                f"{preset.why} {self.key('preset')} takes another preset, {self.key('low_memory')} low memory.",
                title=f"{preset.title}, for a machine like this", markup=False,
            )  # fmt: skip

    def memory_alerted(self, alert: MemoryAlert) -> None:
        """Say what is wrong, and the key that does something about it. What is over leaves the panel: no words."""
        if alert.resolved:
            return
        action = actions.remedy(alert.action, self.situation, self.figures)
        key = f" {self.key(action.id)}: {action.title}." if action is not None else ""
        if alert.severity is Severity.INFO:
            self.say(one_line(f"{alert.message} {alert.recommendation}{key}", 240))
            return
        self.warn(alert.message, f"{alert.recommendation}{key}")
        if alert.severity is Severity.CRITICAL:
            self.announce(alert.message)

    def warn(self, what: str, why: str) -> None:
        """A condition that nobody asked for: a line that goes away by itself, with a title."""
        self.notify(one_line(why, 240), title=one_line(what, 80), severity="warning", markup=False)

    def use_settings(self, settings: Settings, changed: Collection[str]) -> None:
        """Go by other settings, as far as the screen is concerned.

        Args:
            settings: All of them.
            changed: Keys of those that are different.
        """
        self.settings = settings
        self.main.query_one(RecordPanel).use_settings(settings)
        self.main.query_one(ModelStrip).use_settings(settings)
        for model, spec in (("stt", self.services.plan.stt), ("llm", self.services.plan.summary or NO_SUMMARY)):
            if {"stt": "transcription.engine", "llm": "summary.engine"}[model] in changed:
                self.situation = self.situation.chose(model, spec.label)
        if "screen.theme" in changed:
            theme.apply(self, settings.screen.theme, "NO_COLOR" in os.environ)
        if "screen.keymap" in changed:
            keys, _ = keymap.checked(settings.screen.keymap)
            self.keys.clear()
            self.keys.update(keys)
            self.set_keymap(self.keys)
        if "screen.notify" in changed:
            self.notify_by = notify.method(settings.screen.notify, os.environ)

    def settings_changed(self, event: SettingsChanged) -> None:
        self.use_settings(self.services.settings, event.changed)
        self.figures = self.fetch()
        if isinstance(self.screen, Dialog) and self.screen.hears(event):
            return
        if event.preset != self._preset:
            if self._telling is not None:
                self._telling.stop()
            self._telling = self.set_timer(_GOING_THROUGH_SECONDS, self._tell_preset)
        self._preset = event.preset

    def _tell_preset(self) -> None:
        preset = self.settings.preset
        self.notify(preset.why, title=preset.title, markup=False)


def optimized(result: Optimization) -> str:
    """What was done about a shortage of memory, in few words."""
    if result.undone:
        return f"There is memory again. Taken back: {result.step[:1].lower()}{result.step[1:]}."
    if not result.success:
        return f"{result.step}: that failed. {result.error}"
    saved = f" {result.saved_mb:.0f} MB came back." if result.saved_mb >= 1 else ""
    return f"Memory is short. {result.step}.{saved}"
