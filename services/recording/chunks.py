"""The chunk format: a recording as a row of WAV files that is safe at every moment.

`audio/000000.wav`, `000001.wav` ... hold 16-bit PCM, little endian, one channel per source, behind a header of 44
bytes. All chunks but the last have the same number of frames, so the file and the place of a position are arithmetic.
Where somebody changes that number while the recording runs, `audio/lengths.jsonl` says from which chunk on it holds.

What a crash costs:
- Samples go to the kernel as they come, at least ten times a second. Killing the recorder loses what had not come yet.
- The sizes in the header are set right every 0.5 s, so the unfinished file is a valid WAV all the time and any player
  plays all but its last half second. Our reader goes by the size of the file and misses nothing.
- Every 5 s, and when a chunk ends, the file is forced to the disk (fsync): a power cut loses 5 s at the most.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services import paths
from services.errors import StorageError
from services.files import disk_error, sync_folder
from services.recording.chunkfiles import (
    HEADER_BYTES,
    Layout,
    add_length,
    chunk_frames,
    chunk_path,
    header,
    lengths_path,
    parse_header,
)

__all__ = ["HEADER_BYTES", "ChunkWriter", "Layout", "Pcm", "chunk_frames", "chunk_path", "header", "parse_header"]

Pcm = NDArray[np.int16]
"""Samples (frames, channels), native byte order."""

_log = logging.getLogger("sotto.chunks")

FLUSH_SECONDS = 0.5
SYNC_SECONDS = 5.0


class ChunkWriter:
    """Writes a recording's chunks. One thread uses it. A chunk's file appears with its first sample.

    Args:
        folder: The folder of chunks; made when missing, mode 0700. The files get mode 0600, whatever the umask.
        rate: Sample rate in Hz.
        channels: Number of channels.
        chunk_seconds: Length of a chunk.

    Raises:
        StorageError: The folder cannot be made.
    """

    def __init__(self, folder: Path, rate: int, channels: int, chunk_seconds: float = 30.0) -> None:
        self.layout = Layout(rate, channels, chunk_frames(rate, chunk_seconds))
        self.folder = paths.private(folder)
        self.frames = 0
        self._next_frames = self.layout.chunk_frames
        self._number = 0
        self._fd: int | None = None
        self._in_chunk = 0
        self._flushed_at = self._synced_at = time.monotonic()

    @property
    def bytes(self) -> int:
        """What the chunks take on disk."""
        chunks = self._number + (self._fd is not None)
        return self.frames * self.layout.frame_bytes + chunks * HEADER_BYTES

    def change(self, chunk_seconds: float) -> None:
        """Make chunks of another length, from the next one on."""
        self._next_frames = chunk_frames(self.layout.rate, chunk_seconds)

    def write(self, block: Pcm) -> None:
        """Append `block`, shape (frames, channels), and keep the flushing intervals. It may be empty.

        Raises:
            StorageError: The disk is full or cannot be written. What was written before stays valid; `close` still
                works.
        """
        try:
            while len(block):
                if self._fd is None and self._next_frames != self.layout.chunk_frames:
                    self._adopt_length()
                piece = block[: self.layout.chunk_frames - self._in_chunk]
                self._append(piece)
                block = block[len(piece) :]
                if self._in_chunk == self.layout.chunk_frames:
                    self._end_chunk()
            now = time.monotonic()
            if now - self._synced_at >= SYNC_SECONDS:
                self.sync()
            elif now - self._flushed_at >= FLUSH_SECONDS:
                self.flush()
        except OSError as error:
            raise self._error(error) from error

    def flush(self) -> None:
        """Set the sizes in the unfinished chunk's header right."""
        self._flushed_at = time.monotonic()
        if self._fd is not None:
            os.pwrite(self._fd, header(self.layout, self._in_chunk * self.layout.frame_bytes), 0)

    def sync(self) -> None:
        """Flush, and force the unfinished chunk to the disk."""
        self.flush()
        if self._fd is not None:
            # A file that was removed takes all that is written to it, and nobody will ever find it.
            os.stat(chunk_path(self.folder, self._number))
            os.fsync(self._fd)
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """End the last chunk.

        Raises:
            StorageError: The disk refused; the samples that were written are there all the same.
        """
        try:
            self._end_chunk()
        except OSError as error:
            raise self._error(error) from error

    def discard(self) -> None:
        """Remove the chunks and their folder: for a recording that came to hold no frame."""
        if self.frames:
            raise ValueError("a recording with samples is never thrown away")
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        chunk_path(self.folder, 0).unlink(missing_ok=True)
        lengths_path(self.folder).unlink(missing_ok=True)
        self.folder.rmdir()

    def _adopt_length(self) -> None:
        """Begin with the other length. A reader has to know before the next chunk is there."""
        try:
            add_length(self.folder, self._number, self._next_frames)
        except (StorageError, OSError) as error:
            _log.warning("chunks keep their length: %s", error)
            self._next_frames = self.layout.chunk_frames
        else:
            changes = (*self.layout.changes, (self._number, self._next_frames))
            self.layout = replace(self.layout, chunk_frames=self._next_frames, changes=changes)

    def _append(self, piece: Pcm) -> None:
        fd = self._open()
        data = np.ascontiguousarray(piece, "<i2").data.cast("B")
        done = 0
        try:
            while done < len(data):
                done += os.write(fd, data[done:])
        finally:
            # A full disk may take a part: whole frames count, the rest of a frame goes.
            whole = done // self.layout.frame_bytes
            self._in_chunk += whole
            self.frames += whole
            if done % self.layout.frame_bytes:
                end = HEADER_BYTES + self._in_chunk * self.layout.frame_bytes
                os.ftruncate(fd, end)
                os.lseek(fd, end, os.SEEK_SET)

    def _open(self) -> int:
        if self._fd is None:
            fd = os.open(chunk_path(self.folder, self._number), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            self._fd = fd
            os.fchmod(fd, 0o600)
            os.write(fd, header(self.layout, 0))
            os.lseek(fd, HEADER_BYTES, os.SEEK_SET)
            sync_folder(self.folder)
            if self._number == 0:  # and the names that lead there: the meeting's folder, and the one of all meetings
                sync_folder(self.folder.parent)
                sync_folder(self.folder.parent.parent)
        return self._fd

    def _end_chunk(self) -> None:
        if self._fd is None:
            return
        try:
            self.sync()
        finally:
            os.close(self._fd)
            self._fd = None
            self._number += 1
            self._in_chunk = 0

    def _error(self, error: OSError) -> StorageError:
        return disk_error(chunk_path(self.folder, self._number), error)
