"""When a recording ends by itself: after a time, at a time of day, when nobody is heard any more. Pure arithmetic."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from services.recording.messages import Alert

_NOTICE_SECONDS = 60.0
"""The end is announced so long before."""

_STEP_SECONDS = 5
"""The announcement counts in such steps: a line that changes every second draws more attention than it deserves."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """One of the things that end a recording.

    Attributes:
        left: Seconds until it does, 0 when it does now.
        notice: How long before it is announced.
        soon: The announcement, behind `Stops in 45 s`.
        reason: Why the recording ended, in words.
    """

    left: float
    notice: float
    soon: str
    reason: str


class AutoStop:
    """Everything that ends a recording by itself; whatever comes first counts.

    Recorded time and silence stand still while nothing is recorded, that is, during a pause. The clock does not, and
    it is the machine's: where it is set back or forward, the end follows.

    Args:
        seconds: Stop when so much has been recorded.
        until: Stop at this time, in seconds since the epoch.
        silence_seconds: Stop when nobody has been heard for so much of the recording.
    """

    def __init__(
        self, seconds: float | None = None, until: float | None = None, silence_seconds: float | None = None
    ) -> None:
        self._seconds = seconds
        self._until = until
        self._silence_seconds = silence_seconds
        self._recorded = 0.0
        self._wall: float | None = None
        self._heard_at = 0.0
        self._not_before = 0.0

    @property
    def seconds(self) -> float | None:
        """How much is to be recorded, with what it was extended by; None when that does not matter."""
        return self._seconds

    def feed(self, recorded_s: float, wall: float, heard: bool) -> None:
        """This is how things stand.

        Args:
            recorded_s: How much has been recorded, in seconds.
            wall: The time, in seconds since the epoch (`time.time`).
            heard: Whether anybody has been heard since the last call.
        """
        self._recorded, self._wall = recorded_s, wall
        if heard:
            self._heard_at = recorded_s

    def extend(self, seconds: float) -> None:
        """Every end comes `seconds` later, one that is overdue in `seconds` from now; silence counts anew."""
        if self._seconds is not None:
            self._seconds = max(self._seconds, self._recorded) + seconds
        if self._until is not None:
            self._until = (self._until if self._wall is None else max(self._until, self._wall)) + seconds
        if self._silence_seconds is not None:
            anew = self._recorded + self._silence_seconds
            self._not_before = max(max(self._silence_ends, self._recorded) + seconds, anew)

    @property
    def stops_in(self) -> float | None:
        """Seconds until it stops, never below 0; None when nothing is going to stop it."""
        return min((limit.left for limit in self._limits()), default=None)

    @property
    def due(self) -> str:
        """Why the recording is to end now, in words; empty as long as it is not."""
        return next((limit.reason for limit in self._limits() if limit.left <= 0), "")

    @property
    def alert(self) -> Alert | None:
        """The announcement, in the last minute."""
        limits = [limit for limit in self._limits() if limit.left <= limit.notice]
        if not limits:
            return None
        first = min(limits, key=lambda limit: limit.left)
        left = max(1, math.ceil(first.left / _STEP_SECONDS)) * _STEP_SECONDS
        return Alert("stopping", f"Stops in {left} s{first.soon}.")

    def _limits(self) -> list[_Limit]:
        limits = []
        if self._seconds is not None:
            length = in_words(self._seconds)
            left = max(0.0, self._seconds - self._recorded)
            limits.append(_Limit(left, _NOTICE_SECONDS, f", after {length}", f"{length} were recorded"))
        if self._until is not None and self._wall is not None:
            at = _time_of_day(self._until)
            limits.append(_Limit(max(0.0, self._until - self._wall), _NOTICE_SECONDS, f", at {at}", f"it is {at}"))
        if self._silence_seconds is not None:
            silence = f"nobody was heard for {in_words(_calm(self._recorded - self._heard_at))}"
            # A short limit is announced in its second half: silence that has just begun is nothing to speak of.
            notice = min(_NOTICE_SECONDS, self._silence_seconds / 2)
            limits.append(_Limit(max(0.0, self._silence_ends - self._recorded), notice, f": {silence}", silence))
        return limits

    @property
    def _silence_ends(self) -> float:
        """The recorded second at which silence ends the recording, if nobody is heard before."""
        return max(self._heard_at + (self._silence_seconds or 0.0), self._not_before)


def in_words(seconds: float) -> str:
    """`seconds` in a sentence, rounded down: 90 s, 15 minutes, 2 h 30 min."""
    whole = max(0, math.floor(seconds))
    minutes = whole // 60
    if minutes < 2:
        return f"{whole} s"
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def _calm(seconds: float) -> float:
    """`seconds` in steps, down; the first few as they are."""
    return seconds - seconds % _STEP_SECONDS if seconds >= _STEP_SECONDS else seconds


def _time_of_day(epoch: float) -> str:
    try:
        return time.strftime("%H:%M", time.localtime(epoch))
    except (OverflowError, ValueError, OSError):  # further away than the calendar goes
        return "the time that was set"
