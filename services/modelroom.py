"""The two models of one program, and what decides when they are in memory: all that a program with models builds."""

from __future__ import annotations

from services.events import Emit, Event, ModelChanged
from services.hosted import HostedModel
from services.lifecycle import ModelState
from services.memory.admission import Admission, Caps
from services.memory.estimates import Estimates
from services.memory.guard import Guard
from services.memory.whole import Whole
from services.residency import Residency, Rules
from services.settings import MemorySettings

_WATCHED = (ModelState.LOADING.value, ModelState.READY.value, ModelState.PROCESSING.value)
"""In these states a model takes memory: begun once, the guard looks as long as one does."""


class ModelRoom:
    """The speech model, the summary model, who lends them, and who sees that they take no more than they may.

    Args:
        emit: Receives every change of a model's state.
        settings: How much memory models may take, and for how long.
    """

    def __init__(self, emit: Emit, settings: MemorySettings) -> None:
        self._emit = emit
        whole = Whole()
        self.estimates = Estimates()
        self.admission = Admission(self.estimates, _caps(settings), whole)
        self.stt = HostedModel("stt", self._tell, self.admission)
        self.llm = HostedModel("llm", self._tell, self.admission)
        self._models = (self.stt, self.llm)
        self.residency = Residency(self._models, self.admission, _rules(settings))
        self.guard = Guard(self._models, self.residency, lambda: self.admission.caps, whole)

    def apply(self, settings: MemorySettings) -> None:
        """Go by other settings from now on, also for models that are loaded. Waits for nothing but a look at the
        processes."""
        self.admission.caps = _caps(settings)
        self.residency.rules = _rules(settings)
        for model in self._models:
            model.confine(self.admission.allowance(model.name))

    def tidy(self) -> float:
        """Unload what nobody has used for `idle_seconds`; returns the MB that came back."""
        return self.residency.tidy()

    def unload_idle(self, reason: str) -> float:
        """Unload what nobody uses now; returns the MB that came back. A model at work stays."""
        return self.residency.unload_all(reason)

    def close(self) -> None:
        """Unload everything that nobody uses, and end the guard."""
        self.unload_idle("sotto ends")
        self.guard.close()

    def _tell(self, event: Event) -> None:
        self._emit(event)
        if isinstance(event, ModelChanged):
            if event.new in _WATCHED:
                self.guard.watch()
            if event.new != ModelState.LOADING.value:
                self._learn(event)

    def _learn(self, event: ModelChanged) -> None:
        """Keep what a run took. One that ended early tells something only where it took more than was known."""
        model = next(model for model in self._models if model.name == event.model)
        ran = (event.old, event.new) == (ModelState.PROCESSING.value, ModelState.READY.value)
        failed = event.new == ModelState.UNLOADED.value and event.old != ModelState.UNLOADING.value
        if ran or (failed and model.peak_mb > self.estimates.of(model.args).mb):
            self.estimates.learn(model.args, model.peak_mb)


def _caps(settings: MemorySettings) -> Caps:
    return Caps({"stt": settings.max_stt_mb, "llm": settings.max_llm_mb}, settings.max_total_mb)


def _rules(settings: MemorySettings) -> Rules:
    return Rules(settings.idle_seconds, settings.keep_mb, settings.explicit_lifecycle)
