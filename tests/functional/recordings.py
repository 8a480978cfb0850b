"""Sound to record, and the request for it: files, played through the same path as devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from services.recording.chunks import Pcm
from services.recording.client import RecorderClient, start
from services.recording.messages import RecordingRequest, RecordingStatus
from services.recording.reader import MeetingAudio
from tests.functional.waiting import until

RATE = 16000
RANDOM = np.random.default_rng(5)


def noise(seconds: float, channels: int = 1, rate: int = RATE) -> Pcm:
    return RANDOM.integers(-20000, 20000, (round(seconds * rate), channels), np.int16)


def file_of(folder: Path, samples: Pcm, rate: int = RATE, name: str = "talk.wav") -> str:
    soundfile.write(folder / name, samples, rate, subtype="PCM_16")
    return f"file:{folder / name}"


def request(home: Path, *sources: str, **more: object) -> RecordingRequest:
    return RecordingRequest(sources, home / "recordings", **({"chunk_seconds": 1.0} | more))  # type: ignore[arg-type]


def running(home: Path, tmp_path: Path, seconds: float = 600, **more: object) -> tuple[RecorderClient, Pcm]:
    """A recording in real time that has written something."""
    samples = noise(seconds)
    client = start(request(home, file_of(tmp_path, samples), **more))
    until(lambda: client.status().seconds > 0.2)
    return client, samples


def last_of(client: RecorderClient) -> RecordingStatus:
    """Wait for the end of a recording."""
    with client:
        *_, last = client.updates()
    assert last.over
    return last


def recorded(status: RecordingStatus) -> Pcm:
    """All samples of it."""
    assert status.meeting is not None
    with MeetingAudio(status.meeting) as audio:
        return audio.read(0, audio.frames)
