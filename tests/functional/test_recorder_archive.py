"""From chunks to one verified file: at any interruption the recording is whole, and the same call carries on."""

from __future__ import annotations

import itertools
import json
import resource
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import AudioFileError, CancelledError, StorageError
from services.library.meeting import Meeting
from services.recording.archive import archive, create
from services.recording.chunks import HEADER_BYTES, ChunkWriter, Pcm, chunk_path
from services.recording.reader import MeetingAudio
from services.worker.client import Worker
from services.worker.handler import Json

RATE = 1000
RANDOM = np.random.default_rng(11)


class Patient:
    """A call that is cancelled at its `end`-th step, or never; it keeps the progress."""

    def __init__(self, end: int = -1) -> None:
        self._end = end
        self.steps = 0
        self.told: list[float] = []

    def item(self, data: Json) -> None:
        raise AssertionError(f"archiving has no items: {data}")

    def progress(self, done: float, total: float = 0.0, what: str = "") -> None:
        self.told.append(done / total)

    def check(self) -> None:
        self.steps += 1
        if self.cancelled:
            raise CancelledError("It was cancelled.")

    @property
    def cancelled(self) -> bool:
        return self.steps == self._end


def meeting_with(root: Path, samples: Pcm, chunk_seconds: float = 1.0) -> Meeting:
    channels = [{"source": "mic", "speaker": ""}] * samples.shape[1]
    info = {"rate": RATE, "channels": channels, "chunk_frames": round(chunk_seconds * RATE)}
    meeting = Meeting.create(root, "Test", info | {"stages": {"record": {"status": "done"}}})
    writer = ChunkWriter(meeting.audio, RATE, samples.shape[1], chunk_seconds)
    writer.write(samples)
    writer.close()
    return meeting


def noise(frames: int, channels: int = 1) -> Pcm:
    return RANDOM.integers(-32768, 32768, (frames, channels), np.int16)


def everything(meeting: Meeting) -> Pcm:
    with MeetingAudio(meeting.folder) as audio:
        return audio.read(0, audio.frames)


def run(meeting: Meeting, call: Patient | None = None, kind: str = "flac") -> Json:
    return archive({"meeting": str(meeting.folder), "format": kind}, call or Patient())


@pytest.mark.parametrize("channels", [1, 2])
def test_chunks_become_one_file(tmp_path: Path, channels: int) -> None:
    samples = noise(4321, channels)
    meeting = meeting_with(tmp_path, samples)
    call = Patient()
    result = run(meeting, call)
    assert result == {"bytes": meeting.archive.stat().st_size, "frames": 4321, "detail": ""}
    assert not meeting.audio.exists()
    assert stat.S_IMODE(meeting.archive.stat().st_mode) == 0o600
    assert np.array_equal(soundfile.read(meeting.archive, dtype="int16", always_2d=True)[0], samples)
    assert np.array_equal(everything(meeting), samples)
    assert call.told == sorted(call.told)
    assert call.told[-1] == 1.0
    assert run(meeting) == result, "once more changes nothing"
    assert sorted(path.name for path in meeting.folder.iterdir()) == ["audio.flac", "meeting.json"]


@settings(max_examples=100, deadline=None)
@given(frames=st.integers(1, 5000), ends=st.lists(st.integers(1, 12), max_size=4), chunk=st.sampled_from([1.0, 1.7]))
def test_interrupted_anywhere_it_can_be_repeated(
    tmp_path_factory: pytest.TempPathFactory, frames: int, ends: list[int], chunk: float
) -> None:
    """Feature: recording, Property 7: after any interruptions of archiving, the recording reads back as it was."""
    samples = noise(frames)
    meeting = meeting_with(tmp_path_factory.mktemp("archive"), samples, chunk)
    for end in ends:
        try:
            run(meeting, Patient(end))
        except CancelledError:
            assert meeting.audio.is_dir()
        assert np.array_equal(everything(meeting), samples)
        assert not list(meeting.folder.glob(".*"))
    run(meeting)
    assert not meeting.audio.exists()
    assert np.array_equal(everything(meeting), samples)


