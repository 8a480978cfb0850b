"""A model that lives in a worker: the five states around one child process. Speech and summary both are one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from services.errors import CancelledError, ModelError, SottoError
from services.events import Emit
from services.lifecycle import ModelLifecycle, ModelState, ModelStatus
from services.memory.usage import MemoryUsage
from services.worker.client import Worker
from services.worker.handler import Json

_log = logging.getLogger(__name__)


class HostedModel:
    """Loads, uses and unloads one model; implements `services.lifecycle.ModelService`.

    `load_model`, `run` and `unload_model` are called by whoever holds the lease of `services.residency`, one at a
    time; `status` and `get_memory_usage` by anybody.

    Args:
        name: The job, `stt` or `llm`: also the kind of the worker.
        emit: Receives every change of state.
    """

    def __init__(self, name: str, emit: Emit) -> None:
        self.name = name
        self._lifecycle = ModelLifecycle(name, emit)
        self._label = ""
        self._args: Json = {}
        self._worker: Worker | None = None
        self._worker_lock = threading.Lock()
        self.load_s = 0.0
        self.unload_s = 0.0

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
            SottoError: It did not load; the state is Unloaded, with the reason beside it.
        """
        if self.state is ModelState.READY:
            if self._worker is not None and self._worker.alive:
                return
            self._drop()
            self._lifecycle.to(ModelState.UNLOADED, reason="its process had ended")
        begun = time.monotonic()
        self._lifecycle.to(ModelState.LOADING, engine=self._label)
        try:
            worker = Worker(self.name)
            with self._worker_lock:
                self._worker = worker
            worker.call("load", self._args, cancel=cancel)
        except (SottoError, OSError, RuntimeError) as error:  # the system has no room for a process or a thread
            self._drop()
            self._lifecycle.to(ModelState.UNLOADED, reason=str(error))
            if isinstance(error, SottoError):
                raise
            raise ModelError(
                f"{self._label} could not be started: {error}.", "Free some memory and try again."
            ) from error
        self.load_s += time.monotonic() - begun
        self._lifecycle.to(ModelState.READY)
        _log.info("%s loaded: %.0f MB in process %d", self._label, worker.memory().pss, worker.pid)

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

    def _drop(self) -> None:
        with self._worker_lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
