"""Reading any file with sound: from broken headers, odd containers, and files that are no sound at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.audio.container import ContainerReader
from services.audio.decode import AudioFile, open_audio
from services.errors import AudioFileError

Block = NDArray[np.float32]

RATE = 16_000


def tone(seconds: float, hertz: float = 440.0, rate: int = RATE) -> Block:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav(path: Path, samples: Block, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def read(path: Path, seconds: float = 1.0) -> tuple[Block, list[str]]:
    with open_audio(path) as audio:
        blocks = list(audio.blocks(seconds))
        assert all(block.dtype == np.float32 and block.shape[1] == audio.channels for block in blocks)
        return np.concatenate(blocks), audio.warnings


def film(path: Path, tracks: list[Block], *, picture: bool = False, languages: list[str] | None = None) -> Path:
    """A container with sound tracks (FLAC, at `RATE`, each float32 (n,)) and perhaps a picture."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p") if picture else None
        sound = [container.add_stream("flac", rate=RATE, layout="mono") for _ in tracks]
        for stream, language in zip(sound, languages or [], strict=False):
            stream.metadata["language"] = language
        if video is not None:
            for _ in range(10):
                container.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
            container.mux(video.encode(None))
        for stream, samples in zip(sound, tracks, strict=True):
            _encode(container, stream, [(0, samples)])
    return path


def _encode(container: av.container.OutputContainer, stream: av.AudioStream, pieces: list[tuple[int, Block]]) -> None:
    """Encode pieces that begin at the given frame."""
    for start, samples in pieces:
        for at in range(0, len(samples), 1600):
            pcm = (samples[None, at : at + 1600] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start + at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


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


def patched(path: Path, at: int, data: bytes) -> Path:
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 10 * 2 * 2 * RATE])
def test_a_wav_whose_sizes_lie_is_read_whole(size: int, tmp_path: Path) -> None:
    samples = tone(2.0)
    path = wav(tmp_path / "x.wav", samples)
    assert path.read_bytes()[36:40] == b"data"
    patched(patched(path, 4, size.to_bytes(4, "little")), 40, size.to_bytes(4, "little"))
    got, _ = read(path)
    assert got[:, 0] == pytest.approx(samples, abs=2 / 32768)


def test_a_file_that_was_cut_short_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", tone(2.0))
    path.write_bytes(path.read_bytes()[: 44 + 2 * RATE])
    got, warnings = read(path)
    assert len(got) == RATE
    assert any("cut short" in warning for warning in warnings)


