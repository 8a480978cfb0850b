"""A model room whose models are real children that hold memory and compute nothing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from services.errors import SottoError
from services.events import Event, ModelChanged
from services.hosted import HostedModel
from services.memory.probe import usage
from services.memory.usage import MemoryUsage
from services.modelroom import ModelRoom
from services.settings import MemorySettings
from services.worker import kinds
from services.worker.handler import Json


def holding(mb: int, model: str = "a") -> Json:
    """The arguments of a model that holds so many MB."""
    return {"engine": "held", "model": model, "mb": mb}


def as_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both kinds of model be such children."""
    for kind in ("stt", "llm"):
        monkeypatch.setitem(kinds.KINDS, kind, "tests.functional.worker_kind")


def kill(pid: int) -> None:
    """Kill a child, and wait until it has ended; whoever started it can still reap it."""
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # it was reaped meanwhile
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def children() -> list[psutil.Process]:
    """The workers there are, those that have ended and were not reaped among them."""
    found = []
    for child in psutil.Process().children():
        try:
            if "services.worker.host" in child.cmdline() or child.status() == psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def tree() -> MemoryUsage:
    """What this process and all below it hold."""
    me = psutil.Process()
    return sum((usage(process.pid) for process in [me, *me.children(recursive=True)]), MemoryUsage())


def private_mb() -> float:
    """The part of it that only ending a process gives back; unlike PSS, other users of a library do not move it."""
    return tree().private


class Room(ModelRoom):
    """The room, and what it told.

    Args:
        settings: Of the memory.
        known: Models that have run here before, with what they took.
    """

    def __init__(self, settings: MemorySettings, *known: tuple[Json, float]) -> None:
        self.told: list[ModelChanged] = []
        super().__init__(self._keep, settings)
        for args, mb in known:
            self.estimates.learn(args, mb)

    def _keep(self, event: Event) -> None:
        assert isinstance(event, ModelChanged)
        self.told.append(event)

    def steps(self) -> list[tuple[str, str]]:
        return [(event.model, event.new) for event in self.told]

    def use(self, model: HostedModel, args: Json) -> None:
        """Take a lease, load, and give it back."""
        with self.residency.lease(model, str(args["model"]), args, threading.Event()) as leased:
            assert run(leased, "echo", {"x": 1}) == {"x": 1}


@contextmanager
def room(settings: MemorySettings, *known: tuple[Json, float]) -> Iterator[Room]:
    """A room that is empty again at the end, and leaves no process."""
    made = Room(settings, *known)
    try:
        yield made
    finally:
        made.close()
        assert not children()


def run(model: HostedModel, method: str, args: Json | None = None) -> Json:
    return model.run(method, args or {}, on_item=lambda _: None, on_progress=lambda *_: None)


class Working:
    """A model at work on a thread of its own, holding `mb` more, until it is ended or `stop` is called."""

    def __init__(self, here: Room, model: HostedModel, args: Json, mb: int) -> None:
        self.error: SottoError | None = None
        self.begun = threading.Event()
        self._stop = threading.Event()
        self._arguments = (here, model, args, mb)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        here, model, args, mb = self._arguments
        try:
            with here.residency.lease(model, str(args["model"]), args, self._stop):
                model.run(
                    "work",
                    {"mb": mb},
                    on_item=lambda _: self.begun.set(),
                    on_progress=lambda *_: None,
                    cancel=self._stop,
                )
        except SottoError as error:
            self.error = error
            self.begun.set()

    def end(self) -> SottoError | None:
        """What its work ended with; waits for that."""
        self._thread.join(60)
        assert not self._thread.is_alive(), "it did not end"
        return self.error

    def stop(self) -> SottoError | None:
        """End the work in order."""
        self._stop.set()
        return self.end()
