"""The queue of meetings to process: one thread, one meeting at a time."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from services.errors import MeetingBusyError
from services.events import Emit, Failed, Progress, StageChanged
from services.library.marker import look
from services.library.meeting import Meeting
from services.memory.components import is_app
from services.pipeline import Outcome, Pipeline, Plan

_LOOK_SECONDS = 0.5
"""Between two looks whether another sotto is still at work on a meeting."""


class Jobs:
    """Processes meetings and files in the order they were given.

    Args:
        pipeline: Does the work, on this object's thread.
        emit: Receives a `Failed` for a job that failed; the pipeline emits the rest.
    """

    def __init__(self, pipeline: Pipeline, emit: Emit) -> None:
        self._pipeline = pipeline
        self._emit = emit
        self._todo: queue.SimpleQueue[tuple[Path, Plan] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._closing = False
        self._cancel = threading.Event()
        self.current: Path | None = None

    def start(self) -> None:
        self._thread.start()

    def submit(self, source: Path, plan: Plan) -> None:
        """Process a meeting's folder, or an audio or video file, when its turn comes."""
        self._todo.put((source, plan))

    @property
    def waiting(self) -> int:
        """How many are in the queue, without the one at work."""
        return self._todo.qsize()

    @property
    def progress(self) -> Progress | None:
        """How far the stage at work is."""
        return self._pipeline.progress

    def cancel(self) -> None:
        """End the work on the meeting at hand; the next in the queue follows."""
        self._cancel.set()

    def close(self) -> None:
        """End the work and the thread. What is on disk stays, and can be taken up again."""
        self._closing = True
        self._pipeline.leave()
        self._todo.put(None)
        while self._thread.is_alive():
            self.cancel()
            self._thread.join(0.2)

    def _run(self) -> None:
        while (job := self._todo.get()) is not None and not self._closing:
            self._cancel = cancel = threading.Event()
            self.current, plan = job
            try:
                outcome = self._process(self.current, plan, cancel)
            finally:
                self.current = None
            for error in outcome.errors:
                self._emit(Failed(error))

    def _process(self, source: Path, plan: Plan, cancel: threading.Event) -> Outcome:
        """Process `source`; when another sotto is at work on it, wait for it, and do what it leaves to do."""
        outcome = self._pipeline.process(source, plan, cancel)
        while any(isinstance(error, MeetingBusyError) for error in outcome.errors):
            self._emit(StageChanged(source, "transcribe", "waiting", "until the other sotto has written it up"))
            while look(Meeting(source).processing_marker, is_app) == "held":
                if cancel.wait(_LOOK_SECONDS):
                    return outcome
            outcome = self._pipeline.process(source, plan, cancel)
        return outcome
