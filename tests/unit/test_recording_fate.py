"""Whatever happens to a recording, what is read back is what was written, up to where it was cut off."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from hypothesis import event, given, settings
from hypothesis import strategies as st

from services.errors import CancelledError
from services.library.meeting import Meeting
from services.library.repair import repair
from services.recording.archive import archive
from services.recording.chunkfiles import HEADER_BYTES, chunk_numbers, chunk_path
from services.recording.chunks import ChunkWriter, Pcm
from services.recording.reader import MeetingAudio
from tests.functional.test_recorder_archive import Patient
from tests.unit.chunk_starts import Starts

RATE = 1000
RANDOM = np.random.default_rng(23)

Step = tuple[Literal["write", "pause", "flush", "sync", "change"], int]
Ending = Literal["close", "kill", "kill in a write", "power cut"]

STEPS = st.lists(
    st.tuples(st.just("write"), st.integers(0, 250))
    | st.tuples(st.sampled_from(["pause", "flush", "sync"]), st.integers(1, 100))
    | st.tuples(st.just("change"), st.integers(5, 300)),
    max_size=20,
)


@dataclass(frozen=True, slots=True)
class Life:
    """A recorder from its start to its end, and what is done with its recording after that.

    Attributes:
        chunk: Frames in a chunk, at first.
        steps: What it does; of a pause, how many frames were not kept; of a change, frames in a chunk from the next on.
        ending: How it ends.
        cut: How far into what the ending may take it takes, 0 to 1.
        header: What is left of the last chunk's header where it was not forced to the disk: all, or zeros.
        cancels: After how many steps each attempt to pack is interrupted.
    """

    channels: int
    chunk: int
    steps: list[Step]
    ending: Ending
    cut: float
    header: Literal["as it was", "zeros"]
    cancels: list[int]


LIVES = st.builds(
    Life,
    channels=st.integers(1, 2),
    chunk=st.integers(5, 300),
    steps=STEPS,
    ending=st.sampled_from(["close", "kill", "kill in a write", "power cut"]),
    cut=st.floats(0, 1),
    header=st.sampled_from(["as it was", "zeros"]),
    cancels=st.lists(st.integers(1, 12), max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LIVES, min_size=1, max_size=2))
def test_what_is_read_back_is_a_prefix_of_what_was_written(lives: list[Life]) -> None:
    """Feature: recording, Property 10: for any writes, pauses, kills, power cuts, repairs and interruptions of packing.

    A recording that was closed is whole. One that was killed misses at most the write at work; after a power cut what
    was forced to the disk is there. To go on is a new meeting, which changes nothing of those before.
    """
    with tempfile.TemporaryDirectory() as name:
        kept = [live(life, Path(name)) for life in lives]
        for life, (meeting, expected) in zip(lives, kept, strict=True):
            event(life.ending)
            recover(meeting, expected)
            for end in life.cancels:
                pack(meeting, end)
                assert np.array_equal(everything(meeting), expected)
            pack(meeting)
            assert not len(expected) or meeting.archive.exists()
        for meeting, expected in kept:
            assert np.array_equal(everything(meeting), expected)
            recover(meeting, expected)


def live(life: Life, root: Path) -> tuple[Meeting, Pcm]:
    """A recording as its recorder leaves it, and the samples that have to be found in it."""
    info = {"rate": RATE, "channels": [{"source": "mic"}] * life.channels, "chunk_frames": life.chunk}
    meeting = Meeting.create(root, "Test", info | {"stages": {"record": {"status": "running"}}})
    meeting.recording_marker.touch()
    writer = ChunkWriter(meeting.audio, RATE, life.channels, life.chunk / RATE)
    written = np.zeros((0, life.channels), np.int16)
    forced = last = 0
    starts = Starts(life.chunk)
    for step, size in life.steps:
        if step == "write":
            last = len(written)
            block = RANDOM.integers(-32768, 32768, (size, life.channels), np.int16)
            writer.write(block)
            starts.write(size)
            written = np.concatenate([written, block])
        elif step == "pause":
            writer.write(np.zeros((0, life.channels), np.int16))
        elif step == "change":
            writer.change(size / RATE)
            starts.change(size)
        elif step == "flush":
            writer.flush()
        else:
            writer.sync()
            forced = len(written)
    if life.ending == "close":
        writer.close()
        meeting.set_stage("record", "done")
        meeting.recording_marker.unlink()
        return meeting, written
    # The folder as the kernel has it now, without what closing the writer adds.
    left = root / ".left"
    shutil.copytree(meeting.folder, left)
    writer.close()
    shutil.rmtree(meeting.folder)
    left.rename(meeting.folder)
    if life.ending == "kill" or not chunk_numbers(meeting.audio):
        return meeting, written
    # The end of a chunk is forced to the disk before the next one begins.
    safe = max(forced, starts.complete) if life.ending == "power cut" else last
    return meeting, written[: cut_off(meeting, life, starts, len(written), safe)]


def cut_off(meeting: Meeting, life: Life, starts: Starts, there: int, safe: int) -> int:
    """Take a part of what came after the first `safe` frames; returns how many whole frames are left."""
    frame = 2 * life.channels
    taken = round(life.cut * (there - safe) * frame)  # bytes: a frame may be cut inside
    left = there * frame - taken
    number = chunk_numbers(meeting.audio)[-1]
    first = starts.positions[number] * frame
    while left < first:
        # The write at work began this chunk after the place where it was cut off.
        chunk_path(meeting.audio, number).unlink()
        number -= 1
        first = starts.positions[number] * frame
    path = chunk_path(meeting.audio, number)
    # Where it was cut off just before the first sample of a chunk, the header may be missing, too.
    headless = taken and left == first and life.header == "zeros"
    os.truncate(path, 0 if headless else HEADER_BYTES + left - first)
    if not headless and life.ending == "power cut" and life.header == "zeros" and safe <= starts.positions[number]:
        with path.open("r+b") as file:
            file.write(bytes(HEADER_BYTES))
    return left // frame


def recover(meeting: Meeting, expected: Pcm) -> None:
    """Repair, twice; every player plays every chunk then."""
    repair(meeting)
    assert not repair(meeting).changed
    assert np.array_equal(everything(meeting), expected)
    assert not len(expected) or meeting.stage("record") == "done"
    for number in chunk_numbers(meeting.audio):
        path = chunk_path(meeting.audio, number)
        if path.stat().st_size >= HEADER_BYTES:
            channels = expected.shape[1]
            assert soundfile.info(path).frames == (path.stat().st_size - HEADER_BYTES) // (2 * channels)


def pack(meeting: Meeting, end: int = -1) -> None:
    if not len(everything(meeting)):
        return
    try:
        archive({"meeting": str(meeting.folder), "format": "flac"}, Patient(end))
    except CancelledError:
        assert meeting.audio.is_dir()


def everything(meeting: Meeting) -> Pcm:
    with MeetingAudio(meeting.folder) as audio:
        return audio.read(0, audio.frames)
