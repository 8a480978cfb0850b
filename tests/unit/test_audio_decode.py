"""Reading any file with sound: from broken headers, odd containers, and files that are no sound at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audio.decode import AudioFile, open_audio
from services.errors import AudioFileError
from tests.unit.sound_files import RATE, Block, encode, film, read, tone, wav


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40_000), st.integers(1, 6), st.floats(0.01, 3.0), st.sampled_from(["wav", "flac", "mkv"]))
def test_all_samples_come_whatever_the_blocks(
    tmp_path: Path, frames: int, channels: int, seconds: float, kind: str
) -> None:
    """Feature: decoding, Property 1: the blocks put together are the file, each time from its start."""
    random = np.random.default_rng(frames)
    shape = (frames, 1 if kind == "mkv" else channels)
    samples: Block = (random.integers(-30000, 30000, shape) / 32768).astype(np.float32)
    path = tmp_path / f"x.{kind}"
    if kind == "mkv":
        film(path, [samples[:, 0]])
    else:
        wav(path, samples)
    with open_audio(path) as audio:
        for _ in range(2):
            blocks = list(audio.blocks(seconds))
            assert all(len(block) == max(1, int(seconds * RATE)) for block in blocks[:-1])
            assert np.concatenate(blocks) == pytest.approx(samples, abs=2 / 32768)
        assert audio.rate == RATE
        assert audio.warnings == []


def test_a_block_stays_small_whatever_the_header_says(tmp_path: Path) -> None:
    path = wav(tmp_path / "many.wav", np.zeros((96_000, 32), np.float32), rate=96_000)
    with open_audio(path) as audio:
        assert max(block.nbytes for block in audio.blocks(10.0)) <= 1 << 20


def missing(tmp_path: Path) -> Path:
    return tmp_path / "gone.wav"


def folder(tmp_path: Path) -> Path:
    return tmp_path


def empty(tmp_path: Path) -> Path:
    path = tmp_path / "empty.wav"
    path.touch()
    return path


def text(tmp_path: Path) -> Path:
    path = tmp_path / "notes.wav"
    path.write_text("these are the minutes of the meeting\n" * 50)
    return path


def playlist(tmp_path: Path) -> Path:
    """A list that names another file: what is opened is what was chosen, nothing else."""
    wav(tmp_path / "other.wav", tone(1.0))
    path = tmp_path / "list.mp3"
    path.write_text("ffconcat version 1.0\nfile other.wav\n")
    return path


def header_only(tmp_path: Path) -> Path:
    return wav(tmp_path / "header.wav", np.zeros(0, np.float32))


def silent_film(tmp_path: Path) -> Path:
    return film(tmp_path / "film.mp4", [], picture=True)


def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    return path


def below_a_file(tmp_path: Path) -> Path:
    return wav(tmp_path / "x.wav", tone(1.0)) / "y.wav"


def nameless(tmp_path: Path) -> Path:
    return tmp_path / "a\0b.wav"


def unfinished(tmp_path: Path) -> Path:
    """An MP4 whose recorder was killed: samples, and no index behind them."""
    whole = film(tmp_path / "whole.mp4", [tone(2.0)]).read_bytes()
    assert whole[4:8] == b"ftyp"
    path = tmp_path / "killed.mp4"
    path.write_bytes(whole[: whole.index(b"moov") - 4])
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (missing, "no file"),
        (folder, "folder"),
        (empty, "empty"),
        (text, "no sound"),
        (playlist, "no sound"),
        (header_only, "no samples"),
        (silent_film, "no sound"),
        (pipe, "not a file"),
        (below_a_file, "cannot be read"),
        (nameless, "cannot be read"),
        (unfinished, "never finished"),
    ],
)
def test_what_is_no_sound_gets_a_clear_error(make: Callable[[Path], Path], said: str, tmp_path: Path) -> None:
    with pytest.raises(AudioFileError) as caught:
        read(make(tmp_path))
    assert said in caught.value.message
    assert caught.value.hint


def test_a_file_that_vanishes_between_two_passes_is_told(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", tone(1.0))
    with open_audio(path) as audio:
        list(audio.blocks())
        path.unlink()
        with pytest.raises(AudioFileError, match="no file"):
            list(audio.blocks())


def test_a_file_that_vanishes_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", tone(3.0))
    with open_audio(path) as audio:
        blocks = audio.blocks()
        first = next(blocks)
        path.unlink()
        assert len(first) + sum(len(block) for block in blocks) == 3 * RATE


def test_a_forbidden_file_is_told(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", tone(1.0))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(AudioFileError, match="cannot be read"):
        open_audio(path)


def test_a_name_cannot_paint_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\x07.wav"
    path.write_bytes(b"not sound")
    with pytest.raises(AudioFileError) as caught:
        open_audio(path)
    assert "\x1b" not in caught.value.message


def test_two_tracks_become_two_channels(tmp_path: Path) -> None:
    mic, system = tone(1.0), tone(1.5, 880)
    got, _ = read(film(tmp_path / "x.mkv", [mic, system], picture=True))
    assert got.shape == (len(system), 2)
    assert got[: len(mic), 0] == pytest.approx(mic, abs=2 / 32768)
    assert not got[len(mic) :, 0].any()
    assert got[:, 1] == pytest.approx(system, abs=2 / 32768)


def test_a_translation_is_not_mixed_in(tmp_path: Path) -> None:
    got, _ = read(film(tmp_path / "x.mkv", [tone(1.0), tone(1.0, 880)], languages=["eng", "deu"]))
    assert got.shape == (RATE, 1)
    assert got[:, 0] == pytest.approx(tone(1.0), abs=2 / 32768)


def test_a_title_in_another_encoding_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Munchen"
        encode(container, container.add_stream("pcm_s16le", rate=RATE, layout="mono"), [(0, tone(1.0))])
    path.write_bytes(path.read_bytes().replace(b"Munchen", b"M\xfcnchen"[:7]))
    assert b"M\xfcnche" in path.read_bytes()
    assert len(read(path)[0]) == RATE


def test_a_name_in_another_encoding_does_not_matter(tmp_path: Path) -> None:
    for kind in ("wav", "mkv"):
        plain = tmp_path / f"x.{kind}"
        wav(plain, tone(1.0)) if kind == "wav" else film(plain, [tone(1.0)])
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfc." + kind.encode()))
        plain.rename(path)
        assert len(read(path)[0]) == RATE


def test_an_iteration_that_is_left_half_way_leaves_no_open_file(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", tone(5.0))

    def handles() -> int:
        return sum(os.readlink(f"/proc/self/fd/{fd}") == str(path) for fd in _fds())

    with AudioFile(path) as audio:
        blocks = audio.blocks()
        next(blocks)
        assert handles() == 1
        next(audio.blocks())
        assert handles() == 1
    assert handles() == 0
    del blocks


def _fds() -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        found.append(fd)
    return found