def test_killed_at_any_moment_it_leaves_the_recording_whole(tmp_path: Path) -> None:
    samples = noise(200_000)
    meeting = meeting_with(tmp_path, samples)
    program = (
        "import sys\n"
        "from services.recording.archive import archive\n"
        "from tests.functional.test_recorder_archive import Patient\n"
        "sys.stdout.write('.'); sys.stdout.flush()\n"
        "archive({'meeting': sys.argv[1], 'format': 'flac'}, Patient())\n"
    )
    for attempt in itertools.count():
        arguments = [sys.executable, "-c", program, str(meeting.folder)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(1)
            try:
                process.wait(0.02 * 1.5**attempt)
                break
            except subprocess.TimeoutExpired:
                process.kill()
        assert np.array_equal(everything(meeting), samples)
    assert np.array_equal(everything(meeting), samples)
    assert not meeting.audio.exists()


def _flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_chunks_stay_when_the_archive_is_not_what_they_are(tmp_path: Path) -> None:
    samples = noise(2500)
    meeting = meeting_with(tmp_path, samples)
    soundfile.write(meeting.archive, samples, RATE, format="FLAC", subtype="PCM_16")
    _flip(chunk_path(meeting.audio, 2), HEADER_BYTES + 40)
    with pytest.raises(StorageError, match="does not hold what was recorded"):
        run(meeting)
    assert len(list(meeting.audio.iterdir())) == 3


@pytest.mark.parametrize("rate", [RATE, 2 * RATE])
def test_an_archive_that_is_too_short_or_of_another_rate_does_not_count(tmp_path: Path, rate: int) -> None:
    samples = noise(2500)
    meeting = meeting_with(tmp_path, samples)
    soundfile.write(meeting.archive, samples[: 2499 if rate == RATE else 2500], rate, format="FLAC", subtype="PCM_16")
    with pytest.raises(StorageError, match="does not hold"):
        run(meeting)
    assert len(list(meeting.audio.iterdir())) == 3


def test_an_interrupted_removal_is_finished(tmp_path: Path) -> None:
    samples = noise(3500)
    meeting = meeting_with(tmp_path, samples)
    soundfile.write(meeting.archive, samples, RATE, format="FLAC", subtype="PCM_16")
    chunk_path(meeting.audio, 3).unlink()
    chunk_path(meeting.audio, 2).unlink()
    assert run(meeting)["frames"] == 3500
    assert not meeting.audio.exists()


def test_a_recording_that_runs_is_left_alone(tmp_path: Path) -> None:
    meeting = meeting_with(tmp_path, noise(1500))
    meeting.set_stage("record", "running")
    with pytest.raises(StorageError, match="still being recorded"):
        run(meeting)
    assert len(list(meeting.audio.iterdir())) == 2


def test_a_meeting_without_samples(tmp_path: Path) -> None:
    meeting = meeting_with(tmp_path, noise(0))
    with pytest.raises(AudioFileError, match="no samples"):
        run(meeting)
    assert not meeting.archive.exists()


def test_a_full_disk_keeps_the_chunks(tmp_path: Path) -> None:
    samples = noise(100_000)
    meeting = meeting_with(tmp_path, samples)
    program = (
        "import json, resource, sys\n"
        "from services.errors import StorageError\n"
        "from services.recording.archive import archive\n"
        "from tests.functional.test_recorder_archive import Patient\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    archive({'meeting': sys.argv[1], 'format': 'flac'}, Patient())\n"
        "except StorageError as error:\n"
        "    sys.stdout.write(json.dumps(error.to_dict()))\n"
    )
    arguments = [sys.executable, "-c", program, str(meeting.folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "audio.flac" in json.loads(done.stdout)["message"]
    assert sorted(path.name for path in meeting.folder.iterdir()) == ["audio", "meeting.json"]
    assert np.array_equal(everything(meeting), samples)


def test_it_runs_as_a_worker(tmp_path: Path, home: Path) -> None:
    meeting = meeting_with(tmp_path, noise(2500))
    told: list[float] = []
    with Worker("archive") as worker:
        args = {"meeting": str(meeting.folder), "format": "flac"}
        result = worker.call("archive", args, on_progress=lambda done, total, _: told.append(done / total))
        with pytest.raises(StorageError, match="not a meeting"):
            worker.call("archive", args | {"meeting": str(tmp_path / "nothing")})
    assert result["frames"] == 2500
    assert told
    assert set(create()) == {"archive"}
