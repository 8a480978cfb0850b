"""What the app and the recorder say to each other: plain frozen data, JSON lines on the wire.

The recorder's socket speaks one JSON object a line, UTF-8.

    to the recorder     {"command": "status"}       one status line comes back
                        {"command": "stop"}         likewise; the recording ends in order
                        {"command": "pause"}        likewise; what is heard from now on is not kept
                        {"command": "resume"}       likewise; the recording goes on where it stood
                        {"command": "extend", "seconds": 900}   likewise; an automatic stop comes so much later
                        {"command": "chunk", "seconds": 5}      likewise; files of that length, from the next one on
                        {"command": "subscribe"}    status lines from now on, about five a second, the last one final
    from the recorder   {"type": "status", ...}     a `RecordingStatus`
                        {"type": "error", "error": {...}}   a `SottoError`: that was not understood, nothing changed

A recorder that is started reads a `RecordingRequest` as one line of JSON from its standard input. Where that is a
socket, whoever holds the other end is its first follower: status lines come from the start on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from services.errors import RecorderError, SottoError, UsageError
from services.files import json_bytes

MAX_LINE = 16 * 1024
"""No honest line is longer than this, in bytes."""

SILENCE_DB = -96.0
"""The level of silence, and the lowest that is told: half a step of 16 bits is 96.3 dB below full scale."""

FILE_PREFIX = "file:"

SYSTEM = "system"
"""The source that means: what the loudspeakers in use play."""

EXTEND_SECONDS = 900.0
"""So much later an automatic stop comes when a person asks for more time."""

State = Literal["starting", "recording", "paused", "finishing", "done", "failed"]
Command = Literal["status", "stop", "subscribe", "pause", "resume", "extend", "chunk"]
AlertKind = Literal[  # the worst first
    "disk_stuck",
    "no_answer",
    "device_lost",
    "disk_low",
    "stopping",
    "no_signal",
    "dead_channel",
    "overflow",
    "clipping",
]
Severity = Literal["info", "warning", "critical"]

ONLY_RECORDED = "only a recording was asked for"
"""Why a meeting has no transcript that was recorded with `only`."""


@dataclass(frozen=True, slots=True)
class RecordingRequest:
    """What to record, and where to.

    Attributes:
        sources: One or two of `mic`, `system`, the name of a device, `file:PATH`. Each gives a channel; a single file
            with two channels gives two.
        folder: Where meetings are kept; the new one gets a folder in it.
        title: What the meeting is called; may be empty.
        rate: Sample rate of the recording, in Hz.
        chunk_seconds: Length of the files that it is written in.
        seconds: Stop when so much has been recorded; None: when it is told to.
        speed: How much faster than real time `file:` sources are played, from 1 on.
        until: Stop at this time, in seconds since the epoch; None: no matter how late it is.
        silence_seconds: Stop when nothing has been heard for so long; None: however long it is silent.
        disk_warn_mb: Warn when less than this is free where the recording goes, in MB (10^6 bytes).
        disk_stop_mb: End the recording in order when less than this is free.
        only: Nothing but the recording is wanted: whoever sees it end leaves it at that.
    """

    sources: tuple[str, ...]
    folder: Path
    title: str = ""
    rate: int = 16000
    chunk_seconds: float = 30.0
    seconds: float | None = None
    speed: float = 1.0
    until: float | None = None
    silence_seconds: float | None = None
    disk_warn_mb: float = 1000.0
    disk_stop_mb: float = 200.0
    only: bool = False

    def __post_init__(self) -> None:
        """Raises `UsageError` where the request cannot be met."""
        if not 1 <= len(self.sources) <= 2:
            raise UsageError(f"{len(self.sources)} sources cannot be recorded.", "Give one or two.")
        if len(set(self.sources)) < len(self.sources) and not is_file(self.sources[0]):
            raise UsageError(f"{self.sources[0]} is named twice.", "Name two different sources, or one.")
        if not all(self.sources):
            raise UsageError("A source has no name.", "Give `mic`, the name of a device or file:PATH.")
        if not 8000 <= self.rate <= 48000:
            raise UsageError(f"{self.rate} Hz cannot be recorded.", "Choose 8000 to 48000.")
        _check_chunk(self.chunk_seconds)
        for seconds in (self.seconds, self.until, self.silence_seconds):
            if seconds is not None and not (seconds > 0 and math.isfinite(seconds)):
                raise UsageError(f"{seconds:g} s cannot be recorded.", "Give a time above 0.")
        if not (self.disk_warn_mb >= 0 and self.disk_stop_mb >= 0):
            raise UsageError("Less than nothing cannot be free on a disk.", "Give 0 or more.")
        if not 1 <= self.speed <= 1000:
            raise UsageError(f"A file cannot be played {self.speed:g} times as fast.", "Choose 1 to 1000.")
        if self.speed != 1 and not all(is_file(source) for source in self.sources):
            raise UsageError("A microphone has no speed.", "Leave the speed away, or record files only.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"folder": str(self.folder)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RecordingRequest:
        """Raises `UsageError` where `data` is not a request."""
        try:
            return RecordingRequest(
                sources=tuple(str(source) for source in data["sources"]),
                folder=Path(str(data["folder"])),
                title=str(data.get("title", "")),
                rate=int(data["rate"]),
                chunk_seconds=float(data["chunk_seconds"]),
                seconds=_maybe(data.get("seconds")),
                speed=float(data.get("speed", 1.0)),
                until=_maybe(data.get("until")),
                silence_seconds=_maybe(data.get("silence_seconds")),
                disk_warn_mb=float(data["disk_warn_mb"]),
                disk_stop_mb=float(data["disk_stop_mb"]),
                only=data.get("only") is True,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"The recorder was not told what to record: {error}.") from error


def _check_chunk(seconds: float) -> None:
    if not 1 <= seconds <= 600:
        raise UsageError(f"Chunks of {seconds:g} s cannot be written.", "Choose 1 to 600 seconds.")


def _maybe(value: Any) -> float | None:
    return None if value is None else float(value)


def is_file(source: str) -> bool:
    return source.startswith(FILE_PREFIX)


@dataclass(frozen=True, slots=True)
class ChannelLevel:
    """One channel of a recording and how loud it was during the last tenth of a second.

    Attributes:
        source: The source as the user named it.
        speaker: The label of its words; empty when there is only one channel.
        peak_db: Highest sample, in dB of full scale, `SILENCE_DB` to 0.
        rms_db: Root mean square, in dB of full scale, `SILENCE_DB` to 0.
        device: The name that people know the device by; empty for a file, and while there is no device.
    """

    source: str
    speaker: str = ""
    peak_db: float = SILENCE_DB
    rms_db: float = SILENCE_DB
    device: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is wrong with the recording now, or is about to happen. It goes away by itself when it is over.

    Attributes:
        kind: What it is about.
        message: What happens, one sentence.
        hint: What a person can do; may be empty.
        severity: `info` is worth a line on the screen, `warning` a notification, `critical` may cost the recording.
        channel: Number of the channel that it is about; None for the whole recording.
    """

    kind: AlertKind
    message: str
    hint: str = ""
    severity: Severity = "warning"
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """What the recorder says of itself.

    Attributes:
        state: `starting` (nothing is on disk yet), `recording`, `paused`, `finishing`, then `done` or `failed`.
        meeting: The meeting's folder, once there is one.
        title: The meeting's title.
        started: When the recording began, ISO 8601 with offset; empty before.
        seconds: How much has been recorded.
        channels: The channels and their levels.
        overflows: Frames that were lost because the disk or the machine did not keep up.
        lost_s: The same in seconds.
        bytes: What the recording takes on disk.
        detail: What it waits for, where that is not obvious; at the end, why it ended by itself.
        alerts: What is wrong now, the worst first.
        stops_in: Seconds until it stops by itself; None when nothing is going to stop it.
        error: Why it failed, or ended early. What was recorded until then is safe.
        pid: The recorder's process.
    """

    state: State
    meeting: Path | None = None
    title: str = ""
    started: str = ""
    seconds: float = 0.0
    channels: tuple[ChannelLevel, ...] = ()
    overflows: int = 0
    lost_s: float = 0.0
    bytes: int = 0
    detail: str = ""
    alerts: tuple[Alert, ...] = ()
    stops_in: float | None = None
    error: SottoError | None = None
    pid: int = 0

    @property
    def over(self) -> bool:
        """Nothing changes any more."""
        return self.state in ("done", "failed")

    def to_dict(self) -> dict[str, Any]:
        return {
            "type": "status",
            "state": self.state,
            "meeting": str(self.meeting) if self.meeting else None,
            "title": self.title,
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "channels": [asdict(channel) for channel in self.channels],
            "overflows": self.overflows,
            "lost_s": round(self.lost_s, 3),
            "bytes": self.bytes,
            "detail": self.detail,
            "alerts": [asdict(alert) for alert in self.alerts],
            "stops_in": None if self.stops_in is None else round(self.stops_in, 1),
            "error": self.error.to_dict() if self.error else None,
            "pid": self.pid,
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RecordingStatus:
        """Raises `KeyError`, `TypeError` or `ValueError` where `data` is not a status."""
        state = data["state"]
        if state not in get_args(State):
            raise ValueError(f"no state {state!r}")
        return RecordingStatus(
            state=state,
            meeting=Path(data["meeting"]) if data["meeting"] else None,
            title=str(data["title"]),
            started=str(data["started"]),
            seconds=float(data["seconds"]),
            channels=tuple(ChannelLevel(**channel) for channel in data["channels"]),
            overflows=int(data["overflows"]),
            lost_s=float(data["lost_s"]),
            bytes=int(data["bytes"]),
            detail=str(data["detail"]),
            alerts=tuple(Alert(**alert) for alert in data["alerts"]),
            stops_in=_maybe(data["stops_in"]),
            error=SottoError.from_dict(data["error"]) if data["error"] else None,
            pid=int(data["pid"]),
        )


@dataclass(frozen=True, slots=True)
class Device:
    """Something that can be recorded.

    Attributes:
        name: What `--source` takes, also in part.
        description: The name that people know it by.
        kind: `microphone` for any input, `monitor` for what a loudspeaker plays.
        via: Which sound system offers it (`PulseAudio`, `ALSA`, `Core Audio` ...).
        channels: Its channels.
        rate: Its own sample rate in Hz.
        default: True for the one that `mic` means.
        system: True for the one that `system` means.
    """

    name: str
    description: str
    kind: Literal["microphone", "monitor"]
    via: str
    channels: int
    rate: int
    default: bool = False
    system: bool = False


def encode(data: Mapping[str, Any]) -> bytes:
    """One line."""
    return json_bytes(data) + b"\n"


@dataclass(frozen=True, slots=True)
class Order:
    """What a line asks of the recorder.

    Attributes:
        command: What to do.
        seconds: Of `extend`: how much later; of `chunk`: how long.
    """

    command: Command
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) if self.command in ("extend", "chunk") else {"command": self.command}


