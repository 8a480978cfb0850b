"""What was done about a shortage of memory, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """How much something is felt; exactly these four names reach the screen."""

    NONE = "None"
    MINIMAL = "Minimal"
    MODERATE = "Moderate"
    SIGNIFICANT = "Significant"


@dataclass(frozen=True, slots=True)
class Optimization:
    """One step that was taken, or undone. Memory in MB of PSS of everything that is sotto.

    Attributes:
        step: What was done, as a person reads it: `Idle models unloaded`.
        component: Whose memory it is about.
        before_mb: Before it.
        after_mb: When its effect had been waited for.
        latency: How much longer things take to begin.
        throughput: How much longer work takes.
        user: How much a person notices.
        success: Whether it was done.
        error: Why not; else empty.
        undone: It was taken back, because the shortage is over.
        time: Seconds since the epoch.
    """

    step: str
    component: str
    before_mb: float
    after_mb: float
    latency: Effect = Effect.NONE
    throughput: Effect = Effect.NONE
    user: Effect = Effect.NONE
    success: bool = True
    error: str = ""
    undone: bool = False
    time: float = 0.0

    @property
    def saved_mb(self) -> float:
        return self.before_mb - self.after_mb

    @property
    def saved_percent(self) -> float:
        return 100.0 * self.saved_mb / self.before_mb if self.before_mb > 0 else 0.0
