"""Work on the files of models while the app does other things: downloading, verifying, removing, one after another."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from services.errors import CancelledError, SottoError
from services.events import Emit, ModelHandled, Progress
from services.models.catalogue import EngineSpec

if TYPE_CHECKING:
    from services.models.tasks import Task

Show = Callable[[Progress], None]

_DOING: dict[Task, tuple[str, str]] = {
    "pull": ("fetching", "Downloading"),
    "verify": ("checking", "Verifying"),
    "remove": ("removing", "Removing"),
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What is being done, and what waits.

    Attributes:
        label: The model at hand, as `ENGINE:MODEL`.
        task: What is being done with it.
        progress: How far that is, in bytes.
        waiting: The models whose turn comes later.
    """

    label: str
    task: Task
    progress: Progress = Progress("", 0, 0)
    waiting: tuple[str, ...] = ()

    @property
    def fraction(self) -> float | None:
        return self.progress.fraction

    @property
    def doing(self) -> str:
        """One word."""
        return _DOING[self.task][0]

    @property
    def told(self) -> str:
        """A sentence, with the bytes where they are known."""
        now = self.progress
        bytes_ = f": {now.done / 1e6:.0f} of {now.total / 1e6:.0f} MB" if now.total > 0 else ""
        return f"{now.what or _DOING[self.task][1]}{bytes_}."


class Shelf:
    """Does tasks in the order they were given, on a thread that is there only while there are some.

    Args:
        emit: Receives a `ModelHandled` for each that has ended, however it ended.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._todo: deque[tuple[Task, EngineSpec]] = deque()
        self._now: Work | None = None
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def work(self) -> Work | None:
        """What is being done now; None for nothing. For any thread."""
        with self._lock:
            waiting = tuple(spec.label for _, spec in self._todo)
            return replace(self._now, waiting=waiting) if self._now is not None else None

    def submit(self, task: Task, spec: EngineSpec) -> None:
        """Do a task when its turn comes. A model that has one already gets no second one."""
        with self._lock:
            busy = self._now is not None and self._now.label == spec.label
            if self._closed or busy or any(waiting == spec for _, waiting in self._todo):
                return
            self._todo.append((task, spec))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="shelf", daemon=True)
                self._thread.start()

    def cancel(self, spec: EngineSpec) -> None:
        """End the work on a model, or take it out of the queue."""
        with self._lock:
            if self._now is not None and self._now.label == spec.label:
                self._cancel.set()
            else:
                self._todo = deque(each for each in self._todo if each[1] != spec)

    def close(self) -> None:
        """End all work. What has arrived of a model stays, and the next download goes on from there."""
        with self._lock:
            self._closed = True
            self._todo.clear()
            self._cancel.set()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._todo:
                    self._thread = None
                    return
                task, spec = self._todo.popleft()
                self._now = Work(spec.label, task)
                self._cancel = cancel = threading.Event()
            self._do(task, spec, cancel)

    def _do(self, task: Task, spec: EngineSpec, cancel: threading.Event) -> None:
        def show(progress: Progress) -> None:
            with self._lock:
                self._now = Work(spec.label, task, progress)

        error: SottoError | None = None
        said = ""
        try:
            said = _perform(task, spec, show, cancel)
        except SottoError as trouble:
            error = trouble
        except Exception as trouble:  # noqa: BLE001 - a defect: the other tasks go on
            _log.exception("%s of %s", task, spec.label)
            error = SottoError(f"{type(trouble).__name__}: {trouble}.", "sotto.log has the details.")
        if error is not None and not isinstance(error, CancelledError):
            _log.warning("%s of %s failed: %s %s", task, spec.label, error, error.hint)
        with self._lock:
            self._now = None
        self._emit(ModelHandled(spec.label, task, said, error))


def _perform(task: Task, spec: EngineSpec, show: Show, cancel: threading.Event) -> str:
    # With it come an HTTP client and its certificates, which the app does without until here.
    from services.models.tasks import perform

    return perform(task, spec, show, cancel)
