"""The memory report: all that is known of a program's memory at one moment, and what can be made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.memory.alert import MemoryAlert
from services.memory.diary import Checkpoint, Diary, Fallback, ModelMemory, OperationMemory
from services.memory.optimization import Optimization
from services.memory.snapshot import MemorySnapshot
from services.memory.usage import MemoryUsage
from services.text import one_line

_MB = 1024 * 1024
_NOTABLE_BYTES = 8 * _MB
"""Mapped files below this are no weights of a model."""

Facts = Mapping[str, Mapping[str, Any]]
"""What the engines told of their models when they were loaded, by job."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One of the two models at the time of a report.

    Attributes:
        past: Its life so far.
        usage: What its process holds.
        mapped_mb: Size of the weights that are mapped from their files: the kernel can drop and read them again.
        context: Length of its context in tokens; 0 where it has none.
        context_mb: What the context takes; 0 where that is not known.
        kv_cache: Number type of the context's keys and values; empty where it has none.
    """

    past: ModelMemory
    usage: MemoryUsage
    mapped_mb: float = 0.0
    context: int = 0
    context_mb: float = 0.0
    kv_cache: str = ""


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """What `sotto report` prints and the app shows on request.

    Attributes:
        pid: Of the program.
        snapshot: All components, the machine and what is wrong now.
        models: The two models, loaded or not.
        operations: The peak of everything that was done.
        checkpoints: Measurements with a name.
        optimizations: What was done about a shortage.
        fallbacks: Where a smaller model went on.
        over: Alerts that are over, the latest last.
        next_steps: What would be done next if memory were short.
    """

    pid: int
    snapshot: MemorySnapshot
    models: tuple[LoadedModel, ...] = ()
    operations: tuple[OperationMemory, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    optimizations: tuple[Optimization, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    over: tuple[MemoryAlert, ...] = ()
    next_steps: tuple[str, ...] = ()

    @property
    def loaded(self) -> tuple[LoadedModel, ...]:
        """The models that are in memory."""
        return tuple(model for model in self.models if model.past.loaded)

    @property
    def estimated(self) -> tuple[str, ...]:
        """The components whose figures are estimates."""
        return tuple(c.name for c in self.snapshot.components if c.usage.estimated)


def account(
    pid: int,
    snapshot: MemorySnapshot,
    diary: Diary,
    over: Sequence[MemoryAlert] = (),
    facts: Facts | None = None,
    next_steps: Sequence[str] = (),
) -> MemoryReport:
    """Put a report together.

    Args:
        pid: Of the program.
        snapshot: The latest picture.
        diary: What happened.
        over: Alerts that are over.
        facts: What the engines told of their models.
        next_steps: What would be done next if memory were short.
    """
    models = tuple(_model(model, snapshot, (facts or {}).get(model.job, {})) for model in diary.models)
    return MemoryReport(
        pid,
        snapshot,
        models,
        diary.operations,
        diary.checkpoints,
        diary.optimizations,
        diary.fallbacks,
        tuple(over),
        tuple(next_steps),
    )


def _model(past: ModelMemory, snapshot: MemorySnapshot, facts: Mapping[str, Any]) -> LoadedModel:
    component = snapshot.component(past.component)
    if component is None or not component.running or not past.loaded:
        return LoadedModel(past, MemoryUsage())
    return LoadedModel(
        past,
        component.usage,
        sum(map(mapped, component.pids)),
        int(facts.get("context") or 0),
        float(facts.get("context_mb") or 0.0),
        one_line(str(facts.get("kv_cache") or ""), 10),
    )


def mapped(pid: int) -> float:
    """Size in MB of the weights that process `pid` has mapped: files that are large and no code.

    Returns:
        0 where the system does not tell.
    """
    ranges: dict[bytes, int] = {}
    code: set[bytes] = set()
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            for line in file:
                fields = line.split(None, 5)
                if len(fields) < 6 or not fields[5].startswith(b"/"):
                    continue
                name = fields[5].rstrip(b"\n")
                begin, _, end = fields[0].partition(b"-")
                ranges[name] = ranges.get(name, 0) + int(end, 16) - int(begin, 16)
                if b"x" in fields[1]:
                    code.add(name)
    except OSError:
        return 0.0
    weights = (size for name, size in ranges.items() if name not in code)
    return sum(size for size in weights if size >= _NOTABLE_BYTES) / _MB
