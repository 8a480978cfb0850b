"""A model that lives in a worker: the five states around one child process. Speech and summary both are one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from services.errors import CancelledError, ModelError, SottoError
from services.events import Emit
from services.lifecycle import ModelLifecycle, ModelState, ModelStatus
from services.memory.usage import MemoryUsage
from services.worker.client import Worker
from services.worker.handler import Json

_log = logging.getLogger(__name__)


class Gate(Protocol):
    """Decides whether a model may be loaded; `services.memory.admission` is one."""

    def admit(self, name: str, label: str, args: Json) -> float:
        """What the model's process may take in MB, 0 for as much as there is. Raises `MemoryLimitError`: nothing."""


class HostedModel:
    """Loads, uses and unloads one model; implements `services.lifecycle.ModelService`.

    `load_model`, `run`, `unload_model` and `bury` are called by whom `services.residency` lets, one at a time; the
    rest by anybody.

    Args:
        name: The job, `stt` or `llm`: also the kind of the worker.
        emit: Receives every change of state.
        gate: Is asked before a model is loaded; without one, everything may.
    """

    def __init__(self, name: str, emit: Emit, gate: Gate | None = None) -> None:
        self.name = name
        self._gate = gate
        self._lifecycle = ModelLifecycle(name, emit)
        self._label = ""
        self._args: Json = {}
        self._worker: Worker | None = None
        self._worker_lock = threading.Lock()
        self.load_s = 0.0
        self.unload_s = 0.0
        self.peak_mb = 0.0
        """The most that the model which is loaded, or was last, held at one measurement, in MB of PSS."""
        self.used_at = 0.0
        """When its last user was done with it, in seconds of the monotonic clock."""
        self.facts: Json = {}
        """What the engine told of the model when it was loaded; empty while none is."""

    @property
    def status(self) -> ModelStatus:
        return self._lifecycle.status

    @property
    def state(self) -> ModelState:
        return self._lifecycle.state

    def is_loaded(self) -> bool:
        return self.state in (ModelState.READY, ModelState.PROCESSING)

    def get_memory_usage(self) -> MemoryUsage:
        with self._worker_lock:
            return self._worker.memory() if self._worker is not None else MemoryUsage()

    @property
    def args(self) -> Json:
        """What was loaded, or is to be: arguments of the worker's `load`."""
        return self._args

    @property
    def pid(self) -> int | None:
        """Its process; None where it has none."""
        worker = self._worker
        return worker.pid if worker is not None else None

    @property
    def alive(self) -> bool:
        """Whether its process is there and has not ended."""
        worker = self._worker
        return worker is not None and worker.alive

    def measure(self) -> MemoryUsage:
        """What it holds now; its peak is at least that."""
        held = self.get_memory_usage()
        self.peak_mb = max(self.peak_mb, held.pss)
        return held

    def confine(self, limit_mb: float) -> None:
        """Let its process take no more than so many MB from now on; 0: as much as there is."""
        worker = self._worker
        if worker is not None:
            worker.confine(limit_mb)

    def end(self, why: SottoError) -> None:
        """End its process at once, whatever it does: its call raises `why`, and the state is Unloaded then."""
        worker = self._worker
        if worker is not None:
            _log.warning("%s is ended: %s", self._label, why)
            worker.end(why)

    def choose(self, label: str, args: Json) -> None:
        """Say what `load_model` is to load; another model that is resident goes first.

        Args:
            label: What the screen calls it, for example `moonshine:tiny-en`.
            args: Arguments of the worker's `load`.
        """
        if args != self._args and self.is_loaded():
            self.unload_model("another model was chosen")
        self._args, self._label = args, label

    def load_model(self, cancel: threading.Event | None = None) -> None:
        """Start the worker and load. A model that is resident is used again.

        Args:
            cancel: Set it to end the loading.

        Raises:
            CancelledError: `cancel` was set; likewise.
            MemoryLimitError: It may not be loaded, or took more than it may; likewise.
            SottoError: It did not load; the state is Unloaded, with the reason beside it.
        """
        self.bury()
        if self.state is ModelState.READY:
            return
        begun = time.monotonic()
        self.peak_mb = 0.0
        self._lifecycle.to(ModelState.LOADING, engine=self._label)
        try:
            limit = self._gate.admit(self.name, self._label, self._args) if self._gate is not None else 0.0
            worker = Worker(self.name, limit_mb=limit)
            with self._worker_lock:
                self._worker = worker
            self.facts = worker.call("load", self._args, cancel=cancel)
        except (SottoError, OSError, RuntimeError) as error:  # the system has no room for a process or a thread
            self._drop()
            self._lifecycle.to(ModelState.UNLOADED, reason=str(error))
            if isinstance(error, SottoError):
                raise
            raise ModelError(
                f"{self._label} could not be started: {error}.", "Free some memory and try again."
            ) from error
        self.load_s += time.monotonic() - begun
        held = self.measure()
        self._lifecycle.to(ModelState.READY)
        _log.info("%s loaded: %.0f MB in process %d", self._label, held.pss, worker.pid)

    def run(
        self,
        method: str,
        args: Json,
        *,
        on_item: Callable[[Json], None],
        on_progress: Callable[[float, float, str], None],
        step_work: float = 0.0,
        cancel: threading.Event | None = None,
    ) -> Json:
        """Call the loaded model; see `Worker.call`.

        Raises:
            CancelledError: `cancel` was set.
            SottoError: It failed.

        After an error the model is Ready again where its worker lives and has nothing left to do; otherwise the worker
        has been ended and the state is Unloaded.
        """
        worker = self._worker
        if worker is None:
            raise ModelError(f"{self.name} is not loaded.")
        self._lifecycle.to(ModelState.PROCESSING)
        try:
            result = worker.call(
                method, args, on_item=on_item, on_progress=on_progress, step_work=step_work, cancel=cancel
            )
        except BaseException as error:
            if worker.alive and worker.idle:
                self._lifecycle.to(ModelState.READY, reason="" if isinstance(error, CancelledError) else str(error))
            else:
                self._drop()
                self._lifecycle.to(ModelState.UNLOADED, reason=str(error))
            raise
        self.measure()
        self._lifecycle.to(ModelState.READY)
        return result

    def unload_model(self, reason: str = "") -> float:
        """End the worker. Returns the MB of PSS that came back, when they are back: its process is gone then."""
        if self.state is not ModelState.READY:
            return 0.0
        begun = time.monotonic()
        held = self.get_memory_usage().pss
        self._lifecycle.to(ModelState.UNLOADING, reason=reason)
        self._drop()
        self.unload_s += time.monotonic() - begun
        self._lifecycle.to(ModelState.UNLOADED, reason=reason, freed_mb=held)
        _log.info("%s unloaded: gave back %.0f MB", self.status.engine, held)
        return held

    def bury(self) -> None:
        """Where its process ended while nobody used it, it is Unloaded, with the reason."""
        worker = self._worker
        if self.state is ModelState.READY and worker is not None and not worker.alive:
            reason = str(worker.fate())
            self._drop()
            self._lifecycle.to(ModelState.UNLOADED, reason=reason)

    def _drop(self) -> None:
        with self._worker_lock:
            worker, self._worker = self._worker, None
        self.facts = {}
        if worker is not None:
            worker.close()
