"""Who goes on when an engine is short of memory, and who when the settings change in the middle of its work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from services.errors import CancelledError, MemoryLimitError, SottoError, WorkerKilledError
from services.events import Emit, FellBack
from services.memory.recovery import RECOVERY, Trouble
from services.models.catalogue import EngineSpec

_log = logging.getLogger("sotto.memory")

SHORT_OF_MEMORY = (MemoryLimitError, WorkerKilledError)
"""What says that an engine had too little memory."""

Result = TypeVar("Result")


@dataclass(slots=True)
class Fallback:
    """Finds who goes on, and tells it. Used by one thread at a time.

    Attributes:
        model: The job: `stt` or `llm`.
        meeting: The folder of the meeting that is worked on.
        find: The engine that takes less than another one; None where there is none.
        emit: Receives a `FellBack`.
        allowed: Where it is not (the setting `memory.auto_fallback`), the error stands.
        told: What was told so far.
    """

    model: str
    meeting: Path
    find: Callable[[EngineSpec], EngineSpec | None]
    emit: Emit
    allowed: bool = True
    told: list[FellBack] = field(default_factory=list)
    _gave_up: set[tuple[str, str]] = field(default_factory=set)
    _tries: dict[EngineSpec, int] = field(default_factory=dict)

    def after(self, spec: EngineSpec, error: SottoError) -> EngineSpec:
        """The engine that goes on when `spec` was ended by `error`: where none takes less that has not given up before,
        the same, as often as the table of recoveries says.

        Raises:
            SottoError: `error`, where nobody goes on.
        """
        if not self.allowed or not isinstance(error, SHORT_OF_MEMORY):
            raise error
        self._gave_up.add((spec.engine, spec.model))
        smaller = self.find(spec)
        if smaller is None or (smaller.engine, smaller.model) in self._gave_up:
            if self._tries.get(spec, 0) >= RECOVERY[Trouble.ALLOCATION].retries:
                raise error
            self._tries[spec] = self._tries.get(spec, 0) + 1
            _log.warning("%s is tried again: %s", spec.label, error)
            return spec
        fell = FellBack(self.model, spec.label, smaller.label, error.message, self.meeting)
        _log.warning("%s", words(fell))
        self.told.append(fell)
        self.emit(fell)
        return smaller


def words(fell: FellBack) -> str:
    """What happened, in one or two sentences."""
    return f"{fell.old} gave up: {fell.reason} {fell.new} went on."


class Interrupt(threading.Event):
    """Ends a call for a reason of its own, or for that of another event, which stays as it is."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    @property
    def own(self) -> bool:
        """Whether the reason is its own."""
        return super().is_set()

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Like that of any event; the other one is looked at before and afterwards."""
        return self.is_set() or super().wait(timeout) or self.is_set()


@dataclass(frozen=True, slots=True)
class Leg:
    """What one engine does of a piece of work.

    Attributes:
        spec: The engine.
        language: What is spoken, as an ISO 639-1 code, or `auto`.
    """

    spec: EngineSpec
    language: str


class Relay:
    """Work that one engine after another does, each going on where the one before stopped.

    Args:
        leg: The first engine.
        fallback: Finds who goes on for want of memory.
        cancel: Ends the work.
    """

    def __init__(self, leg: Leg, fallback: Fallback, cancel: threading.Event) -> None:
        self._lock = threading.Lock()
        self._leg = leg
        self._fell_from: set[tuple[str, str]] = set()
        self._fallback = fallback
        self._cancel = cancel
        self._turn = Interrupt(cancel)

    def change(self, leg: Leg) -> None:
        """Let another engine go on from the last finished batch of windows. Returns at once; for any thread.

        A model that had too little memory before is not tried again: what took over from it goes on, with the new
        options.
        """
        with self._lock:
            if (leg.spec.engine, leg.spec.model) in self._fell_from:
                leg = replace(leg, spec=replace(self._leg.spec, options=leg.spec.options))
            if leg != self._leg:
                self._leg = leg
                self._turn.set()

    def run(self, work: Callable[[Leg, str | None, threading.Event], Result]) -> Result:
        """Do it; returns what the last engine's `work` did.

        Args:
            work: Takes who works, why it takes over from another engine (None: it is the first), and what ends it.

        Raises:
            SottoError: What `work` raised, where nobody goes on.
        """
        take_over: str | None = None
        while True:
            with self._lock:
                leg, turn = self._leg, Interrupt(self._cancel)
                self._turn = turn
            try:
                return work(leg, take_over, turn)
            except CancelledError:
                if self._cancel.is_set() or not turn.own:
                    raise
                take_over = ""
            except SHORT_OF_MEMORY as error:
                take_over = self._fall(leg, error)

    def _fall(self, leg: Leg, error: SottoError) -> str:
        """Let a smaller engine go on; returns why."""
        with self._lock:
            if self._leg != leg:
                return ""  # it was to end anyway
        told = len(self._fallback.told)
        spec = self._fallback.after(leg.spec, error)
        if len(self._fallback.told) == told:
            return ""
        with self._lock:
            self._fell_from.add((leg.spec.engine, leg.spec.model))
            if self._leg == leg:
                self._leg = replace(leg, spec=spec)
            elif (self._leg.spec.engine, self._leg.spec.model) in self._fell_from:
                self._leg = replace(self._leg, spec=replace(spec, options=self._leg.spec.options))
        return words(self._fallback.told[-1])
