"""`sotto normalize`: any file as 16 kHz mono, and nothing half-written where that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from services.audio.convert import convert
from services.errors import AudioFileError, CancelledError, SottoError, StorageError
from tests import speechset
from tests.functional.command import sotto
from tests.unit.sound_files import Block, survey, tone, wav

HEAVY = ("av", "onnxruntime", "faster_whisper", "moonshine_voice", "textual", "pydantic", "psutil", "sounddevice")


def ignore(done: float, total: float, what: str) -> None:
    """Progress that nobody looks at."""


def stereo(path: Path, seconds: float = 3.0, rate: int = 48_000) -> Path:
    sound = tone(seconds, rate=rate) + 0.1 * tone(seconds, 3000.0, rate=rate)
    return wav(path, np.stack([0.5 * sound, 0.4 * sound], axis=1).astype(np.float32), rate)


def reference(source: Path) -> Block:
    """The channels' mean resampled in one piece in 64 bits, by their plan."""
    samples, rate = soundfile.read(source)
    (group,) = survey([samples.astype(np.float32)], rate, samples.shape[1]).plan().groups
    mixed = samples @ np.array(group.weights) - group.offset
    return np.asarray(soxr.resample(mixed, rate, 16_000, quality="VHQ"), np.float32)


@pytest.mark.parametrize("name", ["out.wav", "out.FLAC"])
@pytest.mark.parametrize(("rate", "frames"), [(48_000, 144_001), (44_100, 100_000), (16_000, 16_001), (8_000, 1)])
def test_every_sample_is_there_and_right(home: Path, tmp_path: Path, name: str, rate: int, frames: int) -> None:
    source = stereo(tmp_path / "in.wav", frames / rate, rate)
    done = sotto("normalize", source, tmp_path / name)
    assert (done.code, done.err) == (0, "")
    info = soundfile.info(tmp_path / name)
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
    assert info.format == name[-4:].strip(".").upper()
    assert info.frames == -(-frames * 16_000 // rate)
    heard, _ = soundfile.read(tmp_path / name)
    expected = reference(source)[: len(heard)]
    assert np.sqrt(np.mean((heard[: len(expected)] - expected) ** 2)) < 1 / 32768
    assert frames == 1 or np.abs(heard).max() == pytest.approx(0.9, abs=0.01)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_name_that_is_no_text_is_a_name(home: Path, tmp_path: Path) -> None:
    target = tmp_path / os.fsdecode(b"out-\xff.wav")
    done = sotto("normalize", stereo(tmp_path / "in.wav"), target)
    assert (done.code, done.err) == (0, "")
    assert target.stat().st_size > 90_000


def test_two_people_in_two_channels_are_both_in_it(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    turns = np.repeat(np.arange(8) % 2, 16_000)
    sides = np.stack([turns == 0, turns == 1], axis=1) * random.normal(0, [0.2, 0.02], (len(turns), 2))
    convert(wav(tmp_path / "in.wav", sides.astype(np.float32)), tmp_path / "out.wav", ignore)
    heard, _ = soundfile.read(tmp_path / "out.wav")
    levels = [float(np.std(heard[turns == side])) for side in (0, 1)]
    assert levels[0] == pytest.approx(levels[1], rel=0.2)
    assert levels[0] > 0.05


def test_what_it_works_with_is_under_a_megabyte(tmp_path: Path) -> None:
    source = stereo(tmp_path / "in.wav", 20.0)
    convert(source, tmp_path / "out.wav", ignore)
    tracemalloc.start()
    try:
        convert(source, tmp_path / "out.wav", ignore)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_command_loads_only_what_it_needs(home: Path, tmp_path: Path) -> None:
    arguments = ["normalize", str(stereo(tmp_path / "in.wav")), str(tmp_path / "out.wav")]
    program = f"import sys; from tui.__main__ import main; main({arguments!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & set(HEAVY)
    assert (tmp_path / "out.wav").exists()


def test_the_file_that_is_read_is_never_replaced(home: Path, tmp_path: Path) -> None:
    source = stereo(tmp_path / "in.wav")
    before = source.read_bytes()
    (tmp_path / "link.wav").symlink_to(source)
    (tmp_path / "hard.wav").hardlink_to(source)
    for target in (source, tmp_path / "link.wav", tmp_path / "hard.wav"):
        done = sotto("normalize", source, target)
        assert done.code == 2
        assert "is the file that is read" in done.err
    assert source.read_bytes() == before


@pytest.mark.parametrize("target", ["out.mp3", "out", "gone/out.wav", "folder.wav"])
def test_a_target_that_cannot_be_is_told(home: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    done = sotto("normalize", stereo(tmp_path / "in.wav"), tmp_path / target)
    assert done.code in (1, 2)
    assert len(done.err.splitlines()) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.wav", "in.wav"]


def test_a_link_that_leads_to_itself_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out.wav"
    target.symlink_to(target)
    convert(stereo(tmp_path / "in.wav"), target, ignore)
    assert soundfile.info(target).samplerate == 16_000


def test_a_folder_that_is_not_there_is_told_before_anything_is_read(tmp_path: Path) -> None:
    read: list[str] = []
    with pytest.raises(StorageError, match="There is no folder .*gone"):
        convert(stereo(tmp_path / "in.wav"), tmp_path / "gone" / "out.wav", lambda *step: read.append(step[2]))
    assert read == []


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    target = wav(tmp_path / "out.wav", tone(0.1))
    before = target.read_bytes()
    program = f"""
import resource, signal
from pathlib import Path
from services.audio.convert import convert
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
convert(Path({str(stereo(tmp_path / "in.wav"))!r}), Path({str(target)!r}), lambda *_: None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith(f"{StorageError.__module__}.StorageError: ")
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "out.wav"]


def test_a_cancelled_one_leaves_what_was_there(tmp_path: Path) -> None:
    def cancel(done: float, total: float, what: str) -> None:
        if what == "writing" and done:
            raise CancelledError("Enough.")

    target = wav(tmp_path / "out.wav", tone(0.1))
    before = target.read_bytes()
    with pytest.raises(CancelledError):
        convert(stereo(tmp_path / "in.wav"), target, cancel)
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "out.wav"]


def test_a_file_that_grows_meanwhile_is_told(tmp_path: Path) -> None:
    source = stereo(tmp_path / "in.wav")

    def grow(done: float, total: float, what: str) -> None:
        if what == "measuring" and not done:
            stereo(source, 6.0)

    with pytest.raises(AudioFileError, match="changed while it was read"):
        convert(source, tmp_path / "out.wav", grow)
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


@pytest.mark.speech
def test_every_hostile_file_becomes_a_whole_file_or_a_clear_error(speech: Path, tmp_path: Path) -> None:
    made = 0
    for part in ("hostile", "formats"):
        for source in speechset.recordings(speech / part):
            target = tmp_path / f"{source.name}.wav"
            try:
                result = convert(source, target, ignore)
            except SottoError as error:
                assert error.message and error.hint, source.name
                assert part == "hostile", error.message
            else:
                samples, rate = soundfile.read(target, dtype="float32")
                assert (rate, len(samples)) == (16_000, result.frames), source.name
                assert np.isfinite(samples).all() and np.abs(samples).max(initial=0) <= 1
                target.unlink()
                made += 1
            assert not list(tmp_path.iterdir()), source.name
    assert made > 60
