"""Getting a model: fetched beside its place, looked at, and put there when it is whole."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services import paths
from services.endpoint import Retries
from services.errors import CancelledError, DownloadError, ModelError, StorageError
from services.events import Progress
from services.files import disk_error, sync_folder
from services.models import hub, manifest
from services.models.checksums import sha256_of
from services.models.entry import Archive, Hub, ModelEntry
from services.models.fetch import KEPT, PATIENT, Fetcher, shown
from services.models.part import Part
from services.models.store import MANIFEST, folder_of, held, is_installed, part_of, size_of
from services.models.unpack import unpack, unpacked_size

Show = Callable[[Progress], None]

_FILES = "files"
_ARCHIVE = "archive.zip"
_OLD = "old"

_SPARE = 1.1
"""So many times what is to be written has to be free: nobody else stops writing meanwhile."""

_GROWTH = 2
"""A Vosk model takes up to so many times its archive; after the download it is known exactly."""


def pull(engine: str, model: ModelEntry, cancel: threading.Event, show: Show, retries: Retries = PATIENT) -> bool:
    """Get a model, or what is missing of it. One that is here and whole costs a look at its checksums.

    Args:
        engine: Name of its engine.
        model: Its entry; it has an origin.
        cancel: Ends the work; what has arrived stays.
        show: Hears of the progress, in bytes, on this thread.
        retries: How long to go on when a server fails.

    Returns:
        Whether something had to be fetched.

    Raises:
        DownloadError: A server does not help, or what it sends is not the model. What has arrived stays, damaged
            files apart.
        StorageError: The disk refuses, or has not enough room.
        ModelError: Another sotto is fetching it.
        UsageError: The proxy or the token of the environment cannot be used.
        CancelledError
    """
    course = _Course(cancel, show)
    folder, part = folder_of(engine, model.name), part_of(engine, model.name)
    label = f"{engine}:{model.name}"
    with held(engine, model.name):
        if is_installed(engine, model.name) and not list(manifest.faults(folder, course.checking(label, folder))):
            return False
        try:
            paths.private(part)
            _keep_what_is_whole(folder, part)
            with _fetcher(cancel, retries) as fetcher:
                match model.origin:
                    case Hub() as origin:
                        _from_hub(origin, fetcher, part, course)
                    case Archive() as origin:
                        _from_archive(origin, fetcher, part, course)
                    case None:
                        raise ModelError(f"{label} comes with its engine: there is nothing to fetch.")
            _put_in_place(model.origin, part, folder, course)
        except OSError as error:
            raise disk_error(part, error) from error
        finally:
            if part.exists() and not size_of(part):
                shutil.rmtree(part, ignore_errors=True)  # nothing arrived: there is nothing to go on with
    return True


class _Course:
    """How far a download is, and whether it is still wanted."""

    def __init__(self, cancel: threading.Event, show: Show) -> None:
        self._cancel = cancel
        self._show = show

    def at(self, what: str, done: float, total: float) -> None:
        """Tell where the work is.

        Raises:
            CancelledError: It is no longer wanted.
        """
        if self._cancel.is_set():
            raise CancelledError("The download was cancelled.", KEPT)
        self._show(Progress(what, done, total))

    def counting(self, what: str, total: float) -> Callable[[int], None]:
        """Adds up steps towards `total`."""
        done = 0

        def heed(step: int) -> None:
            nonlocal done
            done += step
            self.at(what, done, total)

        return heed

    def checking(self, name: str, folder: Path) -> Callable[[int], None]:
        """For work that reads every file below `folder`."""
        return self.counting(f"Checking {name}", size_of(folder))


@contextmanager
def _fetcher(cancel: threading.Event, retries: Retries) -> Iterator[Fetcher]:
    fetcher = Fetcher(cancel, hub.token(), hub.endpoint(), retries)
    try:
        yield fetcher
    finally:
        fetcher.close()


def _keep_what_is_whole(folder: Path, part: Path) -> None:
    """A model that is damaged becomes the beginning of its own repair."""
    if folder.is_dir() and not folder.is_symlink() and not (part / _FILES).exists():
        (folder / MANIFEST).unlink(missing_ok=True)
        folder.replace(part / _FILES)


def _from_hub(origin: Hub, fetcher: Fetcher, part: Path, course: _Course) -> None:
    course.at("Asking the hub", 0, 0)
    wanted = hub.files_of(origin, fetcher)
    files = paths.private(part / _FILES)
    _sweep(files, {file.path for file in wanted})
    missing = []
    for file in wanted:
        there = Part(files / file.path)
        paths.private(there.path.parent)
        if not file.matches(there, course.counting(f"Checking {file.path}", file.size)):
            there.path.unlink(missing_ok=True)
            missing.append((file, there))
        else:
            there.drop()
    _see_room(part, sum(file.size - there.size for file, there in missing))
    total = sum(file.size for file in wanted)
    here = total - sum(file.size for file, _ in missing)
    for file, there in missing:

        def tell(done: int, _: int, what: str = file.path, before: int = here) -> None:
            course.at(f"Fetching {what}", before + done, total)

        fetcher.save(file.url, there, file.size, tell)
        if not file.matches(there, course.counting(f"Checking {file.path}", file.size)):
            there.path.unlink()
            raise _damaged(file.url)
        here += file.size


def _from_archive(origin: Archive, fetcher: Fetcher, part: Path, course: _Course) -> None:
    name = origin.url.rpartition("/")[2]
    archive = Part(part / _ARCHIVE)
    seen = 0

    def tell(done: int, whole: int) -> None:
        nonlocal seen
        if seen != whole:
            seen = whole
            _see_room(part, whole - done + _GROWTH * whole)
        course.at(f"Fetching {name}", done, whole)

    if not archive.path.is_file():
        fetcher.save(origin.url, archive, None, tell)
    if origin.sha256:
        heed = course.counting(f"Checking {name}", archive.path.stat().st_size)
        if sha256_of(archive.path, heed) != origin.sha256:
            archive.path.unlink()
            raise _damaged(origin.url)
    files = part / _FILES
    if files.exists():
        shutil.rmtree(files)
    try:
        size = unpacked_size(archive.path)
        _see_room(part, size)
        unpack(archive.path, paths.private(files), course.counting(f"Unpacking {name}", size))
    except DownloadError:
        archive.path.unlink()
        raise
    archive.path.unlink()


def _damaged(url: str) -> DownloadError:
    return DownloadError(
        f"What arrived from {shown(url)} has another checksum than it should have. It was deleted.",
        "Try again. If it stays so, the file there was changed: look for a newer sotto.",
    )


def _put_in_place(origin: Hub | Archive, part: Path, folder: Path, course: _Course) -> None:
    """All files are there and are what they should be: the model appears at once, or not at all."""
    files, old = part / _FILES, part / _OLD
    manifest.write(files, origin, manifest.describe(files, course.checking("everything", files)))
    for inner in [files, *(path for path in files.rglob("*") if path.is_dir())]:
        sync_folder(inner)
    if os.path.lexists(folder):  # also a link that leads nowhere
        folder.replace(old)
    files.replace(folder)
    sync_folder(folder.parent)
    shutil.rmtree(part)


def _sweep(files: Path, wanted: set[str]) -> None:
    """Remove what an older version left: a model consists of what its origin lists and nothing else."""
    for path in files.rglob("*"):
        name = str(path.relative_to(files))
        if path.is_file() and not any(name == each or name.startswith(f"{each}.") for each in wanted):
            path.unlink()


def _see_room(folder: Path, missing: float) -> None:
    """See that `missing` bytes, and some more, go where `folder` is.

    Raises:
        StorageError: They do not.
    """
    free = shutil.disk_usage(folder).free
    if free < missing * _SPARE:
        raise StorageError(
            f"The model takes {missing / 1e6:,.0f} MB more, and {folder} has {free / 1e6:,.0f} MB left.",
            "Free some space; `sotto models list` shows which models are here. SOTTO_HOME moves all of them elsewhere.",
        )
