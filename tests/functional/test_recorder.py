"""The recorder as a process: what it records, how it ends, and what no accident can do to it.

Files are played through the same path as devices here; `test_recorder_devices` has the devices, and
`test_recorder_strangers` who else may knock.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import psutil
import pytest
import soxr

from services.errors import AudioFileError, RecorderBusyError, RecorderError, StorageError
from services.library.meeting import Meeting
from services.recording.client import Launch, RecorderClient, attach, start
from services.recording.messages import RecordingStatus
from services.recording.reader import ChunkReader, MeetingAudio
from tests.functional.recordings import RATE, file_of, last_of, noise, recorded, request, running
from tests.functional.waiting import until

# What it records


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_comes_back_sample_for_sample(home: Path, tmp_path: Path, channels: int) -> None:
    samples = noise(7.3, channels)
    source = file_of(tmp_path, samples)
    status = last_of(start(request(home, source, title="Weekly sync", speed=50)))
    assert (status.state, status.error, status.overflows, status.seconds) == ("done", None, 0, 7.3)
    assert np.array_equal(recorded(status), samples)

    assert status.meeting is not None
    assert status.meeting.parent == home / "recordings"
    names = sorted(path.name for path in (status.meeting / "audio").iterdir())
    assert names == [f"{number:06}.wav" for number in range(8)]
    info = Meeting.open(status.meeting).info()
    assert (info["title"], info["rate"], info["duration_s"], info["chunk_frames"]) == ("Weekly sync", RATE, 7.3, RATE)
    assert info["stages"]["record"] == {"status": "done"}
    speakers = [""] if channels == 1 else ["You", "Others"]
    assert info["channels"] == [{"source": source, "speaker": speaker, "device": ""} for speaker in speakers]
    assert [channel.speaker for channel in status.channels] == speakers
    for path in status.meeting.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert status.bytes == sum(path.stat().st_size for path in (status.meeting / "audio").iterdir())


def test_another_rate_is_resampled_to_the_last_sample(home: Path, tmp_path: Path) -> None:
    samples = noise(3.21, 1, 44100)
    status = last_of(start(request(home, file_of(tmp_path, samples, 44100), speed=50)))
    whole = soxr.resample(samples.astype(np.float32) / 32768, 44100, RATE, "HQ")
    got = recorded(status)
    assert len(got) == len(whole) == round(len(samples) * RATE / 44100)
    assert np.abs(got - np.clip(whole * 32768, -32768, 32767)).max() <= 1


def test_many_channels_are_mixed_to_one_and_two_files_give_two(home: Path, tmp_path: Path) -> None:
    many, short = noise(2, 6), noise(1.5, 2)
    first, second = file_of(tmp_path, many, name="many.wav"), file_of(tmp_path, short, name="short.wav")
    got = recorded(last_of(start(request(home, first, second, speed=50))))
    assert got.shape == (2 * RATE, 2)
    assert np.abs(got[:, 0] - many.mean(axis=1)).max() <= 1
    assert np.abs(got[: len(short), 1] - short.mean(axis=1)).max() <= 1
    assert not got[len(short) :, 1].any(), "what is shorter ends in silence"


def test_it_stops_after_the_time_that_was_asked_for(home: Path, tmp_path: Path) -> None:
    samples = noise(5)
    status = last_of(start(request(home, file_of(tmp_path, samples), seconds=2.5, speed=20)))
    assert (status.state, status.seconds) == ("done", 2.5)
    assert np.array_equal(recorded(status), samples[: round(2.5 * RATE)])


def test_levels_are_those_of_the_channels(home: Path, tmp_path: Path) -> None:
    samples = np.zeros((2 * RATE, 2), np.int16)
    samples[:, 0] = np.where(np.arange(2 * RATE) % 2, 16384, -16384)
    status = last_of(start(request(home, file_of(tmp_path, samples), speed=50)))
    assert [(channel.peak_db, channel.rms_db) for channel in status.channels] == [(-6.0, -6.0), (-96.0, -96.0)]


# How it ends


def _gone(pid: int) -> bool:
    """Whether nothing is left of a process, not even a zombie."""
    return not psutil.pid_exists(pid)


@pytest.mark.parametrize("how", ["command", "SIGTERM", "SIGINT"])
def test_it_ends_in_order_when_told(home: Path, tmp_path: Path, how: str) -> None:
    client, samples = running(home, tmp_path, seconds=30)
    if how == "command":
        with client:
            status = client.stop()
    else:
        os.kill(client.status().pid, getattr(signal, how))
        status = last_of(client)
    assert (status.state, status.error) == ("done", None)
    got = recorded(status)
    assert len(got) == round(status.seconds * RATE) > 0
    assert np.array_equal(got, samples[: len(got)])
    assert status.meeting is not None
    assert Meeting(status.meeting).stage("record") == "done"
    assert attach() is None
    assert not (home / "run" / "recorder.sock").exists()
    until(lambda: _gone(status.pid))


def test_it_survives_the_end_of_the_line_and_of_the_app(home: Path, tmp_path: Path) -> None:
    client, _ = running(home, tmp_path, seconds=30)
    pid = client.status().pid
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGHUP)
    client.close()
    again = attach()
    assert again is not None
    before = again.status()
    until(lambda: again.status().seconds > before.seconds + 0.3)
    assert again.stop().state == "done"


def test_killed_at_any_moment_it_leaves_what_it_had_recorded(home: Path, tmp_path: Path) -> None:
    client, samples = running(home, tmp_path, seconds=30)
    updates = client.updates()
    for status in updates:
        if status.seconds > 1.3:
            break
    os.kill(status.pid, signal.SIGKILL)
    with client, pytest.raises(RecorderError, match="ended without"):
        list(updates)
    assert status.meeting is not None
    meeting = Meeting(status.meeting)
    with MeetingAudio(meeting.folder) as audio:
        assert audio.growing, "the marker of an unfinished meeting"
        got = audio.read(0, audio.frames)
    assert len(got) >= status.seconds * RATE
    assert np.array_equal(got, samples[: len(got)])
    played = 0
    for path in sorted(meeting.audio.iterdir()):
        with wave.open(str(path)) as file:
            played += file.getnframes()
    assert 0 <= len(got) - played <= 0.6 * RATE, "any player plays all but the last half second"

    assert (home / "run" / "recorder.sock").exists()
    assert attach() is None, "a stale socket is nobody"
    quick = last_of(start(request(home, file_of(tmp_path, noise(0.5), name="next.wav"), speed=50)))
    assert quick.state == "done"
    until(lambda: _gone(status.pid))


def test_a_full_disk_ends_it_with_everything_that_fitted(home: Path, tmp_path: Path) -> None:
    samples = noise(20)
    # A limit of the kernel on the size of a file: a chunk of 30 s does not fit, meeting.json does.
    program = (
        "import resource, sys, json\n"
        "from pathlib import Path\n"
        "from services.recording.client import start\n"
        "from services.recording.messages import RecordingRequest\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, {resource.RLIM_INFINITY}))\n"
        "client = start(RecordingRequest((sys.argv[1],), Path(sys.argv[2]), speed=50))\n"
        "for status in client.updates(): pass\n"
        "sys.stdout.write(json.dumps(status.to_dict()))\n"
    )
    arguments = [sys.executable, "-c", program, file_of(tmp_path, samples), str(home / "recordings")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    status = RecordingStatus.from_dict(json.loads(done.stdout))
    assert status.state == "failed"
    assert isinstance(status.error, StorageError)
    got = recorded(status)
    assert len(got) == (200_000 - 44) // 2
    assert np.array_equal(got, samples[: len(got)])
    assert status.meeting is not None
    info = Meeting(status.meeting).info()
    assert info["duration_s"] == round(len(got) / RATE, 3)
    assert info["stages"]["record"] == {"status": "done", "detail": status.error.message}


def test_a_disk_that_is_full_from_the_start_is_left_as_it_was(home: Path, tmp_path: Path) -> None:
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from services.errors import StorageError\n"
        "from services.recording.client import start\n"
        "from services.recording.messages import RecordingRequest\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    with start(RecordingRequest((sys.argv[1],), Path(sys.argv[2]))) as client:\n"
        "        *_, last = client.updates()\n"
        "    error = last.error\n"
        "except StorageError as refused:\n"
        "    error = refused\n"
        "sys.exit(not isinstance(error, StorageError))\n"
    )
    source = file_of(tmp_path, noise(2))
    for limit in ("0", "200"):  # too little for the log and for meeting.json
        arguments = [sys.executable, "-c", program, source, str(home / "recordings"), limit]
        subprocess.run(arguments, check=True)
        assert _nothing_made(home)


# What does not begin


def _nothing_made(home: Path) -> bool:
    return not (home / "recordings").exists() or not any((home / "recordings").iterdir())


def test_a_file_that_is_not_there(home: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="nothing.wav"):
        start(request(home, f"file:{tmp_path / 'nothing.wav'}"))
    assert _nothing_made(home)


def test_a_file_without_sound(home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n" * 100)
    with pytest.raises(AudioFileError):
        start(request(home, f"file:{tmp_path / 'notes.txt'}"))
    assert _nothing_made(home)


def test_a_folder_that_cannot_be_made(home: Path, tmp_path: Path) -> None:
    # A file in its place: also root cannot write there.
    (home / "recordings").write_text("in the way")
    with pytest.raises(StorageError, match="recordings"):
        start(request(home, file_of(tmp_path, noise(1))))
    assert attach() is None


def test_two_starts_at_once_make_one_recording(home: Path, tmp_path: Path) -> None:
    sources = [file_of(tmp_path, noise(30), name=f"{number}.wav") for number in range(3)]
    clients: list[RecorderClient] = []
    refused: list[RecorderBusyError] = []

    def begin(source: str) -> None:
        try:
            # Past the look whether one runs: the recorder's own lock decides.
            clients.append(Launch(request(home, source, title="Weekly sync")).wait())
        except RecorderBusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=begin, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(clients), len(refused)) == (1, 2)
    with pytest.raises(RecorderBusyError, match=r"“Weekly sync” has been recorded since \d\d:\d\d"):
        start(request(home, sources[0]))
    with clients[0]:
        assert clients[0].stop().state == "done"
    assert len(list((home / "recordings").iterdir())) == 1


# While it grows


def test_a_reader_follows_the_recording(home: Path, tmp_path: Path) -> None:
    samples = noise(5)
    client = start(request(home, file_of(tmp_path, samples), speed=2))
    meeting = client.status().meeting
    assert meeting is not None
    followed = np.zeros((0, 1), np.int16)
    reader = ChunkReader(Meeting(meeting).audio)
    sizes = set()
    for _ in client.updates():
        followed = np.concatenate([followed, reader.read(len(followed), reader.frames)])
        sizes.add(len(followed))
    followed = np.concatenate([followed, reader.read(len(followed), reader.frames)])
    assert np.array_equal(followed, samples)
    assert len(sizes) > 3, "it grew while it was followed"
