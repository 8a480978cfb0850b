"""What meetings can be written up with: every model of every engine, and what stands between it and being used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from services.errors import UsageError
from services.models.catalogue import EngineEntry, EngineSpec, Job, engines, find_engine
from services.models.entry import ModelEntry
from services.models.store import is_installed, part_of, size_of
from services.models.vosk_models import SPEAKER_MODEL

State = Literal["built in", "here", "absent", "no package", "remote", "no address", "a path"]
"""`here`: downloaded. `absent`: it can be. `a path`: sotto has no such model, a person names a file or folder."""

NO_SUMMARY = EngineSpec("none")
"""What stands for no summary."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One model, or an engine that has none of its own.

    Attributes:
        job: `stt` or `summary`.
        spec: Its engine and name, without options.
        state: Whether it can be used now.
        languages: ISO 639-1 codes of what it understands; empty for any.
        size_mb: On disk, or to download, in MB; 0 where nobody knows, or it takes none.
        memory_mb: Of its process at work, in MB; likewise.
        licence: Of the weights, or of an engine without.
        hint: What to do before it can be used; empty where nothing has to be done.
        arrived_mb: What is here of a download that was broken off, in MB.
        downloads: It can be downloaded and removed.
        helper: It helps another model and writes nothing by itself.
    """

    job: Job
    spec: EngineSpec
    state: State
    languages: tuple[str, ...] = ()
    size_mb: int = 0
    memory_mb: int = 0
    licence: str = ""
    hint: str = ""
    arrived_mb: float = 0.0
    downloads: bool = False
    helper: bool = False

    @property
    def usable(self) -> bool:
        """Whether meetings can be written up with it now."""
        return self.state in ("built in", "here", "remote") and not self.helper


def offers(url: str = "", chosen: Iterable[tuple[Job, EngineSpec]] = ()) -> list[Offer]:
    """Everything there is, by job and engine, the built-in ones first. Looks at the disk.

    Args:
        url: The address of the remote speech engine, empty for none.
        chosen: What is in use: a model that was given by path, or a remote one of another name, is listed, too.
    """
    listed = [offer for job in get_args(Job) for entry in engines(job) for offer in _offers_of(entry, url)]
    known = {(offer.job, offer.spec.engine, offer.spec.model) for offer in listed}
    for job, spec in chosen:
        if spec != NO_SUMMARY and (job, spec.engine, spec.model) not in known:
            beside = [n for n, offer in enumerate(listed) if (offer.job, offer.spec.engine) == (job, spec.engine)]
            given = _given(find_engine(job, spec.engine), spec.model, url)
            listed.insert(beside[-1] + 1 if beside else len(listed), given)
    return [*listed, Offer("summary", NO_SUMMARY, "built in")]


def _offers_of(entry: EngineEntry, url: str) -> Iterator[Offer]:
    for model in entry.models:
        yield _offer(entry, model, url)
    if entry.takes_path:
        hint = "" if entry.installed else entry.install
        state: State = "a path" if entry.installed else "no package"
        yield Offer(entry.job, EngineSpec(entry.name), state, entry.languages, licence="its own", hint=hint)
    elif not entry.models:
        yield Offer(entry.job, EngineSpec(entry.name), "built in", entry.languages, licence=entry.licence)


def _offer(entry: EngineEntry, model: ModelEntry, url: str) -> Offer:
    state, hint = _state(entry, model, url)
    return Offer(
        entry.job,
        EngineSpec(entry.name, model.name),
        state,
        model.languages or entry.languages,
        model.size_mb,
        model.memory_mb,
        model.licence or entry.licence,
        hint,
        size_of(part_of(entry.name, model.name)) / 1e6 if state == "absent" else 0.0,
        model.origin is not None,
        (entry.name, model.name) == ("vosk", SPEAKER_MODEL),
    )


def _given(entry: EngineEntry, model: str, url: str) -> Offer:
    """A model that the catalogue does not name."""
    state, hint = _state(entry, None, url)
    return Offer(entry.job, EngineSpec(entry.name, model), state, entry.languages, hint=hint)


def _state(entry: EngineEntry, model: ModelEntry | None, url: str) -> tuple[State, str]:
    """How far a model is from being used, and what is to be done; without `model` for one that was given by path."""
    if not entry.installed:
        return "no package", entry.install
    if entry.remote:
        try:
            entry.check_address(url)
        except UsageError as error:
            return "no address", error.hint
        return "remote", ""
    if model is None:
        return "here", ""
    if model.origin is None:
        return "built in", ""
    return ("here" if is_installed(entry.name, model.name) else "absent"), ""
