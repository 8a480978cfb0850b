"""model.json: what a model that was downloaded consists of, so that it can be looked at again later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.errors import ModelError
from services.files import write_atomic
from services.models.checksums import Heed, sha256_of
from services.models.entry import Archive, Hub
from services.models.store import MANIFEST

Fault = tuple[str, str]
"""The path of a file below the model's folder, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class FileSum:
    """A file of a model.

    Attributes:
        path: Below the model's folder.
        size: In bytes.
        sha256: 64 hex digits.
    """

    path: str
    size: int
    sha256: str


def describe(folder: Path, heed: Heed) -> list[FileSum]:
    """The files that lie below `folder`, by path.

    Raises:
        OSError: One cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return [FileSum(str(p.relative_to(folder)), p.stat().st_size, sha256_of(p, heed)) for p in paths]


def write(folder: Path, origin: Hub | Archive, files: list[FileSum]) -> None:
    """Say what the model in `folder` consists of: from now on it is there.

    Raises:
        StorageError: The disk refuses.
    """
    text = {
        "origin": asdict(origin),
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": [asdict(file) for file in files],
    }
    write_atomic(folder / MANIFEST, json.dumps(text, indent=1) + "\n")


def read(folder: Path) -> list[FileSum]:
    """What the model in `folder` consists of.

    Raises:
        ModelError: Its model.json is missing or damaged.
    """
    try:
        described = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        files = [FileSum(str(each["path"]), int(each["size"]), str(each["sha256"])) for each in described]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{folder / MANIFEST} cannot be read, so nobody knows whether the model is whole.") from error
    return files


def faults(folder: Path, heed: Heed) -> Iterator[Fault]:
    """What is wrong with the model in `folder`, file by file as they are read. Nothing, where it is whole."""
    try:
        files = read(folder)
    except ModelError:
        yield MANIFEST, "cannot be read"
        return
    if not files:
        yield MANIFEST, "names no files"
    for file in files:
        path = folder / file.path
        try:
            size = path.stat().st_size
            if size != file.size:
                yield file.path, f"has {size:,} bytes instead of {file.size:,}"
            elif sha256_of(path, heed) != file.sha256:
                yield file.path, "has another content than when it was fetched"
        except FileNotFoundError:
            yield file.path, "is missing"
        except OSError as error:
            yield file.path, f"cannot be read ({error.strerror})"
