"""Finishing: the chunks of a meeting become one file, FLAC or Opus. A kind of worker (`services.worker.handler`).

The file is written under another name, forced to the disk, decoded again and compared with the chunks: FLAC sample for
sample, Opus second for second (`services.recording.likeness`). Only then does it get its name, and only then do the
chunks go. At any moment the whole recording is in the chunks or in a verified archive; after an interruption the same
call carries on.

Neither the memory nor the format ends a long recording: a second of it is in memory at a time, FLAC counts up to 2^36
samples (49 days at 16 kHz) and Ogg up to 2^63; the chunks are short, so nothing in between has a limit of 4 GB. Packed
and compared: 4.4 billion frames, more than 2^32, 8.8 GB (`tests/benchmarks/archive.py --gb 8.8`).

Of an Opus archive the last 6 ms may fade out: libsndfile ends the stream before the encoder's look-ahead is used up.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from services.errors import AudioFileError, StorageError
from services.files import disk_error, sync_folder
from services.library.meeting import ArchiveFormat, Meeting
from services.recording.chunkfiles import chunk_numbers, chunk_path, lengths_path, told_layout
from services.recording.chunks import Pcm
from services.recording.likeness import alike
from services.recording.reader import ChunkReader, decode
from services.worker.handler import Call, Handler, Json

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
"""The sample rates in Hz that Opus knows (RFC 6716, 2.1.3)."""

OPUS_BITS = (24_000, 1.5)
"""Bits a second for each channel: at least the first, and the second for each sample. 24 kbit/s is transparent for wide
band speech (RFC 6716, 2.1.1: 16 to 20), a tenth of 16 kHz PCM, and with less the two channels leak into each other."""

_log = logging.getLogger("sotto.archive")

_BLOCK_SECONDS = 1.0
_NOTABLE_SECONDS = 0.01
"""The length in meeting.json is rounded to a thousandth."""
_KEPT = "The chunks are kept as they were."


class _DifferentError(StorageError):
    """What was packed is not what was recorded."""


def create() -> Handler:
    return {"archive": archive}


def archive(args: Json, call: Call) -> Json:
    """Make one file of a meeting's chunks, verify it and remove them. Done again, it does nothing.

    Where Opus is asked for but cannot hold the recording, FLAC takes it, and `detail` says why.

    Args:
        args: `meeting`, the folder of the meeting, and `format`, `flac` or `opus`.
        call: Told how far it is; may cancel.

    Returns:
        `bytes`, the size of the archive, `frames`, and `detail`, what there is to know about it.

    Raises:
        StorageError: The meeting is being recorded, the disk refused, or the archive is not what the chunks are.
        AudioFileError: There is nothing to archive.
        CancelledError: The chunks are all there still.
    """
    meeting = Meeting(Path(str(args["meeting"])))
    if meeting.stage("record") == "running":
        raise StorageError("The meeting is still being recorded.", "Archive it when the recording has ended.")
    detail = ""
    try:
        if not meeting.archive.is_file():
            detail = _make(meeting, args["format"], call)
        elif chunk_numbers(meeting.audio):
            reader = _reader(meeting)
            _compare(meeting.archive, reader, reader.frames, call)
        _remove(meeting)
    except OSError as error:
        raise disk_error(meeting.archive, error) from error
    frames = int(soundfile.info(meeting.archive).frames)
    return {"bytes": meeting.archive.stat().st_size, "frames": frames, "detail": detail}


def _reader(meeting: Meeting) -> ChunkReader:
    return ChunkReader(meeting.audio, told_layout(meeting))


def _make(meeting: Meeting, wanted: ArchiveFormat, call: Call) -> str:
    """Pack as it is wanted, else as FLAC; returns what there is to know about it."""
    reader = _reader(meeting)
    frames = reader.frames
    if not frames:
        raise AudioFileError("The recording holds no samples.", "There is nothing to pack.")
    if abs(frames / reader.rate - meeting.duration_s) > _NOTABLE_SECONDS:
        told = f"{meeting.duration_s:.3f} s were recorded, and the chunks hold {frames / reader.rate:.3f} s"
        _log.warning("%s: %s (%s)", meeting.folder, told, reader.describe())
    reason = ""
    if wanted == "opus":
        reason = _no_opus(reader.rate, frames)
        if not reason:
            try:
                _pack(meeting, "opus", reader, frames, call)
            except _DifferentError:
                reason = "Opus did not keep the sound close enough"
            else:
                return ""
    _pack(meeting, "flac", reader, frames, call)
    return f"Packed as FLAC: {reason}." if reason else ""


def _no_opus(rate: int, frames: int) -> str:
    """Why Opus cannot hold a recording; empty where it can."""
    if rate not in OPUS_RATES:
        return f"Opus does not know {rate} Hz, only {', '.join(map(str, OPUS_RATES))}"
    return (
        "" if frames >= rate * _BLOCK_SECONDS else "the recording is too short to compare it with what Opus makes of it"
    )


def _pack(meeting: Meeting, kind: ArchiveFormat, reader: ChunkReader, frames: int, call: Call) -> None:
    """Encode, compare, and give the file its name."""
    path = meeting.archive_as(kind)
    temporary = meeting.folder / f".{path.name}.tmp"
    try:
        _encode(temporary, _options(kind, reader), reader, frames, call)
        with soundfile.SoundFile(temporary) as packed:
            complete = packed.frames == frames
        if not complete:
            raise _different(temporary)
        _compare(temporary, reader, frames, call)
        os.replace(temporary, path)
        sync_folder(meeting.folder)
    finally:
        temporary.unlink(missing_ok=True)


def _options(kind: ArchiveFormat, reader: ChunkReader) -> dict[str, Any]:
    """What libsndfile is to write."""
    common = {"samplerate": reader.rate, "channels": reader.channels}
    if kind == "flac":
        return common | {"format": "FLAC", "subtype": "PCM_16"}
    bits = max(OPUS_BITS[0], OPUS_BITS[1] * reader.rate)
    # libsndfile has one scale for all codecs. For Opus, 1 to 0 are 6 to 256 kbit/s for each channel.
    return common | {"format": "OGG", "subtype": "OPUS", "compression_level": 1.0 - (bits - 6_000) / 250_000}


def _encode(path: Path, options: dict[str, Any], reader: ChunkReader, frames: int, call: Call) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(fd, 0o600)
        with soundfile.SoundFile(path, "w", **options) as out:
            for done, block in _blocks(reader, frames):
                call.check()
                call.progress(done, 2 * frames, "packing the recording")
                out.write(block)
        os.fsync(fd)
    except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all frames were taken
        raise StorageError(
            f"{path.with_name(path.name[1:-4])} cannot be written: {error or 'the disk took only a part'}.",
            f"Free some space, then try again. {_KEPT}",
        ) from error
    finally:
        os.close(fd)


def _compare(path: Path, reader: ChunkReader, frames: int, call: Call) -> None:
    """Raises `StorageError` unless `path` begins with the reader's first `frames`."""
    try:
        with soundfile.SoundFile(path) as packed:
            if (packed.samplerate, packed.channels) != (reader.rate, reader.channels):
                raise _different(path)
            lossy = packed.subtype == "OPUS"
            for done, block in _blocks(reader, frames):
                call.check()
                call.progress(frames + done, 2 * frames, "checking the packed recording")
                decoded = decode(packed, len(block))
                if not (alike(block, decoded, reader.rate) if lossy else np.array_equal(decoded, block)):
                    raise _different(path)
    except soundfile.SoundFileError as error:
        raise StorageError(f"{path} cannot be decoded: {error}.", _KEPT) from error


def _different(path: Path) -> _DifferentError:
    return _DifferentError(f"{path} does not hold what was recorded.", _KEPT)


def _blocks(reader: ChunkReader, frames: int) -> Iterator[tuple[int, Pcm]]:
    """The reader's first `frames` in blocks, each with the number of frames up to its end.

    The last one is longer than the others rather than shorter: a few samples cannot tell whether they are alike.
    """
    size = max(1, int(_BLOCK_SECONDS * reader.rate))
    done = 0
    while done < frames:
        left = frames - done
        block = reader.read(done, size if left >= 2 * size else left)
        done += len(block)
        yield done, block


def _remove(meeting: Meeting) -> None:
    """Remove the chunks, the last one first: what an interruption leaves is the beginning of the recording."""
    if not meeting.audio.is_dir():
        return
    for number in reversed(chunk_numbers(meeting.audio)):
        chunk_path(meeting.audio, number).unlink()
    lengths_path(meeting.audio).unlink(missing_ok=True)
    if not any(meeting.audio.iterdir()):
        meeting.audio.rmdir()
