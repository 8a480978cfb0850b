"""Opus archives: small, as long as the recording to the frame, and nothing else than what was recorded gets through."""

from __future__ import annotations

import json
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from services import sample
from services.errors import CancelledError, StorageError
from services.library.meeting import Meeting
from services.recording.archive import OPUS_RATES, archive
from services.recording.chunkfiles import chunk_path
from services.recording.chunks import ChunkWriter, Pcm
from services.recording.likeness import alike
from services.recording.reader import MeetingAudio
from services.worker.handler import Json
from tests.functional.command import sotto
from tests.functional.test_recorder_archive import Patient

RATE = 16000


@lru_cache
def sample_meeting(rate: int) -> Pcm:
    samples, own = soundfile.read(sample.MEETING, dtype="int16", always_2d=True, frames=30 * RATE)
    resampled: Pcm = soxr.resample(samples, own, rate).astype(np.int16)
    return resampled


def speech(seconds: float, rate: int = RATE, channels: int = 2, start: float = 2.0) -> Pcm:
    """A piece of the sample meeting, in which both people speak, each on a channel of their own."""
    first = round(start * rate)
    return sample_meeting(rate)[first : first + round(seconds * rate), :channels]


def meeting_with(root: Path, samples: Pcm, rate: int = RATE) -> Meeting:
    channels = [{"source": "mic", "speaker": ""}] * samples.shape[1]
    info = {"rate": rate, "channels": channels, "chunk_frames": rate, "stages": {"record": {"status": "done"}}}
    meeting = Meeting.create(root, "Test", info)
    writer = ChunkWriter(meeting.audio, rate, samples.shape[1], 1.0)
    writer.write(samples)
    writer.close()
    return meeting


def run(meeting: Meeting, call: Patient | None = None) -> Json:
    return archive({"meeting": str(meeting.folder), "format": "opus"}, call or Patient())


def everything(meeting: Meeting) -> Pcm:
    with MeetingAudio(meeting.folder) as audio:
        return audio.read(0, audio.frames)


