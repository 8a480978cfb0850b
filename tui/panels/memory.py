"""The Memory panel: what each component holds, what came back, and how the machine stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from services.lifecycle import ModelState, ModelStatus
from services.memory.probe import Pressure
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.trend import Trend
from tui.panels.panel import Panel, Part, fact
from tui.situation import Situation
from tui.widgets.glyphs import bar
from tui.widgets.sheet import Rows, Sheet

_COMPONENTS = ("UI", "Recorder", "STT", "LLM")
_MODELS = {"STT": "stt", "LLM": "llm"}
_TRENDS: dict[Trend, Part] = {
    Trend.STABLE: ("─ Stable", ".quiet"),
    Trend.GROWING: ("▲ Growing", ".warn"),
    Trend.SHRINKING: ("▼ Shrinking", ".good"),
}
_PRESSURES = {
    Pressure.LOW: ".good", Pressure.MEDIUM: ".accent", Pressure.HIGH: ".warn", Pressure.CRITICAL: ".bad",
}  # fmt: skip
_TABLE = 33
"""Cells of name, now, peak and trend."""
_SMALLEST_BAR = 6
_WORDY = 46


class Steady:
    """Figures that are shown: each moves only when it really changed, so that noise costs no bytes.

    Args:
        step: Change in MB that counts.
        share: Change relative to the figure that counts; both have to be reached.
    """

    def __init__(self, step: float, share: float) -> None:
        self._step = step
        self._share = share
        self._shown: dict[str, float] = {}

    def __call__(self, name: str, value: float) -> float:
        """The figure to show for `value`. Zero is always shown as it is: something is gone, or back."""
        shown = self._shown.get(name)
        if shown is None or not value or not shown or abs(value - shown) >= max(self._step, self._share * shown):
            self._shown[name] = shown = value
        return shown


@dataclass(frozen=True, slots=True)
class Row:
    """A component as it is shown, in whole MB."""

    name: str
    now: int
    peak: int
    note: Part


@dataclass(frozen=True, slots=True)
class Picture:
    """The panel's figures. MB, and GB for the machine."""

    rows: tuple[Row, ...]
    total: Row
    system_total: float
    available: float
    pressure: Pressure


class MemoryPanel(Panel):
    """A row per component, and the machine's memory below."""

    NUMBER = 4
    TITLE = "Memory"

    def __init__(self) -> None:
        super().__init__(id="memory")
        self._own = Steady(2.0, 0.04)
        self._machine = Steady(200.0, 0.03)
        self._picture: Picture | None = None

    def content(self) -> ComposeResult:
        with VerticalScroll(classes="body"):
            yield Sheet(id="memory-sheet")

    @property
    def target(self) -> Widget:
        return self.query_one(".body")

    def paint(self) -> None:
        self.query_one("#memory-sheet", Sheet).show(partial(memory_rows, self._picture))

    def watch_figures(self) -> None:
        self._draw()

    def watch_situation(self) -> None:
        self._draw()

    def _draw(self) -> None:
        memory = self.figures.memory
        picture = self._look(memory, self.situation) if memory is not None else None
        if picture != self._picture:
            self._picture = picture
            self._refresh()

    def _look(self, memory: MemorySnapshot, situation: Situation) -> Picture:
        known = [memory.component(name) for name in _COMPONENTS]
        shown = dict(zip(_COMPONENTS, known, strict=True))
        shown |= {component.name: component for component in memory.components if component.running}
        rows = tuple(self._row(name, component, situation.models) for name, component in shown.items())
        available = self._machine("available", memory.system.available)
        total = self._row("Total", memory.total, {})
        return Picture(rows, total, memory.system.total / 1024, round(available / 1024, 1), memory.pressure)

    def _row(self, name: str, component: ComponentMemory | None, models: Mapping[str, ModelStatus]) -> Row:
        running = component is not None and component.running
        now = self._own(f"{name} now", component.usage.pss if component is not None and running else 0.0)
        peak = self._own(f"{name} peak", component.peak if component is not None else 0.0)
        note: Part = _TRENDS[component.trend] if component is not None and running else ("", "")
        status = models.get(_MODELS.get(name, ""))
        if status is not None and status.state is ModelState.UNLOADED and status.freed_mb and not running:
            note = (f"gave back {status.freed_mb:.0f} MB", ".good")
        return Row(name, round(now), round(peak), note)

    def headline(self, width: int) -> Sequence[Part]:
        picture = self._picture
        if picture is None:
            return [("Measuring", ".quiet")]
        return [
            (f"{picture.total.now} MB", ""), ("  of ", ".quiet"), (f"{picture.available:.1f} GB", ""),
            (" available   ", ".quiet"), (picture.pressure.value, _PRESSURES[picture.pressure]),
            (" pressure" if width >= _WORDY else "", ".quiet"),
        ]  # fmt: skip


def memory_rows(picture: Picture | None, width: int) -> Rows:
    """The rows of the panel for a width in cells."""
    if picture is None:
        return [Content.styled("Measuring", ".quiet")]
    rows = [Content.styled(f"{'MB':<9}{'now':>5}{'peak':>6}  trend", ".quiet")]
    rows += [_row(row, picture.system_total, width) for row in picture.rows]
    rows.append(_row(picture.total, picture.system_total, width, ".strong"))
    rows.append(Content())
    used = 1.0 - picture.available / picture.system_total if picture.system_total else 0.0
    system = Content.assemble(f"{picture.available:.1f}", (f" of {picture.system_total:.1f} GB available", ".quiet"))
    room = width - 9 - system.cell_length - 2
    if room >= _SMALLEST_BAR:
        system = Content.assemble(system, "  ", bar(used, min(room, 16), _PRESSURES[picture.pressure]))
    rows.append(fact("System", system))
    rows.append(fact("Pressure", picture.pressure.value, _PRESSURES[picture.pressure]))
    return rows


def _row(row: Row, system_gb: float, width: int, style: str = "") -> Content:
    figures = f"{row.name:<9}{row.now:>5}{row.peak:>6}  "
    content = Content.assemble((figures, style or ("" if row.now else ".quiet")), row.note)
    room = width - _TABLE - 1
    if room < _SMALLEST_BAR or not row.now or content.cell_length > _TABLE:
        return content
    cells = min(room, 16)
    # A component that is there shows at least one cell, however large the machine is.
    share = max(row.now / 1024 / system_gb, 1 / cells) if system_gb else 0.0
    return Content.assemble(content, " " * (_TABLE + 1 - content.cell_length), bar(share, cells))
