"""What happened to the memory, for the report: models that came and went, operations and their peaks, checkpoints.

Of constant size: the last fifty of each kind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from services.memory.alert import MemoryAlert
from services.memory.components import LLM, STT
from services.memory.optimization import Optimization
from services.memory.recovery import RECOVERY, Trouble, alert_of
from services.memory.snapshot import MemorySnapshot
from services.text import one_line

_REMEMBERED = 50
MODELS: Mapping[str, str] = MappingProxyType({"stt": STT, "llm": LLM})
"""Component of each model."""

RECORD, CAPTIONS = "record", "captions"
"""Operations that go on for hours and whose memory is a flat line."""
UNLOADED, LOADING, READY, PROCESSING = "Unloaded", "Loading", "Ready", "Processing"
"""Names of `services.lifecycle.ModelState`, as events tell them."""


@dataclass(frozen=True, slots=True)
class ModelMemory:
    """One of the two models, and what became of it.

    Attributes:
        job: `stt` or `llm`.
        engine: Label of the engine and model.
        state: One of the five states.
        reason: Why it is so; empty where that is plain.
        loaded_at: When it was ready last, in seconds since the epoch; 0: never.
        used_at: When it worked last; 0: never.
        freed_mb: What its last unloading gave back.
        loads: How often it was loaded.
    """

    job: str
    engine: str = ""
    state: str = UNLOADED
    reason: str = ""
    loaded_at: float = 0.0
    used_at: float = 0.0
    freed_mb: float = 0.0
    loads: int = 0

    @property
    def component(self) -> str:
        return MODELS[self.job]

    @property
    def loaded(self) -> bool:
        return self.state != UNLOADED


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A measurement with a name, in MB of PSS."""

    name: str
    time: float
    held: Mapping[str, float]
    total: float


@dataclass(frozen=True, slots=True)
class OperationMemory:
    """The most that was held while something was done, in MB of PSS.

    Attributes:
        name: What was done: `transcribe`, `captions`, `load stt` and so on.
        subject: Name of the meeting's folder, or label of the engine.
        begun: Seconds since the epoch.
        seconds: How long it took, or takes so far.
        peaks: By component.
        peak: Of all together.
        running: It is not over.
    """

    name: str
    subject: str
    begun: float
    seconds: float = 0.0
    peaks: Mapping[str, float] = field(default_factory=dict)
    peak: float = 0.0
    running: bool = True


@dataclass(frozen=True, slots=True)
class Fallback:
    """A smaller model went on."""

    job: str
    old: str
    new: str
    reason: str
    time: float


@dataclass(frozen=True, slots=True)
class _Unloaded:
    """Processes that a model had before it was unloaded, and how many looks in a row found one of them.

    Others are of the next one: what is measured may be ahead of what is told.
    """

    pids: frozenset[int] = frozenset()
    looks: int = 0

    def seen(self, pids: frozenset[int]) -> _Unloaded:
        """With what the component has now."""
        left = self.pids & pids
        return _Unloaded(left, self.looks + 1 if left else 0)


