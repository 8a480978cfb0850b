"""Where downloaded models lie: `ENGINE/MODEL/` below the folder of models, each with a model.json written last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services import paths
from services.errors import MeetingBusyError, MissingModelError, ModelError
from services.files import disk_error
from services.library.marker import Marker
from services.memory.components import is_app
from services.models.catalogue import EngineEntry

MANIFEST = "model.json"
"""What was downloaded: sizes and checksums. A folder without it was never finished."""


def folder_of(engine: str, model: str) -> Path:
    """Where a model lies, or would."""
    return paths.models() / engine / model


def part_of(engine: str, model: str) -> Path:
    """Where what has arrived of a model lies while it is fetched, and after that was broken off."""
    return paths.models() / engine / f"{model}.part"


def is_installed(engine: str, model: str) -> bool:
    return (folder_of(engine, model) / MANIFEST).is_file()


def locate(entry: EngineEntry, model: str) -> str:
    """What an engine's class takes for `model`: the folder of a model that was downloaded, else `model` itself.

    Raises:
        MissingModelError: It has not been downloaded; the hint says how to get it.
    """
    known = entry.model(model)
    if known is None or known.origin is None:
        return model
    if not is_installed(entry.name, model):
        raise MissingModelError(
            f"The model {entry.name}:{model} is not on this machine.",
            f"Get it with `sotto models pull {entry.name}:{model}` ({known.size_mb} MB).",
        )
    return str(folder_of(entry.name, model))


def size_of(folder: Path) -> int:
    """What the files below `folder` take, in bytes; 0 where there is none."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it has gone meanwhile
                total += os.lstat(os.path.join(place, name)).st_size
    return total


@contextmanager
def held(engine: str, model: str) -> Iterator[None]:
    """Nobody else fetches or removes this model meanwhile.

    Raises:
        ModelError: Somebody does.
        StorageError: The folder of models cannot be written.
    """
    paths.private(paths.models())
    folder = paths.private(part_of(engine, model).parent)
    try:
        marker = Marker(folder / f".{model}.busy", is_app)
    except MeetingBusyError as error:
        raise ModelError(f"Another sotto is at work on {engine}:{model}.", "Wait until it has finished.") from error
    with marker:
        yield


def remove(engine: str, model: str) -> int:
    """Delete a model that was downloaded, and what arrived of one that was not finished.

    A process that has it loaded keeps it until it is done.

    Returns:
        How many bytes that made free.

    Raises:
        ModelError: Another sotto is fetching it.
        StorageError: The disk refuses.
    """
    freed = 0
    with held(engine, model):
        for folder in (folder_of(engine, model), part_of(engine, model)):
            try:
                if folder.is_symlink():
                    folder.unlink()  # somebody keeps it elsewhere: what lies there is theirs
                elif folder.exists():
                    size = size_of(folder)
                    (folder / MANIFEST).unlink(missing_ok=True)  # first: half a model must not look like one
                    shutil.rmtree(folder)
                    freed += size
            except OSError as error:
                raise disk_error(folder, error) from error
    with suppress(OSError):
        folder_of(engine, model).parent.rmdir()  # unless another model lies there
    return freed
