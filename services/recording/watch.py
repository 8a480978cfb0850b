"""What is looked after while a recording runs: its health, the room on the disk, and when it ends by itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.errors import StorageError
from services.recording.autostop import AutoStop
from services.recording.chunks import Pcm
from services.recording.health import Health, Watched, worst_first
from services.recording.hearing import Ear
from services.recording.messages import Alert, AlertKind, RecordingRequest
from services.recording.mixer import Mixer
from services.recording.sources import Source
from services.recording.take import Take

_DISK_SECONDS = 1.0
_MEGABYTE = 1e6


class Disk:
    """The room where a recording goes.

    Args:
        request: Names the folder and what has to be free.
    """

    def __init__(self, request: RecordingRequest) -> None:
        self._folder = request.folder
        self._least = request.disk_stop_mb * _MEGABYTE
        self._looked_at = 0.0
        self._free: float | None = None

    @property
    def free(self) -> float | None:
        """Bytes that may be written, as of a second ago; None where nobody can tell."""
        now = time.monotonic()
        if now - self._looked_at >= _DISK_SECONDS:
            self._looked_at, self._free = now, _free(self._folder)
        return self._free

    @property
    def trouble(self) -> StorageError | None:
        """Too little room to go on, if that is so."""
        free = self.free
        if free is None or free >= self._least:
            return None
        return StorageError(
            f"Only {free / _MEGABYTE:.0f} MB are free in {self._folder}, and recordings end below "
            f"{self._least / _MEGABYTE:.0f} MB.",
            "Free some space, or lower `disk_stop_mb` under [recording] in the settings.",
        )


def _free(folder: Path) -> float | None:
    """Free bytes on the file system of `folder`, or of the folder in which it will be made."""
    for place in (folder, *folder.parents):
        try:
            disk = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return float(disk.f_bavail) * disk.f_frsize
    return None


class Watch:
    """Looks at every block that is recorded. One thread uses it.

    Args:
        request: What is recorded, and when it ends.
        mixer: Where the samples come from.
        sources: What it mixes.
        disk: The room there is.

    Attributes:
        alerts: What is wrong now, the worst first.
    """

    def __init__(self, request: RecordingRequest, mixer: Mixer, sources: Sequence[Source], disk: Disk) -> None:
        self.alerts: tuple[Alert, ...] = ()
        self._warned: set[tuple[AlertKind, int | None]] = set()
        self._rate = request.rate
        self._mixer = mixer
        self._disk = disk
        monitors = {source.label: source.monitor for source in sources}
        channels = [Watched(label, monitors[label]) for label in mixer.labels]
        warn, stop = request.disk_warn_mb * _MEGABYTE, request.disk_stop_mb * _MEGABYTE
        self._health = Health(channels, request.rate, warn, stop)
        self._auto = AutoStop(request.seconds, request.until, request.silence_seconds)
        self._ear = Ear(request.rate, mixer.channels)

    @property
    def trouble(self) -> StorageError | None:
        """What makes it impossible to go on."""
        found = self._disk.trouble
        return StorageError(found.message, f"What was recorded is safe. {found.hint}") if found is not None else None

    @property
    def due(self) -> str:
        """Why the recording ends by itself now; empty as long as it does not."""
        return self._auto.due

    @property
    def stops_in(self) -> float | None:
        """Seconds until it ends by itself."""
        return self._auto.stops_in

    def extend(self, seconds: float) -> None:
        """Let it go on for so much longer."""
        self._auto.extend(seconds)

    def room(self, frames: int) -> int | None:
        """How many more frames are wanted after `frames`; None for any number."""
        seconds = self._auto.seconds
        return None if seconds is None else max(0, max(1, round(seconds * self._rate)) - frames)

    def look(self, take: Take, block: Pcm, paused: bool) -> Iterator[Alert]:
        """Take in what was recorded since the last time; yields the warnings that are new."""
        self._auto.feed(take.seconds, time.time(), self._ear.heard(block))
        mixer = self._mixer
        found: tuple[Alert, ...] = ()
        if not paused:
            now, free = time.monotonic(), self._disk.free
            found = self._health.feed(block, now, mixer.overflows, mixer.absent, free, mixer.devices)
        coming = self._auto.alert
        self.alerts = worst_first([coming, *found]) if coming is not None else found
        if paused:
            return  # what was wrong before may be so after
        before, self._warned = self._warned, {(a.kind, a.channel) for a in self.alerts if a.severity != "info"}
        yield from (alert for alert in self.alerts if (alert.kind, alert.channel) in self._warned - before)