def test_a_chunk_that_claims_gigabytes_takes_none(tmp_path: Path) -> None:
    raw = wav(tmp_path / "x.wav", tone(1.0)).read_bytes()
    path = tmp_path / "list.wav"
    path.write_bytes(raw[:36] + b"LIST" + (0xA1000047).to_bytes(4, "little") + b"INFO" + raw[36:])
    code = (
        "import resource, sys; from pathlib import Path; from services.audio.decode import open_audio\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: open_audio(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, str(path)], capture_output=True, text=True, check=True)
    name, grown = done.stdout.split()
    assert name == "AudioFileError"
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 20e6


@pytest.mark.parametrize("rate", [1, 440, 1_092_676, 0x7FFFFFFF])
def test_absurd_rates_are_no_recording(rate: int, tmp_path: Path) -> None:
    path = patched(wav(tmp_path / "x.wav", tone(0.1)), 24, rate.to_bytes(4, "little"))
    with pytest.raises(AudioFileError, match="Hz"):
        open_audio(path)


def test_what_is_not_a_number_becomes_silence(tmp_path: Path) -> None:
    samples = tone(1.0)
    samples[100:110] = np.nan
    samples[200:210] = np.inf
    samples[300:310] = -np.inf
    samples[400:410] = 1e30
    got, _ = read(wav(tmp_path / "x.wav", samples, subtype="FLOAT"))
    bad = np.r_[100:110, 200:210, 300:310, 400:410]
    assert not got[bad, 0].any()
    good = np.setdiff1d(np.arange(len(samples)), bad)
    assert got[good, 0] == pytest.approx(samples[good])


def test_damage_in_the_middle_costs_no_time(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 6 * RATE).astype(np.float32)
    path = wav(tmp_path / "x.flac", samples)
    middle = path.stat().st_size // 2
    patched(path, middle, bytes(range(64)))
    got, warnings = read(path)
    assert warnings == ["Parts of the file are damaged and were passed over."]
    assert len(got) == len(samples)
    for part in (slice(0, 2 * RATE), slice(4 * RATE, 6 * RATE)):
        assert got[part, 0] == pytest.approx(samples[part], abs=2 / 32768)


def test_a_hole_in_the_time_line_becomes_silence(tmp_path: Path) -> None:
    path = tmp_path / "hole.mkv"
    first, second = tone(1.0), tone(1.0, 880)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        _encode(container, stream, [(0, first), (3 * RATE, second)])
    got, _ = read(path)
    assert len(got) == 4 * RATE
    assert got[:RATE, 0] == pytest.approx(first, abs=2 / 32768)
    assert not got[RATE : 3 * RATE].any()
    assert got[3 * RATE :, 0] == pytest.approx(second, abs=2 / 32768)


def test_a_rate_that_changes_on_the_way_changes_nothing_behind(tmp_path: Path) -> None:
    """Two MPEG streams in one file: 44.1 kHz, then 22.05 kHz."""
    parts = []
    for rate in (44_100, 22_050):
        soundfile.write(tmp_path / "part.mp3", tone(2.0, rate=rate), rate, subtype="MPEG_LAYER_III")
        parts.append((tmp_path / "part.mp3").read_bytes())
    joined = tmp_path / "x.mp3"
    joined.write_bytes(b"".join(parts))
    reader = ContainerReader(joined, lambda _: None)
    samples = np.concatenate(list(reader.blocks(4096)))
    assert (reader.rate, reader.channels) == (44_100, 1)
    assert len(samples) == pytest.approx(4 * 44_100, rel=0.05)
    for second in (0.5, 3.0):
        piece = samples[round(second * 44_100) :][:22_050, 0]
        loudest = np.argmax(np.abs(np.fft.rfft(piece))) * 44_100 / len(piece)
        assert loudest == pytest.approx(440, abs=4)


def test_time_stamps_cannot_make_days_of_seconds(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        _encode(container, stream, [(n * 599 * RATE, tone(0.1)) for n in range(200)])
    with open_audio(path) as audio:
        assert 10 * RATE < sum(len(block) for block in audio.blocks()) < 4000 * RATE


def test_sound_without_a_decoder_is_told(tmp_path: Path) -> None:
    path = film(tmp_path / "x.mkv", [tone(1.0)])
    path.write_bytes(path.read_bytes().replace(b"A_FLAC", b"A_XLAC"))
    with pytest.raises(AudioFileError, match="cannot decode"):
        open_audio(path)


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Half a second in every family of formats."""
    root = tmp_path_factory.mktemp("small")
    made = [film(root / f"x.{kind}", [tone(0.5)], picture=True) for kind in ("mkv", "mp4")]
    for kind in ("wav", "aiff", "flac", "ogg", "mp3", "caf", "w64", "au"):
        soundfile.write(root / f"x.{kind}", tone(0.5), RATE)
        made.append(root / f"x.{kind}")
    return made


EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8), st.integers(0, 200)), max_size=8)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 9), EDITS, st.floats(0.05, 1))
def test_any_damage_ends_in_sound_or_in_a_clear_error(
    small_files: list[Path], tmp_path: Path, which: int, edits: list[tuple[float, bytes, int]], kept: float
) -> None:
    """Feature: decoding, Property 2: no file, however damaged, fails in another way than with an AudioFileError."""
    source = small_files[which]
    data = bytearray(source.read_bytes())
    for place, put, gone in edits:
        # Most of what matters stands at the beginning.
        at = int(place**3 * len(data))
        data[at : at + (gone if gone > 100 else len(put))] = put
    path = tmp_path / source.name
    path.write_bytes(data[: max(1, round(kept * len(data)))] if kept < 0.9 else data)
    try:
        got, _ = read(path)
    except AudioFileError as error:
        assert error.message and error.hint
    else:
        assert np.isfinite(got).all()
        assert len(got) < 4000 * 768_000


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
        _encode(container, container.add_stream("pcm_s16le", rate=RATE, layout="mono"), [(0, tone(1.0))])
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
