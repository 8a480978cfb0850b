"""Damaged files with sound: what is there is read, in bounded time and memory, and what is not is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audio.container import ContainerReader
from services.audio.decode import open_audio
from services.errors import AudioFileError
from tests.unit.sound_files import RATE, encode, film, read, tone, wav


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
        encode(container, stream, [(0, first), (3 * RATE, second)])
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
        encode(container, stream, [(n * 599 * RATE, tone(0.1)) for n in range(200)])
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
