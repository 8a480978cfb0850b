"""ZIP archives of models: only files, only below one folder, and no larger than a model may be."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from services.errors import DownloadError
from services.files import disk_error
from services.models.checksums import Heed

_MOST_FILES = 1000
"""A model of Vosk has about twenty."""
_MOST_GROWTH = 10
"""The models of Vosk become 1.5 to 2 times as large as their archives; rows of zeros 1000 times."""
_ALWAYS_ALLOWED = 1 << 20
_BLOCK = 1 << 20
_PUT_THERE_BY_SYSTEMS = ("__MACOSX", ".DS_Store")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    IndexError,
)
"""What zipfile raises for an archive that is none: not everything in it that is damaged is a `BadZipFile`."""


def unpacked_size(archive: Path) -> int:
    """What all files of an archive take, in bytes, by its own word.

    Raises:
        DownloadError: It is no ZIP file, or holds what no model holds.
    """
    with _opened(archive) as file:
        return sum(info.file_size for info, _ in _wanted(file, archive))


def unpack(archive: Path, folder: Path, heed: Heed) -> None:
    """Write the files of an archive below `folder`, without the one folder that is around them all.

    Args:
        archive: A ZIP file. Its checksum was looked at before; nothing here relies on that.
        folder: Where they go; it is there. What lies there in their place is replaced.
        heed: Hears of the progress.

    Raises:
        DownloadError: It is no ZIP file, is damaged, or holds what no model holds.
        StorageError: The disk refuses.
    """
    with _opened(archive) as file:
        for info, path in _wanted(file, archive):
            _write(file, info, folder / path, heed)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as file:
            yield file
    except _BROKEN as error:
        raise DownloadError(f"{archive.name} is no archive that can be unpacked.") from error


def _wanted(file: zipfile.ZipFile, archive: Path) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files, each with its path without the folder around them all.

    Raises:
        DownloadError: There is more than one such folder, or something that is no file of a model.
    """
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    folders: set[PurePosixPath] = set()
    tops: set[str] = set()
    for info in file.infolist():
        path = PurePosixPath(info.filename)
        if info.is_dir() or path.name in _PUT_THERE_BY_SYSTEMS or path.parts[:1] == _PUT_THERE_BY_SYSTEMS[:1]:
            continue
        inner = PurePosixPath(*path.parts[1:])
        around = inner.parents[:-1]
        taken = inner in found or inner in folders or not found.keys().isdisjoint(around)
        if taken or not _is_plain(info) or len(path.parts) < 2:
            raise DownloadError(f"{archive.name} holds something that is no file of a model: {path.name!a}.")
        found[inner] = info
        folders.update(around)
        tops.add(path.parts[0])
    total = sum(info.file_size for info in found.values())
    if len(tops) != 1 or len(found) > _MOST_FILES:
        raise DownloadError(f"{archive.name} does not hold one model, but {len(tops)} folders with {len(found)} files.")
    if total > max(_ALWAYS_ALLOWED, _MOST_GROWTH * archive.stat().st_size):
        raise DownloadError(f"{archive.name} would become {total / 1e6:,.0f} MB, which no model of its size does.")
    return [(info, path) for path, info in found.items()]


def _is_plain(info: zipfile.ZipInfo) -> bool:
    """Whether it is a regular file, packed as all ZIP programs do, without a password, below its folder."""
    name, mode = info.filename, info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    return (
        kind in (0, stat.S_IFREG)
        and not info.flag_bits & 1
        and info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        and info.header_offset >= 0
        and not name.startswith("/")
        and not any(part in ("", ".", "..") for part in name.split("/"))
        and not any(ord(letter) < 32 or letter in "\\:" for letter in name)
    )


def _write(file: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, heed: Heed) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.unlink(missing_ok=True)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb") as out, file.open(info) as source:
            # `read` gives no more than the size that was added up before, and looks at the CRC at the end.
            while block := source.read(_BLOCK):
                out.write(block)
                heed(len(block))
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise disk_error(target, error) from error
