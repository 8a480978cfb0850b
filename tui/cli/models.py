"""`sotto models`: which models there are, and getting, checking and deleting them."""

from __future__ import annotations

import threading
import time
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from services import paths
from services.errors import CancelledError, SottoError
from services.events import Progress
from services.models.catalogue import EngineSpec
from services.models.offers import NO_SUMMARY, Offer, offers
from services.models.store import folder_of, size_of
from services.models.tasks import Task, parse_model, perform, unverified
from services.text import one_line
from tui.cli.output import Status, fail, note, say, say_json
from tui.cli.signals import interrupted_by

_STATES = {"absent": "-", "a path": "by path"}
"""What the list says instead of a state's own name."""

_TELL_SECONDS = 0.1


def run(arguments: Namespace) -> int:
    if arguments.task is None or arguments.task == "list":
        return _list(arguments.json)
    specs = [parse_model(text) for text in arguments.models]
    if arguments.task == "verify" and not specs:
        specs = [offer.spec for offer in offers() if offer.downloads and offer.state == "here"]
        if not specs:
            note("No model was downloaded, so there is nothing to verify.")
    return _handle(arguments.task, specs)


def _handle(task: Task, specs: Iterable[EngineSpec]) -> int:
    """One model after another. One that fails does not stop the others; the code is that of the last that failed."""
    code = 0
    cancel = threading.Event()
    for spec in specs:
        try:
            if task == "pull" and unverified(spec):
                note(f"Nobody published a checksum of {spec.label}: what its address sends is taken as it is.")
            with interrupted_by(cancel.set):
                said = perform(task, spec, _Line(), cancel)
            say(said)
        except CancelledError as error:
            return fail(error)
        except SottoError as error:
            code = fail(error)
        finally:
            Status.clear()
    return code


class _Line:
    """The status line of a task: which part of it, how many MB of how many."""

    def __init__(self) -> None:
        self._what = ""
        self._told = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.what == self._what and now - self._told < _TELL_SECONDS:
            return
        self._what, self._told = progress.what, now
        share = f": {progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB" if progress.total else ""
        Status.show(f"{progress.what}{share}")


def _list(as_json: bool) -> int:
    listed = [offer for offer in offers() if offer.spec != NO_SUMMARY]
    if as_json:
        say_json([_described(offer) for offer in listed])
        return 0
    say(_row("model", "lang.", "disk MB", "RAM MB", "licence", "state"))
    for offer in listed:
        say(_row_of(offer))
    say()
    say("disk MB: on this disk, or to download. lang.: the language, or how many.")
    say("`sotto models pull ENGINE:MODEL` gets one, `sotto models remove` deletes it.")
    say(f"They lie in {paths.models()}")
    return 0


def _row(model: str, languages: str, disk: str, memory: str, licence: str, state: str) -> str:
    return f"{model:<30}  {languages:<5}  {disk:>7}  {memory:>6}  {licence:<12}  {state}".rstrip()


def _row_of(offer: Offer) -> str:
    state = "in part" if offer.arrived_mb and offer.state == "absent" else _STATES.get(offer.state, offer.state)
    spoken = offer.languages[0] if len(offer.languages) == 1 else str(len(offer.languages) or "any")
    disk, memory = (f"{mb:,}" if mb else "" for mb in (_on_disk_mb(offer), offer.memory_mb))
    label = f"{offer.spec.engine}:PATH" if offer.state == "a path" else offer.spec.label
    return _row(label, spoken if offer.job == "stt" else "any", disk, memory, one_line(offer.licence, 12), state)


def _on_disk_mb(offer: Offer) -> int:
    """What a model takes that was downloaded, else what the catalogue says."""
    if not offer.downloads or offer.state != "here":
        return offer.size_mb
    return round(size_of(folder_of(offer.spec.engine, offer.spec.model)) / 1e6)


def _described(offer: Offer) -> dict[str, Any]:
    """A model as the JSON object that scripts rely on (README, `sotto models list --json`)."""
    engine, model = offer.spec.engine, offer.spec.model
    return {
        "engine": engine,
        "model": model,
        "job": offer.job,
        "state": offer.state,
        "languages": list(offer.languages),
        "size_mb": _on_disk_mb(offer),
        "arrived_mb": round(offer.arrived_mb, 1),
        "memory_mb": offer.memory_mb,
        "licence": offer.licence,
        "hint": offer.hint,
        "path": str(folder_of(engine, model)) if offer.downloads else None,
    }
