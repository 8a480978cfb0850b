"""The life of a model: five states, one table of legal transitions, one method that changes state."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from services.events import ModelChanged
from services.memory.usage import MemoryUsage


class ModelState(Enum):
    """Exactly these five names reach the screen."""

    UNLOADED = "Unloaded"
    LOADING = "Loading"
    READY = "Ready"
    PROCESSING = "Processing"
    UNLOADING = "Unloading"


TRANSITIONS: dict[ModelState, frozenset[ModelState]] = {
    ModelState.UNLOADED: frozenset({ModelState.LOADING}),
    ModelState.LOADING: frozenset({ModelState.READY, ModelState.UNLOADED}),
    ModelState.READY: frozenset({ModelState.PROCESSING, ModelState.UNLOADING, ModelState.UNLOADED}),
    ModelState.PROCESSING: frozenset({ModelState.READY, ModelState.UNLOADED}),
    ModelState.UNLOADING: frozenset({ModelState.UNLOADED}),
}


class IllegalTransitionError(RuntimeError):
    """A defect in sotto: a model was sent where it cannot go."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What the screen shows of a model: its state, why it is so, and what its last unloading gave back."""

    state: ModelState = ModelState.UNLOADED
    engine: str = ""
    reason: str = ""
    freed_mb: float | None = None


class ModelLifecycle:
    """The state of one model. Any thread may read it. Events are emitted outside the lock, so one thread at a time
    changes it: whoever holds the lease.

    Args:
        name: The job of the model, `stt` or `llm`.
        emit: Receives a `ModelChanged` for every transition.
    """

    def __init__(self, name: str, emit: Callable[[ModelChanged], None]) -> None:
        self.name = name
        self._emit = emit
        self._lock = threading.Lock()
        self._status = ModelStatus()

    @property
    def status(self) -> ModelStatus:
        return self._status

    @property
    def state(self) -> ModelState:
        return self._status.state

    def to(
        self, new: ModelState, *, engine: str | None = None, reason: str = "", freed_mb: float | None = None
    ) -> None:
        """Change the state and tell it.

        Args:
            new: The next state.
            engine: The engine and model concerned; kept from the last state when not given.
            reason: Why, where that is not obvious (a failure, an idle time-out).
            freed_mb: What an unloading gave back, in MB of PSS.

        Raises:
            IllegalTransitionError: The table does not allow it; the state stays as it was.
        """
        with self._lock:
            old = self._status
            if new not in TRANSITIONS[old.state]:
                raise IllegalTransitionError(f"{self.name}: {old.state.value} -> {new.value}")
            self._status = ModelStatus(new, old.engine if engine is None else engine, reason, freed_mb)
            event = ModelChanged(self.name, self._status.engine, old.state.value, new.value, reason, freed_mb)
        self._emit(event)


class ModelService(Protocol):
    """What every service that runs a model offers."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> ModelState: ...
    def load_model(self) -> None: ...
    def unload_model(self, reason: str = "") -> float: ...
    def is_loaded(self) -> bool: ...
    def get_memory_usage(self) -> MemoryUsage: ...
