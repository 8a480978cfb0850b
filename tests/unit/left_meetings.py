"""Meetings as recorders leave them that were killed, or that ended in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from services.library.meeting import Meeting
from services.library.repair import repair
from services.library.unfinished import Unfinished, find
from services.recording.chunks import ChunkWriter, Pcm
from services.recording.reader import MeetingAudio

RATE = 8000
RANDOM = np.random.default_rng(7)
NOBODY = 1 << 22
"""The number of no process."""


def noise(seconds: float, channels: int = 1) -> Pcm:
    return RANDOM.integers(-20000, 20000, (round(seconds * RATE), channels), np.int16)


def cut_off(root: Path, seconds: float = 2.5, channels: int = 1, title: str = "Weekly sync") -> Meeting:
    """A meeting as a recorder leaves it that was killed: the header of its last chunk is older than its samples."""
    info = {
        "rate": RATE,
        "channels": [{"source": "mic", "speaker": ""}] * channels,
        "chunk_frames": RATE,
        "stages": {"record": {"status": "running", "pid": NOBODY}},
    }
    meeting = Meeting.create(root, title, info)
    writer = ChunkWriter(meeting.audio, RATE, channels, 1.0)
    writer.write(noise(seconds, channels))
    meeting.recording_marker.write_text(json.dumps({"pid": NOBODY, "locked": True}))
    return meeting


def recorded(root: Path, stages: Mapping[str, str], title: str = "Weekly sync") -> Meeting:
    """A meeting whose recording ended in order, and what became of its stages."""
    meeting = cut_off(root, title=title)
    repair(meeting)
    meeting.update(stages={"record": {"status": "done"}} | {name: {"status": s} for name, s in stages.items()})
    return meeting


def samples(meeting: Meeting) -> Pcm:
    with MeetingAudio(meeting.folder) as audio:
        return audio.read(0, audio.frames)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one(root: Path) -> Unfinished:
    (found,) = find(root)
    return found
