"""The Memory panel: what each component holds, what came back, and how the machine stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from services.lifecycle import ModelState, ModelStatus
from services.memory.alert import MemoryAlert, Severity
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.trend import Trend
from services.presets import PRESETS
from services.text import one_line
from tui import actions
from tui.panels.memory_rows import MEMORY_SEVERITIES, PRESSURES, Picture, Row, Warned, memory_rows
from tui.panels.panel import Panel, Part
from tui.situation import Figures, Situation
from tui.widgets.lines import key_of, title_of
from tui.widgets.sheet import Rows, Sheet
from tui.widgets.steady import Steady

_COMPONENTS = ("UI", "Recorder", "STT", "LLM")
_MODELS = {"STT": "stt", "LLM": "llm"}
_KEYS = ("preset", "low_memory", "unload", "memory_details")
"""What can be done here, the last ones giving way."""
_WORDY = 46
_LONGEST_ALERT = 240


class MemoryPanel(Panel):
    """A row per component, and the machine's memory below.

    Args:
        keymap: The keys that a person chose, by action.
    """

    NUMBER = 4
    TITLE = "Memory"
    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings(NUMBER))

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__(id="memory")
        self._keymap = keymap
        self._own = Steady(2.0, 0.04)
        self._machine = Steady(200.0, 0.03)
        self._growth = Steady(5.0, 0.2)
        self._picture: Picture | None = None

    def content(self) -> ComposeResult:
        with VerticalScroll(classes="body"):
            yield Sheet(id="memory-sheet")

    @property
    def target(self) -> Widget:
        return self.query_one(".body")

    def paint(self) -> None:
        if self.border_subtitle != self._preset:  # to assign it repaints the whole panel
            self.border_subtitle = self._preset
        self.query_one("#memory-sheet", Sheet).show(self._rows)

    def _rows(self, width: int) -> Rows:
        return memory_rows(self._picture, width, self.target.size.height or self.size.height)

    def on_resize(self) -> None:
        self._refresh()

    def watch_figures(self) -> None:
        self._draw()

    def watch_situation(self) -> None:
        self._draw()

    @property
    def _preset(self) -> str:
        return PRESETS[self.figures.preset].title if self.figures.preset else ""

    def _draw(self) -> None:
        memory = self.figures.memory
        picture = self._look(memory, self.situation, self.figures) if memory is not None else None
        if picture != self._picture or self.border_subtitle != self._preset:
            self._picture = picture
            self._refresh()

    def _look(self, memory: MemorySnapshot, situation: Situation, figures: Figures) -> Picture:
        known = [memory.component(name) for name in _COMPONENTS]
        shown = dict(zip(_COMPONENTS, known, strict=True))
        shown |= {component.name: component for component in memory.components if component.running}
        rows = tuple(self._row(name, component, situation.models) for name, component in shown.items())
        available = self._machine("available", memory.system.available)
        return Picture(
            rows=rows,
            total=self._row("Total", memory.total, {}),
            system_total=memory.system.total / 1024,
            available=round(available / 1024, 1),
            pressure=memory.pressure,
            recent=memory.recent,
            alerts=tuple(self._warned(alert, situation, figures) for alert in memory.alerts),
            keys=tuple(
                self._key(key, situation, figures) for key in _KEYS if actions.BY_ID[key].enabled(situation, figures)
            ),
        )

    def _row(self, name: str, component: ComponentMemory | None, models: Mapping[str, ModelStatus]) -> Row:
        status = models.get(_MODELS.get(name, ""))
        freed = status.freed_mb if status is not None and status.state is ModelState.UNLOADED else None
        peak = round(self._own(f"{name} peak", component.peak if component is not None else 0.0))
        if component is None or not component.running:
            self._own(f"{name} now", 0.0)
            return Row(name, 0, peak, freed=round(freed or 0.0))
        moves = component.trend is not Trend.STABLE
        now = round(self._own(f"{name} now", component.usage.pss))
        return Row(
            name=name,
            now=now,
            peak=max(now, peak),  # each is steady by itself
            limit=round(component.limit),
            trend=component.trend,
            slope=round(self._growth(name, component.slope)) if moves else 0,
            estimated=component.usage.estimated,
        )

    def _warned(self, alert: MemoryAlert, situation: Situation, figures: Figures) -> Warned:
        text = one_line(f"{alert.message} {alert.recommendation}", _LONGEST_ALERT)
        action = actions.remedy(alert.action, situation, figures)
        if action is None:
            return Warned(alert.severity, text)
        return Warned(alert.severity, text, key_of(action, self._keymap), title_of(action, situation, figures))

    def _key(self, name: str, situation: Situation, figures: Figures) -> tuple[str, str, bool]:
        action = actions.BY_ID[name]
        return key_of(action, self._keymap), title_of(action, situation, figures), True

    def headline(self, width: int) -> Sequence[Part]:
        picture = self._picture
        if picture is None:
            return [("Measuring", ".quiet")]
        parts: list[Part] = [
            (f"{picture.total.now} MB", ""), ("  of ", ".quiet"), (f"{picture.available:.1f} GB", ""),
            (" available   ", ".quiet"), (picture.pressure.value, PRESSURES[picture.pressure]),
            (" pressure" if width >= _WORDY else "", ".quiet"),
        ]  # fmt: skip
        worst = next((alert for alert in picture.alerts if alert.severity is not Severity.INFO), None)
        if worst is None:
            return parts
        sign, style = MEMORY_SEVERITIES[worst.severity]
        total = f"{picture.total.now} MB   "
        return [(total, ""), (one_line(f"{sign}{worst.text}", max(8, width - len(total))), style)]
