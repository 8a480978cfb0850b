"""What is done with the files of one model, and the sentence about it: the same for a command and for the app."""

from __future__ import annotations

import threading
from typing import Literal

from services.errors import CancelledError, DamagedModelError, MissingModelError, UsageError
from services.events import Progress
from services.models import manifest
from services.models.catalogue import CATALOGUE, EngineEntry, EngineSpec
from services.models.download import Show, pull
from services.models.entry import Archive, ModelEntry
from services.models.store import folder_of, is_installed, part_of, remove, size_of
from services.text import one_line

Task = Literal["pull", "verify", "remove"]


def perform(task: Task, spec: EngineSpec, show: Show, cancel: threading.Event) -> str:
    """Do one task, on this thread.

    Args:
        task: What.
        spec: With which model.
        show: Hears of the progress, in bytes.
        cancel: Ends it; what has arrived of a model stays.

    Returns:
        A sentence about how it went.

    Raises:
        UsageError: There is no such model, or none that lies here as files of ours.
        DownloadError, StorageError, CancelledError: Like `download.pull`.
        ModelError: Another sotto is at work on it.
        MissingModelError, DamagedModelError: That is what a check found.
    """
    entry, model = _found(spec)
    match task:
        case "pull":
            return _pull(entry, model, show, cancel)
        case "verify":
            return _verify(entry, model, show, cancel)
        case "remove":
            return _remove(entry, model)


def parse_model(text: str) -> EngineSpec:
    """The model that `ENGINE:MODEL` names, of whichever job.

    Raises:
        UsageError: There is no such engine; the hint says where to look.
    """
    name, _, model = text.strip().partition(":")
    for entry in CATALOGUE:
        if name.lower() in (entry.name, *entry.aliases):
            return EngineSpec(entry.name, model)
    raise UsageError(f"There is no engine {one_line(name)!r}.", "`sotto models list` shows what there is.")


def unverified(spec: EngineSpec) -> bool:
    """Whether nobody published a checksum of this model, so that what arrives has to be believed."""
    return not _has_checksum(_found(spec)[1])


def _has_checksum(model: ModelEntry) -> bool:
    """Of a file of a hub its list tells one, and of its weights the catalogue."""
    return not isinstance(model.origin, Archive) or bool(model.origin.sha256)


def _found(spec: EngineSpec) -> tuple[EngineEntry, ModelEntry]:
    entry = next(entry for entry in CATALOGUE if entry.name == spec.engine)
    model = entry.model(spec.model)
    if model is not None:
        return entry, model
    if entry.remote:
        raise UsageError(f"{entry.name} works elsewhere: it has no models on this machine.")
    if entry.takes_path and ("/" in spec.model or not entry.models):
        raise UsageError(
            f"A model of {entry.name} that is given by its path is not sotto's to fetch, to verify or to delete.",
            "`sotto models list` shows those that are.",
        )
    if not spec.model and len(entry.models) == 1:
        return entry, entry.models[0]
    names = ", ".join(model.name for model in entry.models)
    if not names:
        raise UsageError(f"{entry.name} needs no model.")
    what = f"no model {one_line(spec.model)!r}" if spec.model else "more than one model"
    raise UsageError(f"{entry.name} has {what}.", f"There are: {names}.")


def _pull(entry: EngineEntry, model: ModelEntry, show: Show, cancel: threading.Event) -> str:
    label = f"{entry.name}:{model.name}"
    if model.origin is None:
        return f"{label} is built in: there is nothing to fetch."
    if not pull(entry.name, model, cancel, show):
        return f"{label} is here already, and whole."
    folder = folder_of(entry.name, model.name)
    believed = "" if _has_checksum(model) else ". Nobody published its checksum: it was taken as it came"
    return f"{label} is here now and takes {size_of(folder) / 1e6:,.0f} MB, in {folder}{believed}"


def _verify(entry: EngineEntry, model: ModelEntry, show: Show, cancel: threading.Event) -> str:
    label = f"{entry.name}:{model.name}"
    if model.origin is None:
        return f"{label} is built in: its package vouches for it."
    if not is_installed(entry.name, model.name):
        began = ", only a part of it" if part_of(entry.name, model.name).exists() else ""
        raise MissingModelError(f"{label} is not on this machine{began}.", f"Get it with `sotto models pull {label}`.")
    folder = folder_of(entry.name, model.name)
    total, done = size_of(folder), 0

    def heed(step: int) -> None:
        nonlocal done
        if cancel.is_set():
            raise CancelledError("The check was cancelled.")
        done += step
        show(Progress(f"Checking {label}", done, total))

    if found := [f"{name} {what}" for name, what in manifest.faults(folder, heed)]:
        raise DamagedModelError(
            f"{label} is damaged: {'; '.join(found)}.",
            f"`sotto models pull {label}` mends it: it fetches what is damaged.",
        )
    return f"{label} is whole: {total / 1e6:,.0f} MB in {folder}"


def _remove(entry: EngineEntry, model: ModelEntry) -> str:
    label = f"{entry.name}:{model.name}"
    if model.origin is None:
        raise UsageError(f"{label} is built in: it is a part of its package.", "It goes when sotto is uninstalled.")
    folder = folder_of(entry.name, model.name)
    link = folder.resolve() if folder.is_symlink() else None
    freed = remove(entry.name, model.name)
    if link is not None:
        return f"{label} is gone. It was a link: what lies in {one_line(str(link), 500)} stays."
    return f"{label} is gone, {freed / 1e6:,.1f} MB are free again." if freed else f"{label} is not on this machine."
