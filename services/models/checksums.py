"""Checksums of files of any size, read block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

Heed = Callable[[int], None]
"""Is called with the number of bytes that were dealt with since the last call. What it raises ends the work."""

_BLOCK = 1 << 20


def sha256_of(path: Path, heed: Heed) -> str:
    """The SHA-256 of a file, 64 hex digits.

    Raises:
        OSError: It cannot be read.
    """
    return _digest(path, hashlib.sha256(), heed)


def git_sha1_of(path: Path, heed: Heed) -> str:
    """The name that git gives to the content of a file, 40 hex digits: SHA-1 over `blob SIZE`, a zero and the content.

    Raises:
        OSError: It cannot be read.
    """
    # It tells a damaged file from a whole one. What must not be forged has a SHA-256 beside it.
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(f"blob {path.stat().st_size}\0".encode())
    return _digest(path, digest, heed)


def _digest(path: Path, digest: hashlib._Hash, heed: Heed) -> str:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            heed(len(block))
    return digest.hexdigest()
