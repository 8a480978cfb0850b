"""The app as its screens and widgets see it: what it knows, and nothing else."""

from __future__ import annotations

from textual.app import App
from textual.reactive import reactive

from tui.situation import Figures, Situation


class FactsApp(App[int]):
    """Holds the facts and the figures; everything that paints is bound to them."""

    situation: reactive[Situation] = reactive(Situation, init=False)
    figures: reactive[Figures] = reactive(Figures, init=False)
