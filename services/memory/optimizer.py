"""What is done about a shortage of memory: one lever after another, from cheap to costly, and back when it is over.

It knows no model and no recording: whoever builds it says which levers there are. Recording is never one of them.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.errors import SottoError
from services.events import Emit, MemoryAlerted, Optimized
from services.memory.alert import MemoryAlert, Severity
from services.memory.optimization import Effect, Optimization
from services.memory.probe import Pressure

_log = logging.getLogger("sotto.memory")

ALERT = "optimization"
"""Key of the alert that recommends a step."""

_SYSTEM = "System"

SCARCE_MB = 1024.0
"""With no more available than this, memory counts as short whatever share of the machine that is: the next model would
not fit."""
OWN_SHARE = 0.1
"""Under High pressure, what a person would miss is given up only while sotto holds so much of the memory: a machine
that is full of other things does not get emptier."""

SETTLE_SECONDS = 3.0
"""So long after a step its effect is measured: a process that ends takes a moment, and so does a batch at work."""
PATIENCE_SECONDS = 60.0
"""Under High pressure, what a person would miss goes only so long after the last step; under Critical at once."""
AGAIN_SECONDS = 60.0
"""A step that found nothing to do, failed, or cannot be undone is tried again after so long."""
CALM_SECONDS = 60.0
"""So long the memory has to be no longer short before a step is undone, and again before the next."""
_MOST_CALM_SECONDS = 960.0
_LOOK_SECONDS = 10.0
_RESULTS = 50


@dataclass(frozen=True, slots=True)
class Lever:
    """One thing that can be done about a shortage of memory.

    Attributes:
        name: What was done, as a person reads it: `Idle models unloaded`.
        advice: The same as something to do: `Unload the models that nobody uses.`
        component: Whose memory it is about.
        ready: Whether there is anything to be done by it now. Cheap.
        pull: Does it; returns whether anything was done. May raise a `SottoError`.
        undo: Takes it back; None where there is nothing to take back.
        latency: How much longer things take to begin, then.
        throughput: How much longer work takes.
        user: How much a person notices.
        action: Id of the app's action that does it; empty where there is none.
    """

    name: str
    advice: str
    component: str
    ready: Callable[[], bool]
    pull: Callable[[], bool]
    undo: Callable[[], None] | None = None
    latency: Effect = Effect.NONE
    throughput: Effect = Effect.NONE
    user: Effect = Effect.NONE
    action: str = ""

    @property
    def costly(self) -> bool:
        """A person would miss something."""
        return self.user in (Effect.MODERATE, Effect.SIGNIFICANT)


@dataclass(frozen=True, slots=True)
class Reading:
    """How things stand, in MB.

    Attributes:
        pressure: How short the machine's memory is.
        available: What can be had of it.
        machine: What there is; where a container has less, its limit.
        own: What all of sotto holds; may be some seconds old.
    """

    pressure: Pressure
    available: float
    machine: float
    own: float

    @property
    def critical(self) -> bool:
        return self.pressure is Pressure.CRITICAL

    @property
    def short(self) -> bool:
        scarce = self.available <= min(SCARCE_MB, self.machine / 2)
        return scarce or self.pressure in (Pressure.HIGH, Pressure.CRITICAL)


@dataclass(frozen=True, slots=True)
class OptimizationReport:
    """All that was done, and what comes next.

    Attributes:
        results: The last steps, the latest last.
        saved_mb: What those that are in force gave back when they were taken.
        in_force: Names of the steps that would be undone.
        next_steps: What would be done next if memory were short, as sentences; the first one first.
    """

    results: tuple[Optimization, ...]
    saved_mb: float
    in_force: tuple[str, ...]
    next_steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """One that was taken, while its effect is waited for."""

    lever: Lever
    result: Optimization
    until: float


class Optimizer:
    """Decides at each tick what to do. One thread calls `tick`; any may read `report` and call `configure`.

    Args:
        levers: From cheap to costly: the order in which they are pulled, and the reverse in which they are undone.
        read: How things stand; called at every tick, so cheap.
        measure: What all of sotto holds at this moment, in MB; called before and after a step.
        emit: Receives `Optimized` for each step, and `MemoryAlerted` where a step is only recommended.
        clock: Seconds of a clock that does not go back.
    """

    def __init__(
        self,
        levers: Sequence[Lever],
        read: Callable[[], Reading],
        measure: Callable[[], float],
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._levers = tuple(levers)
        self._read = read
        self._measure = measure
        self._emit = emit
        self._clock = clock
        self._automatic = True
        self._own_cleanup_mb = 0.0
        self._pulled: list[Lever] = []
        self._saved: dict[str, float] = {}
        self._rest: dict[str, float] = {}
        self._pending: _Step | None = None
        self._patient_since: float | None = None
        self._calm_since: float | None = None
        self._undone_at: float | None = None
        self._stuck_until = -math.inf
        self._calm_s = CALM_SECONDS
        self._alert: MemoryAlert | None = None
        self._results: deque[Optimization] = deque(maxlen=_RESULTS)

    def configure(self, automatic: bool, own_cleanup_mb: float) -> None:
        """Change the rules; they hold from the next tick on.

        Args:
            automatic: Act; otherwise what was done is taken back, and steps are only recommended.
            own_cleanup_mb: When all of sotto holds more, whatever nobody misses is let go of; 0: never.
        """
        self._automatic, self._own_cleanup_mb = automatic, own_cleanup_mb

    @property
    def report(self) -> OptimizationReport:
        pulled = tuple(self._pulled)
        steps = tuple(lever.advice for lever in self._levers if lever not in pulled and lever.ready())
        saved = sum(tuple(self._saved.values()))
        return OptimizationReport(tuple(self._results), saved, tuple(lever.name for lever in pulled), steps)

    def tick(self) -> float:
        """Look, and take one step at most; returns the seconds until the next look is worth while."""
        now = self._clock()
        if self._pending is not None:
            if now < self._pending.until:
                return self._pending.until - now
            self._settle(self._pending)
        reading = self._read()
        if not self._automatic:
            self._recommend(reading)
            if self._pulled:
                self._undo(now)
        elif reading.short or (self._own_cleanup_mb and reading.own > self._own_cleanup_mb):
            self._calm_since = None
            self._relieve(now, reading)
        else:
            self._recover(now)
        self._retract(reading)
        return SETTLE_SECONDS if self._pending is not None or reading.short else _LOOK_SECONDS

    def _relieve(self, now: float, reading: Reading) -> None:
        """Pull the next lever that does something."""
        for lever in self._levers:
            if lever in self._pulled or now < self._rest.get(lever.name, now):
                continue
            if not reading.short and lever.user is not Effect.NONE:
                return
            if lever.costly and not self._due(now, reading):
                return
            if lever.ready() and self._pull(lever, now):
                return

    def _due(self, now: float, reading: Reading) -> bool:
        """Whether it is time for what a person would miss."""
        if reading.critical:
            return True
        if self._patient_since is None:
            self._patient_since = now
        return now - self._patient_since >= PATIENCE_SECONDS and reading.own >= OWN_SHARE * reading.machine

    def _pull(self, lever: Lever, now: float) -> bool:
        """Returns whether there is an effect to wait for."""
        before = self._measure()
        self._rest[lever.name] = now + AGAIN_SECONDS
        try:
            if not lever.pull():
                return False
        except SottoError as error:
            self._tell(replace(_result(lever, before), success=False, error=error.message))
            return False
        if lever.undo is not None:
            self._pulled.append(lever)
            self._patient_since = now
        if self._undone_at is not None and now - self._undone_at < 2 * self._calm_s:
            self._calm_s = min(2 * self._calm_s, _MOST_CALM_SECONDS)  # undoing it was too early
        self._undone_at = None
        self._wait(lever, _result(lever, before), now)
        return True

    def _recover(self, now: float) -> None:
        """Undo one step when the memory has not been short for a while."""
        self._patient_since = None
        if self._calm_since is None:
            self._calm_since = now
        if now - self._calm_since < self._calm_s:
            return
        if self._pulled:
            self._undo(now)
            self._undone_at = self._calm_since = now
        elif self._undone_at is not None and now - self._undone_at >= 2 * self._calm_s:
            self._calm_s, self._undone_at = CALM_SECONDS, None

    def _undo(self, now: float) -> None:
        if now < self._stuck_until:
            return
        lever = self._pulled.pop()
        result = replace(_result(lever, self._measure()), undone=True)
        try:
            if lever.undo is not None:
                lever.undo()
        except SottoError as error:
            self._pulled.append(lever)  # it still holds
            self._stuck_until = now + AGAIN_SECONDS
            self._tell(replace(result, success=False, error=error.message))
            return
        self._saved.pop(lever.name, None)
        self._wait(lever, result, now)

    def _wait(self, lever: Lever, result: Optimization, now: float) -> None:
        self._pending = _Step(lever, result, now + SETTLE_SECONDS)

    def _settle(self, step: _Step) -> None:
        """The effect of a step has come by now: measure and tell it."""
        self._pending = None
        result = replace(step.result, after_mb=self._measure())
        if not result.undone and step.lever.undo is not None:
            self._saved[step.lever.name] = result.saved_mb
        self._tell(result)

    def _tell(self, result: Optimization) -> None:
        _log.info("%s%s: %+.0f MB %s", result.step, " (undone)" * result.undone, -result.saved_mb, result.error)
        self._results.append(result)
        self._emit(Optimized(result))

    def _recommend(self, reading: Reading) -> None:
        """Say what would be done."""
        if not reading.short:
            return
        lever = next((lever for lever in self._levers if lever.ready()), None)
        if lever is None or (self._alert is not None and self._alert.recommendation == lever.advice):
            return
        message = f"Memory is short: {reading.available:.0f} MB are available."
        self._alert = MemoryAlert(ALERT, Severity.INFO, _SYSTEM, message, lever.advice, lever.action, time=time.time())
        self._emit(MemoryAlerted(self._alert))

    def _retract(self, reading: Reading) -> None:
        """A recommendation is over when memory is not short any more, or sotto acts by itself."""
        if self._alert is not None and (self._automatic or not reading.short):
            self._emit(MemoryAlerted(replace(self._alert, resolved=True)))
            self._alert = None


def _result(lever: Lever, before: float) -> Optimization:
    return Optimization(
        lever.name,
        lever.component,
        before,
        before,
        latency=lever.latency,
        throughput=lever.throughput,
        user=lever.user,
        time=time.time(),
    )
