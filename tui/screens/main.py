"""The main screen: four panels side by side, or one above the other with one of them open."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.containers import Container
from textual.content import Content
from textual.events import DescendantFocus
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

from tui.panels.panel import Panel, Part
from tui.screens.base import STYLES
from tui.situation import Figures, Situation
from tui.widgets.lines import alert_part, alerts_of, recording_parts

SMALLEST = (60, 20)
"""Columns and rows below which nothing useful can be shown."""
GRID_COLUMNS = 100
TALL_ROWS = 36
"""Rows from which on the grid has room for all that the Memory panel can tell."""
_LONGEST_ALERT = 120


class MainScreen(Screen[None], inherit_bindings=False):
    """Folds and unfolds the panels. In the grid all are open; in the stack the one that has the focus.

    Tab is not inherited: it is one of `tui.actions`.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (SMALLEST[0], "-stack"), (GRID_COLUMNS, "-grid")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (SMALLEST[1], "-high"), (TALL_ROWS, "-tall")]
    AUTO_FOCUS = ""

    @property
    def stacked(self) -> bool:
        return self.has_class("-stack")

    @property
    def panels(self) -> list[Panel]:
        return list(self.query(Panel))

    @property
    def opened(self) -> Panel:
        """The panel that has, or had last, the focus."""
        return next((panel for panel in self.panels if not panel.has_class("-folded")), self.panels[0])

    def open_panel(self, number: int) -> None:
        """Open panel `number` (from 1) and give it the focus."""
        chosen = self.panels[number - 1]
        for panel in self.panels:
            panel.set_class(panel is not chosen, "-folded")
        self.set_focus(chosen.target)

    def turn(self, step: int) -> None:
        """Open the panel `step` places further on."""
        self.open_panel((self.opened.NUMBER - 1 + step) % len(self.panels) + 1)

    @on(DescendantFocus)
    def _unfold(self, event: DescendantFocus) -> None:
        if event.widget is not self.focused:
            return  # the focus has gone on since
        for node in event.widget.ancestors_with_self:
            if isinstance(node, Panel) and node.has_class("-folded"):
                self.open_panel(node.NUMBER)


class Panels(Container):
    """The four panels."""


class TooSmall(Widget):
    """What is shown when the terminal is too small for anything else."""

    said: reactive[tuple[Part, ...]] = reactive(())
    """The recording and what is wrong with it; empty when nothing is recorded."""

    def __init__(self) -> None:
        super().__init__(id="too-small")

    def show(self, situation: Situation, figures: Figures) -> None:
        """Take what is to be said of the recording."""
        parts: list[Part] = [*recording_parts(situation, figures), ("\n", "")] if situation.on_air else []
        for alert in alerts_of(situation, figures)[:1]:
            parts += [alert_part(alert, _LONGEST_ALERT), ("\n", "")]
        self.said = tuple(parts)

    def render(self) -> Content:
        width, height = self.app.size
        needs = (f"sotto needs {SMALLEST[0]} x {SMALLEST[1]}\n", ".strong")
        return Content.assemble(*self.said, needs, (f"this is {width} x {height}", ".quiet"))
