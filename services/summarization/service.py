"""Summaries as the app sees them: a transcript on disk in, summary.md on disk and events out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from services.events import Emit, SummaryDelta, SummaryReady
from services.files import write_atomic
from services.hosted import HostedModel
from services.library.meeting import UNTITLED, Meeting
from services.models.catalogue import EngineSpec
from services.models.options import SummaryOptions
from services.residency import Residency
from services.worker.handler import Json

_STEP_SECONDS = 60.0
"""A step of a language model (a batch of the prompt) is worth so much patience."""


@dataclass(frozen=True, slots=True)
class Written:
    """A summary that is on disk.

    Attributes:
        markdown: All of it.
        title: What the meeting was about, in a few words; empty when the engine has no idea.
    """

    markdown: str
    title: str


class Summarizer:
    """Runs the summary engine over finished transcripts. Used by one thread at a time.

    Args:
        llm: The summary model.
        residency: Lends it; the speech model is gone before it loads.
        emit: Receives `SummaryDelta` while it writes and `SummaryReady` at the end.
    """

    def __init__(self, llm: HostedModel, residency: Residency, emit: Emit) -> None:
        self._llm = llm
        self._residency = residency
        self._emit = emit

    def summarize(
        self,
        meeting: Meeting,
        spec: EngineSpec,
        language: str,
        options: SummaryOptions,
        on_progress: Callable[[float, float, str], None],
        cancel: threading.Event,
    ) -> Written:
        """Write summary.md of `meeting`.

        Args:
            meeting: Its transcript.jsonl is complete.
            spec: The engine.
            language: ISO 639-1 code of the transcript.
            options: How the engine works.
            on_progress: Takes done, total, and what is being done.
            cancel: Set it to end early; nothing is written then.

        Raises:
            CancelledError, StorageError, ModelError, WorkerError
        """
        info = meeting.info()
        title = "" if meeting.title == UNTITLED else meeting.title  # without one, the engine finds one
        args = {"transcript": str(meeting.transcript)}
        load = spec.load_args() | args | {"options": options.to_dict()}

        def show(item: Json) -> None:
            self._emit(SummaryDelta(meeting.folder, str(item["text"])))

        with self._residency.lease(self._llm, spec.label, load, cancel) as llm:
            result = llm.run(
                "summarize",
                args | {"title": title, "date": str(info.get("created", "")), "language": language},
                on_item=show,
                on_progress=on_progress,
                step_work=_STEP_SECONDS,
                cancel=cancel,
            )
        markdown = str(result["markdown"])
        write_atomic(meeting.summary, markdown)
        self._emit(SummaryReady(meeting.folder, markdown))
        return Written(markdown, str(result["title"]))
