"""What is wrong with a recording while it runs: told within five seconds, taken back when it is over.

Pure: no thread, no clock of its own, no disk, and a few microseconds for each tick of the recorder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

import numpy as np

from services.recording.autostop import in_words
from services.recording.chunks import Pcm
from services.recording.gaps import Absence
from services.recording.hearing import extents
from services.recording.messages import Alert, AlertKind, Severity
from services.recording.silence import Silence, Watched
from services.text import one_line

__all__ = ["Health", "Watched", "worst_first"]

_FULL_SCALE = 32767
_CLIPPED_SAMPLES = 3
_CLIPPED_SECONDS = 0.1
"""So many samples at full scale within so much time are cut off. They are seldom neighbours: what a device has cut at
48 kHz ripples when it is resampled to 16 kHz, and only its crests reach full scale again. Of speech that is 6 dB too
loud, three neighbours are found in at most 16 % of the blocks that the device has cut, three in a tenth of a second in
70 to 90 %; in speech whose highest sample just fits neither is."""

_CLIPPED_BLOCKS = 5
"""Until so many blocks are clipped it was a cough or a bumped table: worth a line, not a notification."""

_CLIPPING_SHOWN = 5.0
_OVERFLOW_SHOWN = 10.0
_ABSENT_SECONDS = 1.0
"""A device that is away for less is being opened anew, because the default has changed."""

_STALE_SECONDS = 2.0
"""When nothing has come for so long, not even silence, the recording paused: earlier silence counts no longer."""

_DISK_ENOUGH = 1.05
"""The warning stays until so much more than the limit is free: a disk at the limit must not make the line flicker."""

_DISK_CRITICAL_SECONDS = 600.0
_SAMPLE_BYTES = 2

_SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)


class Health:
    """Looks at everything that is written, and says what is wrong.

    Args:
        channels: The recording's channels.
        rate: Its sample rate in Hz.
        warn_bytes: Warn when less is free on its disk.
        stop_bytes: The recording will be ended when less is free.
    """

    def __init__(self, channels: Sequence[Watched], rate: int, warn_bytes: float, stop_bytes: float = 0.0) -> None:
        self._silence = Silence(channels, rate)
        self._clippings = [_Clipping(number, channel.label, rate) for number, channel in enumerate(channels)]
        self._rate = rate
        self._warn_bytes = warn_bytes
        self._stop_bytes = stop_bytes
        self._came_at = 0.0
        self._lost = 0
        self._lost_at = 0.0
        self._away_since: dict[int, float] = {}
        self._disk_low = False

    def feed(
        self,
        block: Pcm,
        now: float,
        overflows: int,
        absences: Sequence[Absence],
        free_bytes: float | None,
        devices: Sequence[str] = (),
    ) -> tuple[Alert, ...]:
        """What is wrong now, the worst first; the same text as long as it is the same.

        Args:
            block: What has come since the last call, int16 (frames, channels), maybe empty.
            now: `time.monotonic`.
            overflows: Frames that were lost since the recording began.
            absences: The devices that are away.
            free_bytes: What is free on the disk; None where nobody knows.
            devices: For each channel the name that people know its device by, for the hints.
        """
        found = extents(block)
        if now - self._came_at > _STALE_SECONDS:
            self._silence.forget()
        if len(block):
            self._came_at = now
        self._silence.feed(len(block), [high - low for low, high in found], {away.channel for away in absences})
        for clipping, (low, high) in zip(self._clippings, found, strict=True):
            clipping.feed(block, low, high, now)
        return worst_first(
            [
                *self._absent(absences, now),
                *self._disk(free_bytes),
                *self._silence.alerts(devices),
                *self._overflow(overflows, now),
                *(alert for clipping in self._clippings if (alert := clipping.alert(now)) is not None),
            ]
        )

    def _absent(self, absences: Sequence[Absence], now: float) -> Iterator[Alert]:
        self._away_since = {away.channel: self._away_since.get(away.channel, now) for away in absences}
        severity: Severity = "critical" if len(self._away_since) == len(self._clippings) else "warning"
        for away in absences:
            if now - self._away_since[away.channel] >= _ABSENT_SECONDS:
                yield Alert(
                    "device_lost",
                    f"{one_line(away.label, 40)} is away: {one_line(away.reason, 80)}. Silence takes its place.",
                    "It is taken back when it returns. `sotto devices` lists what there is.",
                    severity,
                    away.channel,
                )

    def _disk(self, free: float | None) -> Iterator[Alert]:
        self._disk_low = free is not None and free < self._warn_bytes * (_DISK_ENOUGH if self._disk_low else 1)
        if free is None or not self._disk_low:
            return
        lasts = max(0.0, free - self._stop_bytes) / (self._rate * len(self._clippings) * _SAMPLE_BYTES)
        yield Alert(
            "disk_low",
            f"{_size(free)} are free on the disk: the recording can go on for {_roughly(lasts)}.",
            "Make room. A recording on a full disk is ended in order.",
            "critical" if lasts < _DISK_CRITICAL_SECONDS else "warning",
        )

    def _overflow(self, overflows: int, now: float) -> Iterator[Alert]:
        if overflows > self._lost:
            self._lost_at = now
        self._lost = overflows
        if self._lost and now - self._lost_at < _OVERFLOW_SHOWN:
            tenths = max(1, round(10 * self._lost / self._rate))
            yield Alert(
                "overflow",
                f"This machine does not keep up: {tenths / 10:g} s of sound are lost so far.",
                "End what keeps its processor or its disk busy.",
            )


class _Clipping:
    """Whether one channel is cut off at full scale.

    Args:
        number: The channel's number.
        label: Its source.
        rate: Its sample rate in Hz.
    """

    def __init__(self, number: int, label: str, rate: int) -> None:
        self._number = number
        self._name = one_line(label, 40)
        self._within = round(_CLIPPED_SECONDS * rate)
        self._frames = 0
        self._last = np.zeros(0, np.intp)
        self._blocks = 0
        self._at = 0.0

    def feed(self, block: Pcm, low: int, high: int, now: float) -> None:
        """A block has come, whose samples reach from `low` to `high` in this channel."""
        if high >= _FULL_SCALE or low <= -_FULL_SCALE:  # few do
            samples = block[:, self._number]
            full = np.flatnonzero((samples >= _FULL_SCALE) | (samples <= -_FULL_SCALE)) + self._frames
            places = np.concatenate([self._last, full])
            before = _CLIPPED_SAMPLES - 1
            if (places[before:] - places[:-before] < self._within).any():
                self._blocks += 1
                self._at = now
            self._last = places[-before:]
        self._frames += len(block)

    def alert(self, now: float) -> Alert | None:
        if not self._blocks or now - self._at >= _CLIPPING_SHOWN:
            self._blocks = 0
            return None
        severity: Severity = "warning" if self._blocks >= _CLIPPED_BLOCKS else "info"
        hint = "Turn its level down, or move away from it."
        return Alert("clipping", f"{self._name} is too loud: its peaks are cut off.", hint, severity, self._number)


def worst_first(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """`alerts` in the order in which they are told: by severity, then by what they are about, then by channel."""

    def rank(alert: Alert) -> tuple[int, int, int]:
        channel = -1 if alert.channel is None else alert.channel
        return _SEVERITIES.index(alert.severity), _KINDS.index(alert.kind), channel

    return tuple(sorted(alerts, key=rank))


def _size(count: float) -> str:
    """`count` bytes, rounded down so that the figure stands still for a while: 1.2 GB, 840 MB, 7 MB."""
    if count >= 1e9:
        return f"{int(count / 1e8) / 10:g} GB"
    megabytes = int(count / 1e6)
    return f"{megabytes - megabytes % 10 if megabytes >= 20 else megabytes} MB"


def _roughly(seconds: float) -> str:
    """`seconds`, rounded down so that the figure stands still for a while."""
    if seconds < 120:
        return "a minute" if seconds >= 60 else "less than a minute"
    if seconds >= 7200:
        return f"about {int(seconds / 3600)} hours"
    return f"about {in_words(seconds - seconds % (600 if seconds >= 1200 else 60))}"
