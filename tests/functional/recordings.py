"""Sound to record, and the request for it: files, played through the same path as devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from services.recording.chunks import Pcm
from services.recording.messages import RecordingRequest

RATE = 16000
RANDOM = np.random.default_rng(5)


def noise(seconds: float, channels: int = 1, rate: int = RATE) -> Pcm:
    return RANDOM.integers(-20000, 20000, (round(seconds * rate), channels), np.int16)


def file_of(folder: Path, samples: Pcm, rate: int = RATE, name: str = "talk.wav") -> str:
    soundfile.write(folder / name, samples, rate, subtype="PCM_16")
    return f"file:{folder / name}"


def request(home: Path, *sources: str, **more: object) -> RecordingRequest:
    return RecordingRequest(sources, home / "recordings", **({"chunk_seconds": 1.0} | more))  # type: ignore[arg-type]
