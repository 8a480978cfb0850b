"""The chunk format: what is written comes back, whatever happens to the files."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import tempfile
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import AudioFileError, StorageError
from services.library.meeting import Meeting
from services.recording.chunks import HEADER_BYTES, ChunkWriter, Layout, Pcm, chunk_path
from services.recording.reader import ChunkReader, MeetingAudio
from tests.unit.chunk_starts import Starts

RATE = 1000
RANDOM = np.random.default_rng(3)


def noise(frames: int, channels: int = 1) -> Pcm:
    return RANDOM.integers(-32768, 32768, (frames, channels), np.int16)


def record(folder: Path, samples: Pcm, seconds: float = 1.0) -> None:
    writer = ChunkWriter(folder, RATE, samples.shape[1], seconds)
    writer.write(samples)
    writer.close()


def everything(folder: Path, layout: Layout | None = None) -> Pcm:
    reader = ChunkReader(folder, layout)
    return reader.read(0, reader.frames)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 250)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("sync"), st.just(0)),
        st.tuples(st.just("read"), st.integers(0, 700)),
        st.tuples(st.just("change"), st.integers(10, 300)),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(
    steps=steps, channels=st.integers(1, 2), chunk=st.integers(10, 300), cut=st.integers(0, 200), close=st.booleans()
)
def test_samples_come_back(steps: list[tuple[str, int]], channels: int, chunk: int, cut: int, close: bool) -> None:
    """Feature: recording, Property 2: after any writes, flushes and a cut end, a prefix of what was written is read.

    Without a cut it is all of it, at every moment, also while the recording grows, and whatever lengths its chunks are
    told to have meanwhile.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "audio"
        writer = ChunkWriter(folder, RATE, channels, chunk / RATE)
        written = np.zeros((0, channels), np.int16)
        layout, starts = writer.layout, Starts(chunk)
        following = ChunkReader(folder, layout)
        for step, size in steps:
            if step == "write":
                block = noise(size, channels)
                writer.write(block)
                starts.write(size)
                written = np.concatenate([written, block])
            elif step == "change":
                writer.change(size / RATE)
                starts.change(size)
            elif step == "flush":
                writer.flush()
            elif step == "sync":
                writer.sync()
            else:
                assert np.array_equal(following.read(size, 333), written[size : size + 333])
            assert following.frames == writer.frames == len(written)
        if close:
            writer.close()
        if len(written):
            assert np.array_equal(everything(folder), written)
            last = max(folder.glob("*.wav"))
            assert int(last.stem) == len(starts.positions) - 1
            os.truncate(last, max(0, last.stat().st_size - cut))
            rest = everything(folder, layout)
            assert np.array_equal(rest, written[: len(rest)])
            kept = max(0, last.stat().st_size - HEADER_BYTES) // (2 * channels)
            assert len(rest) == starts.positions[-1] + kept
        if not close:
            writer.close()


def test_chunks_have_equal_lengths_and_open_in_any_player(tmp_path: Path) -> None:
    samples = noise(2500, 2)
    record(tmp_path / "audio", samples)
    names = sorted(path.name for path in (tmp_path / "audio").iterdir())
    assert names == ["000000.wav", "000001.wav", "000002.wav"]
    heard = [soundfile.read(tmp_path / "audio" / name, dtype="int16")[0] for name in names]
    assert [len(part) for part in heard] == [1000, 1000, 500]
    assert np.array_equal(np.concatenate(heard), samples)


def test_the_unfinished_chunk_is_a_valid_file_after_every_flush(tmp_path: Path) -> None:
    writer = ChunkWriter(tmp_path, RATE, 1, 30)
    writer.write(noise(300))
    writer.flush()
    writer.write(noise(77))
    with wave.open(str(chunk_path(tmp_path, 0))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()) == (RATE, 1, 2, 300)
    assert ChunkReader(tmp_path).frames == 377
    writer.close()
    assert soundfile.info(chunk_path(tmp_path, 0)).frames == 377


def test_folder_and_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o777)
    try:
        record(tmp_path / "audio", noise(10))
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "audio").stat().st_mode) == 0o700
    assert stat.S_IMODE(chunk_path(tmp_path / "audio", 0).stat().st_mode) == 0o600


