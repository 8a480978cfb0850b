"""The book of alerts: raised once, told again when it gets worse, resolved by itself when its cause has gone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from services.memory.alert import MemoryAlert, Severity
from services.memory.recovery import RECOVERY, Trouble

_CALM_LOOKS = RECOVERY[Trouble.THRESHOLD].retries
"""An alert is over when so many looks in a row found nothing of it."""
_REMEMBERED = 50
_RANKS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def rank(severity: Severity) -> int:
    """0 for the least, 2 for the worst."""
    return _RANKS[severity]


class AlertBook:
    """What is wrong now, and the last fifty things that were.

    An alert keeps the words with which it was raised until it gets better or worse: figures that move with every look
    would only make the screen restless.
    """

    def __init__(self) -> None:
        self._open: dict[str, MemoryAlert] = {}
        self._calm: dict[str, int] = {}
        self._past: deque[MemoryAlert] = deque(maxlen=_REMEMBERED)

    @property
    def severities(self) -> Mapping[str, Severity]:
        """The severity of each alert that is open, by its key."""
        return {key: alert.severity for key, alert in self._open.items()}

    @property
    def open(self) -> tuple[MemoryAlert, ...]:
        """What is wrong now: the worst first, and of those alike the oldest."""
        return tuple(sorted(self._open.values(), key=lambda alert: (-rank(alert.severity), alert.time, alert.key)))

    @property
    def past(self) -> tuple[MemoryAlert, ...]:
        """What is over, the latest last."""
        return tuple(self._past)

    def look(self, now: float, found: Iterable[MemoryAlert]) -> list[MemoryAlert]:
        """Take what a look found to be wrong, one alert for each key at most.

        Args:
            now: Seconds since the epoch: the time of alerts that begin with this look.
            found: What is wrong, whatever was known before.

        Returns:
            What has to be told: alerts that are new, or worse than before, or resolved.
        """
        told: list[MemoryAlert] = []
        present = {alert.key: alert for alert in found}
        for key, alert in present.items():
            self._calm.pop(key, None)
            known = self._open.get(key)
            if known is not None and known.severity is alert.severity:
                continue
            self._open[key] = replace(alert, time=now if known is None else known.time, resolved=False)
            if known is None or rank(alert.severity) > rank(known.severity):
                told.append(self._open[key])
        for key in [key for key in self._open if key not in present]:
            self._calm[key] = self._calm.get(key, 0) + 1
            if self._calm[key] >= _CALM_LOOKS:
                del self._calm[key]
                over = replace(self._open.pop(key), resolved=True)
                self._past.append(over)
                told.append(over)
        return told