def decode_order(line: bytes) -> Order:
    """The order in a line from a stranger.

    Raises:
        UsageError: It is none.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError("That is not JSON.", _EXPECTED) from error
    if not isinstance(data, dict) or data.get("command") not in get_args(Command):
        raise UsageError("That is not a command.", _EXPECTED)
    command, seconds = data["command"], 0.0
    if command == "extend":
        seconds = _seconds(data.get("seconds", EXTEND_SECONDS))
        if not 0 <= seconds <= _LONGEST_EXTENSION:
            raise UsageError("So much more time cannot be given.", "Give a number of seconds, at most a day.")
    elif command == "chunk":
        seconds = _seconds(data.get("seconds"))
        _check_chunk(seconds)
    return Order(command, seconds)


def _seconds(value: Any) -> float:
    """A number that a stranger gave; what is none is no number that anything allows."""
    return float(value) if isinstance(value, int | float) and abs(value) < _LONGEST_EXTENSION * 2 else math.nan


_LONGEST_EXTENSION = 86400.0
_EXPECTED = 'One of {"command": "status"}, "stop", "pause", "resume", "extend", "chunk", "subscribe", one a line.'


def decode_reply(line: bytes) -> RecordingStatus:
    """The status in a line from the recorder.

    Raises:
        SottoError: The error that the line tells.
        RecorderError: The line is no reply.
    """
    try:
        data = json.loads(line)
        if data["type"] == "status":
            return RecordingStatus.from_dict(data)
        error = SottoError.from_dict(data["error"])
    except (KeyError, TypeError, ValueError) as problem:
        raise RecorderError(
            f"The recorder said something unknown: {problem!r}.", "It may be of another version of sotto."
        ) from problem
    raise error
