"""What is missing from a recording: devices that are away, and the silence that stands for their sound."""

from __future__ import annotations

from dataclasses import dataclass, replace

NOTHING_CAME = "it delivered nothing"
TOO_BUSY = "the machine was too busy, or asleep"


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence that stands for sound which was not delivered.

    Attributes:
        channel: Number of the channel.
        label: Its source, as the user named it.
        at: Where it begins, in frames of the recording.
        frames: How long it is.
        reason: Why, as a part of a sentence.
    """

    channel: int
    label: str
    at: int
    frames: int
    reason: str


@dataclass(frozen=True, slots=True)
class Absence:
    """A device that is away right now.

    Attributes:
        channel: Number of the channel.
        label: The source, as the user named it.
        reason: Why, as a part of a sentence.
        monitor: Whether it is what loudspeakers play.
    """

    channel: int
    label: str
    reason: str
    monitor: bool


class GapBook:
    """Writes down the gaps of one channel, the open one included.

    A monitor that delivers nothing while nothing is played is as it should be: its silence counts as a gap only while
    it is told to be away.

    Args:
        channel: Number of the channel.
        label: Its source.
        monitor: Whether it is what loudspeakers play.
    """

    def __init__(self, channel: int, label: str, monitor: bool) -> None:
        self._channel = channel
        self._label = label
        self._monitor = monitor
        self._at: int | None = None
        self._reason = ""
        self._ended: list[Gap] = []

    @property
    def open(self) -> bool:
        """Whether a gap has begun and not ended."""
        return self._at is not None

    def silent(self, at: int, told: str) -> None:
        """Nothing comes; at position `at` its place is taken by silence. `told` is why, where anybody knows."""
        if self._monitor and not told:
            self.heard(at)
            return
        if self._at is None:
            self._at = at
        self._reason = self._reason or told

    def heard(self, at: int) -> None:
        """From position `at` on it delivers, or nobody misses it."""
        if self._at is not None:
            self.lost(self._at, at - self._at, self._reason or NOTHING_CAME)
        self._at = None
        self._reason = ""

    def lost(self, at: int, frames: int, reason: str) -> None:
        """At position `at`, `frames` are missing."""
        last = self._ended[-1] if self._ended else None
        if last is not None and (last.at + last.frames, last.reason) == (at, reason):
            self._ended[-1] = replace(last, frames=last.frames + frames)
        elif frames > 0:
            self._ended.append(Gap(self._channel, self._label, at, frames, reason))

    def take(self, before: int | None = None) -> list[Gap]:
        """Those that have ended since the last time: `before` a position, since more may be missing right there."""
        taken = [gap for gap in self._ended if before is None or gap.at + gap.frames < before]
        self._ended = self._ended[len(taken) :]
        return taken