class Diary:
    """Takes what happens, in order, on one thread; what it gives out never changes."""

    def __init__(self) -> None:
        self._models = {job: ModelMemory(job) for job in MODELS}
        self._pids: dict[str, frozenset[int]] = {}
        self._lingering: dict[str, _Unloaded] = {}
        self._running: dict[str, OperationMemory] = {}
        self._operations: deque[OperationMemory] = deque(maxlen=_REMEMBERED)
        self._checkpoints: deque[Checkpoint] = deque(maxlen=_REMEMBERED)
        self._optimizations: deque[Optimization] = deque(maxlen=_REMEMBERED)
        self._fallbacks: deque[Fallback] = deque(maxlen=_REMEMBERED)

    @property
    def models(self) -> tuple[ModelMemory, ...]:
        return tuple(self._models.values())

    @property
    def operations(self) -> tuple[OperationMemory, ...]:
        """Those that are over, the latest last, then those that run."""
        return (*self._operations, *self._running.values())

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        return tuple(self._checkpoints)

    @property
    def optimizations(self) -> tuple[Optimization, ...]:
        return tuple(self._optimizations)

    @property
    def fallbacks(self) -> tuple[Fallback, ...]:
        return tuple(self._fallbacks)

    @property
    def loaded(self) -> bool:
        """A model is in memory, or on its way."""
        return any(model.loaded for model in self._models.values())

    @property
    def busy(self) -> bool:
        """Something is at work that takes memory in bursts: a load, a stage of the processing."""
        return any(name not in (RECORD, CAPTIONS) for name in self._running)

    def model(self, now: float, job: str, engine: str, state: str, reason: str, freed_mb: float | None) -> str:
        """A model changed its state. Returns the name of the checkpoint that is due then; empty where none is."""
        known = self._models[job]
        used = now if PROCESSING in (state, known.state) else known.used_at
        loaded = state == READY and known.state == LOADING
        self._models[job] = ModelMemory(
            job,
            one_line(engine, 60),
            state,
            one_line(reason),
            now if loaded else known.loaded_at,
            used,
            known.freed_mb if freed_mb is None else freed_mb,
            known.loads + loaded,
        )
        if state == UNLOADED:
            self._lingering[job] = _Unloaded(self._pids.pop(job, frozenset()))
        else:
            self._lingering.pop(job, None)
        if loaded:
            return f"{job}_loaded"
        return f"{job}_unloaded" if state == UNLOADED and known.state != LOADING else ""

    def begin(self, now: float, name: str, subject: str) -> None:
        """Something is done from now on. It is one thing when it is begun again."""
        if name not in self._running:
            self._running[name] = OperationMemory(name, one_line(subject, 60), now)

    def end(self, now: float, name: str) -> OperationMemory | None:
        """It is over; returns what it took. None where it was not at work."""
        running = self._running.pop(name, None)
        if running is None:
            return None
        over = replace(running, seconds=now - running.begun, running=False)
        self._operations.append(over)
        return over

    def running(self, name: str) -> bool:
        """Whether it is at work."""
        return name in self._running

    def checkpoint(self, name: str, snapshot: MemorySnapshot) -> Checkpoint:
        """Keep a measurement under a name."""
        held = {c.name: c.usage.pss for c in snapshot.components if c.running}
        kept = Checkpoint(name, snapshot.time, held, snapshot.total.usage.pss)
        self._checkpoints.append(kept)
        return kept

    def optimized(self, result: Optimization) -> None:
        self._optimizations.append(result)

    def fell_back(self, fallback: Fallback) -> None:
        self._fallbacks.append(fallback)

    def see(self, snapshot: MemorySnapshot) -> None:
        """Take a measurement into the peaks of what is at work, and look whether unloaded models are gone."""
        held = {c.name: c.usage.pss for c in snapshot.components if c.running}
        for name, running in self._running.items():
            self._running[name] = replace(
                _higher(running, held, snapshot.total.usage.pss), seconds=snapshot.time - running.begun
            )
        for job, component in MODELS.items():
            pids = frozenset(next((c.pids for c in snapshot.components if c.name == component and c.running), ()))
            if self._models[job].loaded and pids:
                self._pids.setdefault(job, pids)
            if job in self._lingering:
                self._lingering[job] = self._lingering[job].seen(pids)

    def saw(self, component: str, mb: float, total: float) -> None:
        """Somebody else measured a component, and all together at least, at a moment that counts."""
        for name, running in self._running.items():
            self._running[name] = _higher(running, {component: mb}, total)

    def lingering(self, snapshot: MemorySnapshot) -> list[MemoryAlert]:
        """Processes of models that were unloaded, and that are there all the same."""
        recovery, found = RECOVERY[Trouble.CLEANUP], []
        for job, unloaded in self._lingering.items():
            component, looks = snapshot.component(MODELS[job]), unloaded.looks
            if looks > recovery.retries and component is not None and component.running:
                pids = " and ".join(map(str, sorted(unloaded.pids)))
                said = f"{component.name} was unloaded, and process {pids} still holds {component.usage.pss:,.0f} MB."
                found.append(alert_of(Trouble.CLEANUP, component.name, said, tried=looks - recovery.retries))
        return found


def _higher(operation: OperationMemory, held: Mapping[str, float], total: float) -> OperationMemory:
    peaks = dict(operation.peaks)
    for name, mb in held.items():
        peaks[name] = max(peaks.get(name, 0.0), mb)
    return replace(operation, peaks=peaks, peak=max(operation.peak, total))