def seconds_alike(one: Pcm, other: Pcm, rate: int = RATE) -> list[bool]:
    assert len(one) == len(other)
    return [alike(one[at : at + rate], other[at : at + rate], rate) for at in range(0, len(one) - rate // 2, rate)]


@pytest.mark.parametrize("rate", OPUS_RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_chunks_become_one_small_file(tmp_path: Path, rate: int, channels: int) -> None:
    samples = speech(7.3, rate, channels)
    meeting = meeting_with(tmp_path, samples, rate)
    call = Patient()
    result = run(meeting, call)
    assert meeting.archive == meeting.folder / "audio.opus"
    assert result == {"bytes": meeting.archive.stat().st_size, "frames": len(samples), "detail": ""}
    assert result["bytes"] < samples.nbytes / 4
    assert not meeting.audio.exists()
    assert stat.S_IMODE(meeting.archive.stat().st_mode) == 0o600
    assert soundfile.info(meeting.archive).subtype == "OPUS"
    assert all(seconds_alike(samples, everything(meeting), rate))
    assert call.told == sorted(call.told)
    assert call.told[-1] == 1.0
    assert run(meeting) == result, "once more changes nothing"
    assert sorted(path.name for path in meeting.folder.iterdir()) == ["audio.opus", "meeting.json"]


@settings(max_examples=100, deadline=None)
@given(frames=st.integers(8000, 20_000), ends=st.lists(st.integers(1, 6), max_size=3))
def test_interrupted_anywhere_it_can_be_repeated(
    tmp_path_factory: pytest.TempPathFactory, frames: int, ends: list[int]
) -> None:
    """Feature: recording, Property 11: after any interruptions of packing into Opus, nothing is missing.

    Until the archive is verified it is read sample for sample from the chunks.
    """
    samples = speech(frames / 8000, 8000)
    meeting = meeting_with(tmp_path_factory.mktemp("opus"), samples, 8000)
    for end in ends:
        try:
            run(meeting, Patient(end))
        except CancelledError:
            assert np.array_equal(everything(meeting), samples)
        assert not list(meeting.folder.glob(".*"))
    run(meeting)
    assert meeting.archive.suffix == ".opus"
    assert not meeting.audio.exists()
    assert all(seconds_alike(samples, everything(meeting), 8000))


def test_an_interrupted_removal_is_finished(tmp_path: Path) -> None:
    samples = speech(4.5)
    meeting = meeting_with(tmp_path / "whole", samples)
    run(meeting)
    again = meeting_with(tmp_path / "again", samples)
    meeting.archive.rename(again.archive_as("opus"))
    chunk_path(again.audio, 4).unlink()
    chunk_path(again.audio, 3).unlink()
    assert run(again)["frames"] == len(samples)
    assert not again.audio.exists()


WRONG: dict[str, Callable[[Pcm], Pcm]] = {
    "other words": lambda samples: speech(6, start=20),
    "channels exchanged": lambda samples: samples[:, ::-1],
    "half a millisecond late": lambda samples: np.roll(samples, 8, axis=0),
    "20 ms late": lambda samples: np.roll(samples, 320, axis=0),
    "seconds exchanged": lambda samples: np.roll(samples.reshape(2, 3 * RATE, 2), RATE, axis=1).reshape(-1, 2),
    "cut": lambda samples: samples[:-1000],
    "cut by a second": lambda samples: samples[:-RATE],
    "silence": lambda samples: np.zeros_like(samples),
    "a second of silence": lambda samples: np.concatenate([samples[: 3 * RATE], samples[: 3 * RATE] * 0]),
    "softer": lambda samples: samples // 3,
    "backwards": lambda samples: samples[::-1],
    "noise": lambda samples: np.random.default_rng(1).normal(0, 2000, samples.shape).astype(np.int16),
    "both on both": lambda samples: np.repeat(samples.mean(1, keepdims=True), 2, 1).astype(np.int16),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_chunks_stay_when_the_archive_is_not_what_they_are(tmp_path: Path, wrong: str) -> None:
    samples = speech(6)
    meeting = meeting_with(tmp_path, samples)
    other = np.ascontiguousarray(WRONG[wrong](samples))
    soundfile.write(meeting.archive_as("opus"), other, RATE, format="OGG", subtype="OPUS", compression_level=0.9)
    with pytest.raises(StorageError, match="does not hold what was recorded"):
        run(meeting)
    assert len(list(meeting.audio.iterdir())) == 6


@pytest.mark.parametrize(
    ("seconds", "rate", "reason"), [(2.0, 22050, "does not know 22050 Hz"), (0.9, RATE, "too short")]
)
def test_what_opus_cannot_hold_becomes_flac(tmp_path: Path, seconds: float, rate: int, reason: str) -> None:
    samples = speech(seconds, rate)
    meeting = meeting_with(tmp_path, samples, rate)
    result = run(meeting)
    assert reason in result["detail"]
    assert meeting.archive.name == "audio.flac"
    assert np.array_equal(everything(meeting), samples)


def test_what_opus_does_not_keep_becomes_flac(tmp_path: Path) -> None:
    # A soft tone close to a loud one on the other channel: Opus gives both channels the loud one.
    time = np.arange(2 * RATE) / RATE
    tones = np.stack([0.005 * np.sin(2 * np.pi * 3359 * time), 0.5 * np.sin(2 * np.pi * 3300 * time)], axis=1)
    samples = (tones * 32767).astype(np.int16)
    meeting = meeting_with(tmp_path, samples)
    assert run(meeting)["detail"] == "Packed as FLAC: Opus did not keep the sound close enough."
    assert np.array_equal(everything(meeting), samples)
    assert sorted(path.name for path in meeting.folder.iterdir()) == ["audio.flac", "meeting.json"]


def test_loud_sound_is_not_wrapped_around(tmp_path: Path) -> None:
    samples = np.tile(np.repeat(np.array([32767, -32768], np.int16), 40), 400)[:, None]
    meeting = meeting_with(tmp_path, samples)
    assert run(meeting)["detail"] == ""
    middle = everything(meeting)[20::40]
    assert np.all((middle > 0) == (samples[20::40] > 0))
    assert np.all(np.abs(middle[:-4].astype(int)) > 20_000)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Meeting:
    meeting = meeting_with(tmp_path_factory.mktemp("packed"), speech(20))
    run(meeting)
    return meeting


@settings(max_examples=150, deadline=None)
@given(start=st.integers(0, 21 * RATE), frames=st.integers(0, 3 * RATE))
def test_any_place_can_be_read(packed: Meeting, start: int, frames: int) -> None:
    """Feature: recording, Property 12: reading an Opus archive from any place gives what reading all of it gives.

    Within one step of 16 bits: the decoder computes in floats.
    """
    whole = everything(packed)
    with MeetingAudio(packed.folder) as audio:
        assert audio.frames == 20 * RATE
        audio.read(7 * RATE, 100)
        piece = audio.read(start, frames)
    expected = whole[start : start + frames]
    assert piece.shape == expected.shape
    assert np.all(np.abs(piece.astype(int) - expected) <= 1)


def test_a_reader_follows_when_the_chunks_go(tmp_path: Path) -> None:
    samples = speech(3)
    meeting = meeting_with(tmp_path, samples)
    with MeetingAudio(meeting.folder) as audio:
        assert np.array_equal(audio.read(0, RATE), samples[:RATE])
        run(meeting)
        assert alike(samples[RATE : 2 * RATE], audio.read(RATE, RATE), RATE)


def test_a_full_disk_keeps_the_chunks(tmp_path: Path) -> None:
    samples = speech(20)
    meeting = meeting_with(tmp_path, samples)
    program = (
        "import json, resource, sys\n"
        "from services.errors import StorageError\n"
        "from services.recording.archive import archive\n"
        "from tests.functional.test_recorder_archive import Patient\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    archive({'meeting': sys.argv[1], 'format': 'opus'}, Patient())\n"
        "except StorageError as error:\n"
        "    sys.stdout.write(json.dumps(error.to_dict()))\n"
    )
    arguments = [sys.executable, "-c", program, str(meeting.folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "audio.opus" in json.loads(done.stdout)["message"]
    assert sorted(path.name for path in meeting.folder.iterdir()) == ["audio", "meeting.json"]
    assert np.array_equal(everything(meeting), samples)


def test_the_setting_decides_and_the_words_are_found_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_RECORDING_ARCHIVE", "opus")
    meeting = meeting_with(home / "recordings", speech(20))
    (first,) = sotto("process", meeting.folder, "--json", "--summary", "none").objects
    assert (first["ok"], meeting.archive.name, meeting.stage("archive")) == (True, "audio.opus", "done")
    meeting.transcript.unlink()
    meeting.update(stages={"record": {"status": "done"}})
    (again,) = sotto("process", meeting.folder, "--json", "--summary", "none").objects
    assert again["duration_s"] == first["duration_s"] == 20.0
    words, same = first["text"].lower().split(), set(again["text"].lower().split())
    assert len(words) > 20
    assert sum(word in same for word in words) > 0.8 * len(words)
