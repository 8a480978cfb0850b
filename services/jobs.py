"""The queue of meetings to process: one thread, one meeting at a time."""

from __future__ import annotations

import queue
import threading
from contextlib import ExitStack
from pathlib import Path

from services.events import Emit, Failed, Progress
from services.pipeline import Pipeline, Plan


class Jobs:
    """Processes meetings and files in the order they were given.

    Args:
        pipeline: Does the work, on this object's thread.
        emit: Receives a `Failed` for a job that failed; the pipeline emits the rest.
    """

    def __init__(self, pipeline: Pipeline, emit: Emit) -> None:
        self._pipeline = pipeline
        self._emit = emit
        self._todo: queue.SimpleQueue[tuple[Path, Plan, int] | None] = queue.SimpleQueue()
        self._planning = threading.Lock()
        self._replanned: Plan | None = None
        self._replans = 0
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._closing = False
        self._cancel = threading.Event()
        self.current: Path | None = None

    def start(self) -> None:
        self._thread.start()

    def submit(self, source: Path, plan: Plan) -> None:
        """Process a meeting's folder, or an audio or video file, when its turn comes."""
        with self._planning:
            self._todo.put((source, plan, self._replans))

    def replan(self, plan: Plan) -> None:
        """Let the work at hand, and all that is in the queue, go on with another plan. Returns at once.

        A transcription goes on from its last finished batch of windows; a summary that is being written is finished.
        """
        with self._planning:
            self._replanned = plan
            self._replans += 1
            self._pipeline.replan(plan)

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
            self.current, plan, replans = job
            with ExitStack() as at_work:
                at_work.callback(setattr, self, "current", None)
                with self._planning:
                    if replans != self._replans and self._replanned is not None:
                        plan = self._replanned
                    at_work.enter_context(self._pipeline.going_by(plan))
                outcome = self._pipeline.process_in_turn(self.current, plan, cancel)
            for error in outcome.errors:
                self._emit(Failed(error))
