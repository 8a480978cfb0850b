"""Finishing: the chunks of a meeting become one FLAC file. A kind of worker (`services.worker.handler`).

The file is written under another name, forced to the disk, decoded again and compared with the chunks sample for
sample. Only then does it get its name, and only then do the chunks go. At any moment the whole recording is in the
chunks or in a verified `audio.flac`; after an interruption the same call carries on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from services.errors import AudioFileError, StorageError
from services.files import disk_error, sync_folder
from services.library.meeting import Meeting
from services.recording.chunkfiles import chunk_numbers, chunk_path, told_layout
from services.recording.chunks import Pcm
from services.recording.reader import ChunkReader
from services.worker.handler import Call, Handler, Json

_BLOCK_SECONDS = 1.0
_KEPT = "The chunks are kept as they were."


def create() -> Handler:
    return {"archive": archive}


def archive(args: Json, call: Call) -> Json:
    """Make `audio.flac` of a meeting's chunks, verify it and remove them. Done again, it does nothing.

    Args:
        args: `meeting`, the folder of the meeting.
        call: Told how far it is; may cancel.

    Returns:
        `bytes`, the size of the archive, and `frames`.

    Raises:
        StorageError: The meeting is being recorded, the disk refused, or the archive is not what the chunks are.
        AudioFileError: There is nothing to archive.
        CancelledError: The chunks are all there still.
    """
    meeting = Meeting(Path(str(args["meeting"])))
    if meeting.stage("record") == "running":
        raise StorageError("The meeting is still being recorded.", "Archive it when the recording has ended.")
    try:
        if not meeting.archive.exists():
            _make(meeting, _reader(meeting), call)
        elif chunk_numbers(meeting.audio):
            reader = _reader(meeting)
            _compare(meeting.archive, reader, reader.frames, call)
        _remove(meeting)
    except OSError as error:
        raise disk_error(meeting.archive, error) from error
    return {"bytes": meeting.archive.stat().st_size, "frames": int(soundfile.info(meeting.archive).frames)}


def _reader(meeting: Meeting) -> ChunkReader:
    return ChunkReader(meeting.audio, told_layout(meeting))


def _make(meeting: Meeting, reader: ChunkReader, call: Call) -> None:
    """Encode, compare, and give the file its name."""
    frames = reader.frames
    if not frames:
        raise AudioFileError("The recording holds no samples.", "There is nothing to pack.")
    temporary = meeting.folder / ".audio.flac.tmp"
    try:
        _encode(temporary, reader, frames, call)
        with soundfile.SoundFile(temporary) as packed:
            complete = packed.frames == frames
        if not complete:
            raise _different(temporary)
        _compare(temporary, reader, frames, call)
        os.replace(temporary, meeting.archive)
        sync_folder(meeting.folder)
    finally:
        temporary.unlink(missing_ok=True)


def _encode(path: Path, reader: ChunkReader, frames: int, call: Call) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(fd, 0o600)
        with soundfile.SoundFile(path, "w", reader.rate, reader.channels, "PCM_16", format="FLAC") as out:
            for done, block in _blocks(reader, frames):
                call.check()
                call.progress(done, 2 * frames, "packing the recording")
                out.write(block)
        os.fsync(fd)
    except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all frames were taken
        raise StorageError(
            f"{path.parent / 'audio.flac'} cannot be written: {error or 'the disk took only a part'}.",
            f"Free some space, then try again. {_KEPT}",
        ) from error
    finally:
        os.close(fd)


def _compare(path: Path, reader: ChunkReader, frames: int, call: Call) -> None:
    """Raises `StorageError` unless `path` begins with the reader's first `frames`, sample for sample."""
    try:
        with soundfile.SoundFile(path) as packed:
            if (packed.samplerate, packed.channels) != (reader.rate, reader.channels):
                raise _different(path)
            for done, block in _blocks(reader, frames):
                call.check()
                call.progress(frames + done, 2 * frames, "checking the packed recording")
                if not np.array_equal(packed.read(len(block), dtype="int16", always_2d=True), block):
                    raise _different(path)
    except soundfile.SoundFileError as error:
        raise StorageError(f"{path} cannot be decoded: {error}.", _KEPT) from error


def _different(path: Path) -> StorageError:
    return StorageError(f"{path} does not hold what was recorded.", _KEPT)


def _blocks(reader: ChunkReader, frames: int) -> Iterator[tuple[int, Pcm]]:
    """The reader's first `frames` in blocks, each with the number of frames up to its end."""
    size = max(1, int(_BLOCK_SECONDS * reader.rate))
    done = 0
    while done < frames:
        block = reader.read(done, min(size, frames - done))
        done += len(block)
        yield done, block


def _remove(meeting: Meeting) -> None:
    """Remove the chunks, the last one first: what an interruption leaves is the beginning of the recording."""
    if not meeting.audio.is_dir():
        return
    for number in reversed(chunk_numbers(meeting.audio)):
        chunk_path(meeting.audio, number).unlink()
    if not any(meeting.audio.iterdir()):
        meeting.audio.rmdir()
