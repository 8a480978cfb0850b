"""What is done when looking after the memory itself fails: one table, which the code goes by.

| trouble | at once | tries | then | what a person sees |
|---|---|---|---|---|
| monitoring | read it again | 2 | go by its resident set, then by the last figure | that figures are estimates |
| allocation | end the model, keep what is done | 1 | go on with the next smaller model | which model goes on, and why |
| clean-up | look whether the process is gone | 2 | name the process that still holds memory | its number |
| configuration | pass the wrong value over | 0 | go by the value of the preset | which value, and what is allowed |
| threshold | raise an alert | 2 | critical: act from cheap to costly | the alert with the key that helps |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from services.memory.alert import MemoryAlert, Severity


class Trouble(Enum):
    """What can go wrong."""

    MONITORING = "monitoring"
    ALLOCATION = "allocation"
    CLEANUP = "clean-up"
    CONFIGURATION = "configuration"
    THRESHOLD = "threshold"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How one kind of trouble is met.

    Attributes:
        immediate: What is done at once, as a person reads it.
        retries: So often it is tried again: reading a process, loading a model, looking whether a process is gone. Of a
            threshold: so many looks in a row have to find nothing before an alert is over.
        escalation: What follows when that did not help.
        first: The severity of the alert at first.
        worst: The severity when trying again did not help.
        advice: What a person can do.
        action: Id of the action of the app that does it; empty where there is none.
    """

    immediate: str
    retries: int
    escalation: str
    first: Severity
    worst: Severity
    advice: str
    action: str = "memory_details"


RECOVERY: Mapping[Trouble, Recovery] = MappingProxyType(
    {
        Trouble.MONITORING: Recovery(
            "it is read again",
            2,
            "its resident set stands in for it, then the last figure that is known",
            Severity.INFO,
            Severity.WARNING,
            "Nothing has to be done: figures marked ~ are estimates until it can be read again.",
        ),
        Trouble.ALLOCATION: Recovery(
            "the model is ended, and what is done is kept",
            1,
            "the next smaller model goes on",
            Severity.WARNING,
            Severity.CRITICAL,
            "Close other programs, choose a smaller model or switch to low memory.",
            "low_memory",
        ),
        Trouble.CLEANUP: Recovery(
            "it is looked whether the process has gone",
            2,
            "the process that still holds memory is named",
            Severity.WARNING,
            Severity.CRITICAL,
            "End it with `kill`; a recording does not depend on it.",
        ),
        Trouble.CONFIGURATION: Recovery(
            "the wrong value is passed over",
            0,
            "the value that is safe counts",
            Severity.INFO,
            Severity.WARNING,
            "Correct the setting.",
        ),
        Trouble.THRESHOLD: Recovery(
            "an alert is raised",
            2,
            "sotto acts, from cheap to costly, unless `memory.automatic_optimization` is off",
            Severity.WARNING,
            Severity.CRITICAL,
            "Unload what is idle, or switch to low memory.",
            "low_memory",
        ),
    }
)


def trouble_of(alert: MemoryAlert) -> Trouble:
    """Which kind of trouble an alert tells of."""
    word = alert.key.split(" ")[0]
    return next((trouble for trouble in Trouble if trouble.value == word), Trouble.THRESHOLD)


def alert_of(trouble: Trouble, component: str, message: str, tried: int = 0, about: str = "") -> MemoryAlert:
    """The alert that tells of a trouble.

    Args:
        trouble: Which kind.
        component: Whose.
        message: What is the case, one sentence.
        tried: How often it was tried again: as often as the table says, and it is worse.
        about: Makes its key differ from others of the kind; the component when not given.
    """
    recovery = RECOVERY[trouble]
    severity = recovery.worst if recovery.retries and tried >= recovery.retries else recovery.first
    return MemoryAlert(
        f"{trouble.value} {about or component}", severity, component, message, recovery.advice, recovery.action
    )