def test_an_existing_recording_is_never_written_over(tmp_path: Path) -> None:
    record(tmp_path, noise(10))
    writer = ChunkWriter(tmp_path, RATE, 1)
    with pytest.raises(StorageError, match="exists"):
        writer.write(noise(10))


def test_damage_in_the_middle_does_not_move_what_follows(tmp_path: Path) -> None:
    samples = noise(4500)
    record(tmp_path, samples)
    os.truncate(chunk_path(tmp_path, 1), HEADER_BYTES + 2 * 400 + 1)
    os.truncate(chunk_path(tmp_path, 2), 0)
    chunk_path(tmp_path, 3).unlink()
    expected = samples.copy()
    expected[1400:4000] = 0
    assert np.array_equal(everything(tmp_path), expected)
    assert np.array_equal(ChunkReader(tmp_path).read(1300, 3000), expected[1300:4300])


def test_damage_does_not_move_what_follows_where_the_length_of_chunks_changed(tmp_path: Path) -> None:
    samples = noise(4100)
    writer = ChunkWriter(tmp_path, RATE, 1, 1.0)
    writer.write(samples[:1500])
    writer.change(0.5)  # chunks 2, 3 and 4
    writer.write(samples[1500:3200])
    writer.change(0.3)  # chunks 5, 6 and 7
    writer.write(samples[3200:])
    writer.close()
    starts = [0, 1000, 2000, 2500, 3000, 3500, 3800]
    assert sorted(path.name for path in tmp_path.glob("*.wav")) == [f"{n:06}.wav" for n in range(len(starts))]
    for layout in (None, Layout(RATE, 1, 1000)):
        assert np.array_equal(everything(tmp_path, layout), samples)
    os.truncate(chunk_path(tmp_path, 1), HEADER_BYTES + 2 * 400)
    chunk_path(tmp_path, 3).unlink()
    expected = samples.copy()
    expected[1400:2000] = expected[2500:3000] = 0
    for layout in (None, Layout(RATE, 1, 1000)):
        assert np.array_equal(everything(tmp_path, layout), expected)
    lengths = tmp_path / "lengths.jsonl"
    assert writer.layout.changes == ((2, 500), (5, 300))
    kept = lengths.rename(tmp_path / "kept")
    told = replace(writer.layout, chunk_frames=1000)
    assert np.array_equal(everything(tmp_path, told), expected), "meeting.json has it as well, once all is recorded"
    kept.rename(lengths)
    lengths.write_text(
        'nonsense\n{"from": -1, "frames": 5}\n{"from": 1, "frames": 1e99}\n' + lengths.read_text() + '{"fr'
    )
    assert np.array_equal(everything(tmp_path), expected), "lines that make no sense are passed over"


def test_where_the_change_of_length_cannot_be_written_chunks_keep_theirs(tmp_path: Path) -> None:
    (tmp_path / "lengths.jsonl").mkdir()
    samples = noise(2500)
    writer = ChunkWriter(tmp_path, RATE, 1, 1.0)
    writer.change(0.5)
    writer.write(samples)
    writer.close()
    assert len(list(tmp_path.glob("*.wav"))) == 3
    assert np.array_equal(everything(tmp_path, Layout(RATE, 1, 1000)), samples)


def test_the_first_chunk_is_missing(tmp_path: Path) -> None:
    samples = noise(1500)
    record(tmp_path, samples)
    chunk_path(tmp_path, 0).unlink()
    assert np.array_equal(everything(tmp_path), samples[1000:]), "nothing tells how long it was"
    expected = np.concatenate([np.zeros((1000, 1), np.int16), samples[1000:]])
    assert np.array_equal(everything(tmp_path, Layout(RATE, 1, 1000)), expected)


def test_headers_that_are_gone_are_made_up_for_by_others_or_by_the_layout(tmp_path: Path) -> None:
    samples = noise(1500, 2)
    record(tmp_path, samples)
    for number, told in ((0, None), (1, Layout(RATE, 2))):
        with chunk_path(tmp_path, number).open("r+b") as file:
            file.write(b"\0" * HEADER_BYTES)
        assert np.array_equal(everything(tmp_path, told), samples)
    with pytest.raises(AudioFileError, match="no recording"):
        ChunkReader(tmp_path)


def test_a_folder_without_chunks(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError):
        ChunkReader(tmp_path / "audio")
    reader = ChunkReader(tmp_path / "audio", Layout(RATE, 1, 100))
    assert reader.frames == 0
    assert reader.read(0, 10).shape == (0, 1)


