"""What the app and the recorder say to each other: plain frozen data, JSON lines on the wire.

The recorder's socket speaks one JSON object a line, UTF-8.

    to the recorder     {"command": "status"}       one status line comes back
                        {"command": "stop"}         likewise; the recording ends in order
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

State = Literal["starting", "recording", "finishing", "done", "failed"]
Command = Literal["status", "stop", "subscribe"]


@dataclass(frozen=True, slots=True)
class RecordingRequest:
    """What to record, and where to.

    Attributes:
        sources: One or two of `mic`, the name of a device, `file:PATH`. Each gives a channel; a single file with two
            channels gives two.
        folder: Where meetings are kept; the new one gets a folder in it.
        title: What the meeting is called; may be empty.
        rate: Sample rate of the recording, in Hz.
        chunk_seconds: Length of the files that it is written in.
        seconds: Stop after so long; None: when it is told to.
        speed: How much faster than real time `file:` sources are played, from 1 on.
    """

    sources: tuple[str, ...]
    folder: Path
    title: str = ""
    rate: int = 16000
    chunk_seconds: float = 30.0
    seconds: float | None = None
    speed: float = 1.0

    def __post_init__(self) -> None:
        """Raises `UsageError` where the request cannot be met."""
        if not 1 <= len(self.sources) <= 2:
            raise UsageError(f"{len(self.sources)} sources cannot be recorded.", "Give one or two.")
        if not all(self.sources):
            raise UsageError("A source has no name.", "Give `mic`, the name of a device or file:PATH.")
        if not 8000 <= self.rate <= 48000:
            raise UsageError(f"{self.rate} Hz cannot be recorded.", "Choose 8000 to 48000.")
        if not 1 <= self.chunk_seconds <= 600:
            raise UsageError(f"Chunks of {self.chunk_seconds:g} s cannot be written.", "Choose 1 to 600 seconds.")
        if self.seconds is not None and not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise UsageError(f"{self.seconds:g} s cannot be recorded.", "Give a time above 0.")
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
            seconds = data.get("seconds")
            return RecordingRequest(
                sources=tuple(str(source) for source in data["sources"]),
                folder=Path(str(data["folder"])),
                title=str(data.get("title", "")),
                rate=int(data["rate"]),
                chunk_seconds=float(data["chunk_seconds"]),
                seconds=None if seconds is None else float(seconds),
                speed=float(data.get("speed", 1.0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"The recorder was not told what to record: {error}.") from error


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
    """

    source: str
    speaker: str = ""
    peak_db: float = SILENCE_DB
    rms_db: float = SILENCE_DB


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """What the recorder says of itself.

    Attributes:
        state: `starting` (nothing is on disk yet), `recording`, `finishing`, then `done` or `failed`.
        meeting: The meeting's folder, once there is one.
        title: The meeting's title.
        started: When the recording began, ISO 8601 with offset; empty before.
        seconds: How much has been recorded.
        channels: The channels and their levels.
        overflows: Frames that were lost because the disk or the machine did not keep up.
        bytes: What the recording takes on disk.
        detail: What it waits for, where that is not obvious.
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
    bytes: int = 0
    detail: str = ""
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
            "bytes": self.bytes,
            "detail": self.detail,
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
            bytes=int(data["bytes"]),
            detail=str(data["detail"]),
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
    """

    name: str
    description: str
    kind: Literal["microphone", "monitor"]
    via: str
    channels: int
    rate: int
    default: bool = False


def encode(data: Mapping[str, Any]) -> bytes:
    """One line."""
    return json_bytes(data) + b"\n"


def decode_command(line: bytes) -> Command:
    """The command in a line from a stranger.

    Raises:
        UsageError: It is none.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError("That is not JSON.", _EXPECTED) from error
    command = data.get("command") if isinstance(data, dict) else None
    for known in get_args(Command):
        if command == known:
            found: Command = known
            return found
    raise UsageError("That is not a command.", _EXPECTED)


_EXPECTED = 'One of {"command": "status"}, {"command": "stop"}, {"command": "subscribe"}, one a line.'


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
