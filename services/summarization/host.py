"""The worker that writes summaries: kind `llm`. It reads the transcript from disk itself.

Methods:
    load      {engine, model, transcript, options} -> {load_s, engine, ...facts of the engine}
    summarize {transcript, title, date, language} -> items {text}, result {markdown, title, decisions, action_items,
              open_questions, wall_s}; `title` is what the meeting was about, empty where the engine has no idea
    unload    {} -> {}
"""

from __future__ import annotations

import time
from pathlib import Path

from services.errors import StorageError, WorkerError
from services.library.meeting import Meeting
from services.library.names import names_of, with_names
from services.library.segments import Segment, read_segments
from services.models.catalogue import engine_class, find_engine
from services.models.options import SummaryOptions
from services.summarization.engine import SummaryEngine, Watch
from services.worker.handler import Call, Handler, Json


class SummaryHost:
    """Holds one engine, loaded for one transcript."""

    def __init__(self) -> None:
        self._engine: SummaryEngine | None = None

    def load(self, args: Json, call: Call) -> Json:
        """Load an engine; one that was loaded before goes first."""
        begun = time.monotonic()
        self.unload({}, call)
        name = str(args["engine"])
        engine: SummaryEngine = engine_class(find_engine("summary", name))()
        model = Path(str(args["model"])) if args.get("model") else None
        facts = engine.load(model, _transcript(args), SummaryOptions.from_dict(args.get("options") or {}), _watch(call))
        self._engine = engine
        return facts | {"engine": name, "load_s": round(time.monotonic() - begun, 3)}

    def summarize(self, args: Json, call: Call) -> Json:
        """Write the summary of a transcript."""
        if self._engine is None:
            raise WorkerError("No summary engine is loaded.")
        begun = time.monotonic()
        summary = self._engine.summarize(
            _transcript(args),
            str(args.get("title") or ""),
            str(args.get("date") or ""),
            str(args.get("language") or ""),
            _watch(call),
        )
        return {
            "markdown": summary.markdown,
            "title": summary.suggestion,
            "decisions": len(summary.decisions),
            "action_items": len(summary.actions),
            "open_questions": len(summary.questions),
            "wall_s": round(time.monotonic() - begun, 3),
        }

    def unload(self, _: Json, __: Call) -> Json:
        """Let go of the engine. All memory is back when the process ends."""
        if self._engine is not None:
            self._engine.unload()
        self._engine = None
        return {}


def _watch(call: Call) -> Watch:
    return Watch(text=lambda text: call.item({"text": text}), progress=call.progress, check=call.check)


def _transcript(args: Json) -> list[Segment]:
    path = Path(str(args["transcript"]))
    if not path.is_file():
        raise StorageError(f"There is no transcript at {path}.", "Transcribe the meeting first.")
    return list(with_names(read_segments(path), names_of(Meeting(path.parent))))


def create() -> Handler:
    host = SummaryHost()
    return {"load": host.load, "summarize": host.summarize, "unload": host.unload}