def test_stray_files_beside_the_chunks_are_not_audio(tmp_path: Path) -> None:
    samples = noise(1200)
    record(tmp_path, samples)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "000009.wav.tmp").write_bytes(b"RIFF")
    assert np.array_equal(everything(tmp_path), samples)


def test_a_full_disk_keeps_whole_frames(tmp_path: Path) -> None:
    # A real limit of the kernel in a process of its own; Python ignores the signal that comes with it.
    program = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from services.errors import StorageError\n"
        "from services.recording.chunks import ChunkWriter\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1001, {resource.RLIM_INFINITY}))\n"
        "writer = ChunkWriter(Path(sys.argv[1]), 1000, 2)\n"
        "try:\n"
        "    writer.write(np.ones((5000, 2), np.int16))\n"
        "except StorageError as error:\n"
        "    writer.close()\n"
        "    sys.stdout.write(f'{writer.frames} {error}')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    frames, _, message = done.stdout.partition(" ")
    assert "cannot be written" in message
    assert int(frames) == (1001 - HEADER_BYTES) // 4
    assert chunk_path(tmp_path, 0).stat().st_size == HEADER_BYTES + 4 * int(frames)
    assert np.array_equal(everything(tmp_path), np.ones((int(frames), 2), np.int16))
    assert soundfile.info(chunk_path(tmp_path, 0)).frames == int(frames)


def _meeting(root: Path, samples: Pcm) -> Meeting:
    channels = [{"source": "mic", "speaker": ""}] * samples.shape[1]
    meeting = Meeting.create(root, "Test", {"rate": RATE, "channels": channels, "chunk_frames": 1000})
    record(meeting.audio, samples)
    return meeting


def test_a_chunk_that_was_removed_under_the_recorder_is_an_error_at_the_next_sync(tmp_path: Path) -> None:
    writer = ChunkWriter(tmp_path / "audio", RATE, 1, 600.0)
    writer.write(noise(500))
    writer.sync()
    chunk_path(tmp_path / "audio", 0).unlink()
    writer.write(noise(500))
    with pytest.raises(FileNotFoundError):
        writer.sync()
    with pytest.raises(StorageError, match="cannot be written"):
        writer.close()


def test_a_meetings_audio_is_the_same_before_and_after_archiving(tmp_path: Path) -> None:
    samples = noise(2500, 2)
    meeting = _meeting(tmp_path, samples)
    with MeetingAudio(meeting.folder) as audio:
        assert (audio.rate, audio.channels, audio.frames, audio.duration_s) == (RATE, 2, 2500, 2.5)
        assert np.array_equal(np.concatenate(list(audio.blocks(0.3))), samples)
        soundfile.write(meeting.archive, samples, RATE, format="FLAC", subtype="PCM_16")
        for path in meeting.audio.iterdir():
            path.unlink()
        assert np.array_equal(audio.read(900, 200), samples[900:1100]), "the chunks went while it was open"
    with MeetingAudio(meeting.folder) as audio:
        assert (audio.rate, audio.channels, audio.frames) == (RATE, 2, 2500)
        assert np.array_equal(np.concatenate(list(audio.blocks())), samples)
        assert audio.read(2400, 300).shape == (100, 2)
        assert audio.read(9999, 300).shape == (0, 2)


def test_a_damaged_meeting_json_does_not_hide_the_audio(tmp_path: Path) -> None:
    samples = noise(1700)
    meeting = _meeting(tmp_path, samples)
    meeting.info_file.write_text('{"rate": "high", "chan')
    with MeetingAudio(meeting.folder) as audio:
        assert np.array_equal(audio.read(0, 5000), samples)


def test_a_layout_that_lies_loses_to_the_files(tmp_path: Path) -> None:
    samples = noise(1700)
    record(tmp_path, samples)
    for lie in (Layout(8, 2, 1), replace(Layout(RATE, 1), chunk_frames=3)):
        assert np.array_equal(everything(tmp_path, lie), samples)


def test_a_damaged_archive_says_so(tmp_path: Path) -> None:
    meeting = _meeting(tmp_path, noise(10))
    meeting.archive.write_bytes(b"fLaC, not")
    with pytest.raises(AudioFileError, match="damaged"):
        MeetingAudio(meeting.folder)
