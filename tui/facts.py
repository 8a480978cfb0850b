"""The app as its screens and widgets see it: what it knows, and nothing else."""

from __future__ import annotations

from textual.app import App
from textual.reactive import var

from tui.situation import Figures, Situation


class FactsApp(App[int]):
    """Holds the facts and the figures; everything that paints is bound to them."""

    situation: var[Situation] = var(Situation, init=False)
    figures: var[Figures] = var(Figures, init=False)
