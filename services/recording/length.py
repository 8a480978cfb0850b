"""How long an archive is, from what its file says of itself: nothing is decoded, no library is loaded."""

from __future__ import annotations

import os
from pathlib import Path

_FLAC_HEAD = 42
_OPUS_RATE = 48000
_LONGEST_PAGE = 65307
"""The most bytes that a page of Ogg has (RFC 3533, 6)."""


def archive_seconds(path: Path) -> float:
    """Seconds of a FLAC or Ogg Opus file as sotto packs it; 0 where it does not tell.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * _LONGEST_PAGE))
        tail = file.read()
    if head.startswith(b"fLaC"):
        return _flac_seconds(head)
    return _opus_seconds(head, tail) if head.startswith(b"OggS") else 0.0


def _flac_seconds(head: bytes) -> float:
    """From the STREAMINFO, which comes first (RFC 9639, 8.2)."""
    if len(head) < _FLAC_HEAD or head[4] & 0x7F:
        return 0.0
    numbers = int.from_bytes(head[18:26], "big")  # 20 bits rate, 3 channels - 1, 5 bits a sample - 1, 36 samples
    rate, samples = numbers >> 44, numbers & ((1 << 36) - 1)
    return samples / rate if rate else 0.0


def _opus_seconds(head: bytes, tail: bytes) -> float:
    """From the position of the last page, in samples at 48 kHz, without those to skip (RFC 7845, 4 and 5.1)."""
    start, last = head.find(b"OpusHead"), tail.rfind(b"OggS")
    if start < 0 or len(head) < start + 12 or last < 0 or len(tail) < last + 14:
        return 0.0
    skip = int.from_bytes(head[start + 10 : start + 12], "little")
    position = int.from_bytes(tail[last + 6 : last + 14], "little", signed=True)
    return max(0, position - skip) / _OPUS_RATE
