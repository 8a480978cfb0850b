"""What the memory monitor warns of: raised once, told again when it gets worse, resolved by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """Exactly these three names reach the screen."""

    INFO = "Info"
    WARNING = "Warning"
    CRITICAL = "Critical"


@dataclass(frozen=True, slots=True)
class MemoryAlert:
    """One thing that is wrong with the memory, or was.

    Attributes:
        key: What it is about, the same as long as it lasts: `pressure`, `growth STT`.
        severity: How bad it is.
        component: One of `services.memory.components.COMPONENTS`, `Total` or `System`.
        message: What is the case, one sentence.
        recommendation: What to do about it, one sentence.
        action: Id of the action of the app that does it; empty where there is none.
        time: When it was raised, in seconds since the epoch.
        resolved: It is over.
    """

    key: str
    severity: Severity
    component: str
    message: str
    recommendation: str
    action: str = ""
    time: float = 0.0
    resolved: bool = False
