"""What `process`, `record` and `demo` share: run the pipeline in this process, show it, print what came of it."""

from __future__ import annotations

import math
import shlex
import threading
from argparse import Namespace
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.errors import CancelledError, SottoError, StorageError
from services.events import Event, FellBack, MemoryAlerted, SegmentReady, StageChanged
from services.fallback import words
from services.library.meeting import Meeting
from services.library.moments import Moment, read_moments
from services.library.names import names_of, read_transcript, with_names
from services.library.segments import Segment, as_text
from services.library.unfinished import is_meeting
from services.memory.alert import MemoryAlert, Severity
from services.memory.monitor import MemoryMonitor
from services.memory.rules import LIMIT
from services.modelroom import ModelRoom
from services.pipeline import Outcome, Pipeline, Plan
from services.plans import obstacles, plan_of
from services.settings import Settings
from services.summarization.engine import NO_SPEECH
from services.text import clock, one_line
from tui.cli import chosen
from tui.cli.output import Status, fail, note, say, say_json
from tui.cli.signals import interrupted_by
from tui.entries import NOTE

_TICK_SECONDS = 0.5
_SHORT = "Close other programs; or end this (Ctrl-C) and go on with `-l`, which takes less: what is finished stays."


def settings_for(arguments: Namespace) -> Settings:
    """The settings, with what the command line says above all else; what is wrong in config.toml is told.

    Raises:
        SettingsError
    """
    given: dict[str, dict[str, str | bool]] = {}
    for section, key, value in (
        ("transcription", "engine", arguments.stt),
        ("transcription", "language", arguments.language),
        ("transcription", "speakers", arguments.speakers or None),
        ("summary", "engine", arguments.summary),
        ("memory", "preset", arguments.preset),
    ):
        if value is not None:
            given.setdefault(section, {})[key] = value
    return chosen.load(given)


class Work:
    """A pipeline for one command, and the words about it.

    Args:
        chosen: The settings.
        as_json: Print an object per source instead of text.

    Raises:
        UsageError: An engine or model that does not exist.
    """

    def __init__(self, chosen: Settings, as_json: bool) -> None:
        self.plan: Plan = plan_of(chosen)
        self._json = as_json
        self._moments: deque[Moment] = deque()
        self._names: dict[str, str] = {}
        self._apart = chosen.transcription.speakers
        self._transcribing = False
        self._batch: int | None = None
        self._held: list[Segment] = []
        self._memory: MemoryMonitor | None = None
        self._settings = chosen.memory.model_copy(update={"idle_seconds": 0.0})  # a command ends at once
        self._room = room = ModelRoom(self._tell, self._settings)
        self.pipeline = Pipeline(room.stt, room.llm, room.residency, self._tell)

    def check(self, sources: Iterable[Path]) -> None:
        """See that everything is here that writing up `sources` takes.

        Raises:
            ModelError: A model or a package is missing; the hint says how to get it.
        """
        missing = obstacles(self.plan)
        if "transcript" in missing and not all(map(_is_transcribed, sources)):
            raise missing["transcript"]
        if "summary" in missing:
            raise missing["summary"]

    def process(self, source: Path, extra: dict[str, Any] | None = None, in_turn: bool = False) -> Outcome:
        """Process one file or meeting, and print what came of it.

        Args:
            source: What to process.
            extra: Is added to the JSON object.
            in_turn: Wait when another sotto is at work on it, instead of saying so.
        """
        cancel = threading.Event()
        work = self.pipeline.process_in_turn if in_turn else self.pipeline.process
        with _ticking(self.pipeline), self._measured(), interrupted_by(cancel.set):
            outcome = work(source, self.plan, cancel)
        if self._json:
            say_json(self.describe(outcome) | (extra or {}))
        else:
            _print(outcome)
        return outcome

    def describe(self, outcome: Outcome) -> dict[str, Any]:
        """The outcome as the JSON object that scripts rely on (README, `sotto process --json`)."""
        segments = list(_segments(outcome))
        duration = outcome.duration_s
        return {
            "file": str(outcome.source),
            "meeting": str(outcome.meeting) if outcome.meeting else None,
            "ok": outcome.ok,
            "error": " ".join(error.message for error in outcome.errors) or None,
            "hint": " ".join(error.hint for error in outcome.errors if error.hint) or None,
            "warnings": outcome.warnings,
            "duration_s": round(duration, 3),
            "text": " ".join(segment.text for segment in segments),
            "segments": [segment.to_dict() for segment in segments],
            "notes": [_note(moment) for moment in _moments(outcome.meeting) if moment.personal],
            "summary": _summary(outcome),
            "wall_s": round(outcome.wall_s, 3),
            "real_time_factor": round(outcome.wall_s / duration, 4) if duration else None,
            "peak_pss_mb": round(outcome.peak_pss_mb, 1),
            "load_s": round(outcome.load_s, 3),
            "unload_s": round(outcome.unload_s, 3),
            "chunks": outcome.windows,
            "peak_mb_per_hour": round(outcome.peak_pss_mb / (duration / 3600), 1) if duration else None,
            "stt": _engine(outcome, "stt") or self.plan.stt.label,
            "llm": _engine(outcome, "summary") or (self.plan.summary.label if self.plan.summary else None),
            "fell_back": [_fell_back(fell) for fell in outcome.fell_back],
        }

    @contextmanager
    def _measured(self) -> Iterator[None]:
        """Keep what it takes, tell what is wrong with that, and let other terminals see it (`sotto monitor`)."""
        models = (self._room.stt, self._room.llm)
        monitor = MemoryMonitor(
            emit=self._show, facts=lambda: {model.name: model.facts for model in models}, publish=True
        )
        monitor.configure(self._settings)
        monitor.start()
        self._memory = monitor
        try:
            yield
        finally:
            self._memory = None
            monitor.close()

    def _tell(self, event: Event) -> None:
        if self._memory is not None:
            self._memory.tell(event)
        self._show(event)

    def _show(self, event: Event) -> None:
        if isinstance(event, FellBack):
            note(words(event))
        elif isinstance(event, MemoryAlerted):
            _warn(event.alert)
        if self._json:
            return
        match event:
            case StageChanged(meeting=meeting, stage="transcribe", status="running"):
                self._moments = deque(_moments(meeting))
                self._names = names_of(Meeting(meeting))
                self._transcribing = True
            case SegmentReady(segment=segment, batch=batch):
                if not self._apart:  # else it is known at the end who said it
                    self._take(segment, batch)
            case FellBack(model="stt"):
                self._held.clear()  # the engine that takes over begins with the batch that was not finished
            case StageChanged(meeting=meeting, stage="transcribe", status="done"):
                self._release()
                if self._apart or not self._transcribing:  # or it was done before: nobody told its segments
                    self._moments = deque(_moments(meeting))
                    for segment in read_transcript(Meeting(meeting)):
                        self._say_segment(segment)
                self._transcribing = False
                self._say_moments(math.inf)
            case StageChanged(stage="transcribe", status="failed" | "skipped"):
                self._release()
            case _:
                pass

    def _take(self, segment: Segment, batch: int | None) -> None:
        """Say a segment as soon as it stays: what is printed cannot be taken back."""
        if batch is None or batch != self._batch:
            self._release()
        elif self._held and (segment.speaker, segment.start) == (self._held[0].speaker, self._held[0].start):
            self._held.clear()  # the batch is done again
        self._batch = batch
        if batch is None:
            self._say_segment(segment)
        else:
            self._held.append(segment)

    def _release(self) -> None:
        held, self._held = self._held, []
        for segment in held:
            self._say_segment(segment)

    def _say_segment(self, segment: Segment) -> None:
        self._say_moments(segment.start)
        (named,) = with_names([segment], self._names)
        say(_line(named))

    def _say_moments(self, until: float) -> None:
        """Notes, pauses and gaps of which the transcript has come to the place."""
        while self._moments and self._moments[0].place < until:
            moment = self._moments.popleft()
            if moment.kind != "warning":
                say(f"[{clock(moment.at_s)}] {f'{NOTE} {moment.words}' if moment.personal else f'({moment.words})'}")


def _warn(alert: MemoryAlert) -> None:
    """Tell what is wrong with the memory; what helps in the app has keys, which a command has not."""
    if not alert.resolved and alert.severity is not Severity.INFO:
        note(f"{alert.message} {alert.recommendation if alert.key.startswith(LIMIT) else _SHORT}")


def _is_transcribed(source: Path) -> bool:
    try:
        return is_meeting(source) and Meeting(source).stage("transcribe") == "done"
    except StorageError:
        return False  # whatever is wrong with it is told when it is processed


def _line(segment: Segment) -> str:
    return f"[{clock(segment.start)}] {as_text([segment])}"


def _moments(folder: Path | None) -> list[Moment]:
    """What happened beside the words. A file of notes that cannot be read takes nothing from the transcript."""
    try:
        return read_moments(Meeting(folder)) if folder else []
    except StorageError as error:
        note(error.message)
        return []


def _note(moment: Moment) -> dict[str, Any]:
    return {"at_s": moment.at_s, "kind": moment.kind, "text": moment.text}


def _segments(outcome: Outcome) -> Iterator[Segment]:
    return read_transcript(Meeting(outcome.meeting)) if outcome.meeting else iter(())


def _engine(outcome: Outcome, stage: str) -> str | None:
    """The engines that wrote it, as meeting.json has them."""
    try:
        return str(Meeting(outcome.meeting).info().get(stage) or "") or None if outcome.meeting else None
    except StorageError:
        return None


def _fell_back(fell: FellBack) -> dict[str, str]:
    return {"model": fell.model, "old": fell.old, "new": fell.new, "reason": fell.reason}


def _summary(outcome: Outcome) -> str:
    file = Meeting(outcome.meeting).summary if outcome.meeting else None
    return file.read_text(encoding="utf-8", errors="replace") if file is not None and file.is_file() else ""


def _print(outcome: Outcome) -> None:
    for warning in outcome.warnings:
        note(f"{one_line(outcome.source.name)}: {warning}")
    if outcome.meeting and outcome.ok and next(_segments(outcome), None) is None:
        say(NO_SPEECH)
    summary = _summary(outcome)
    if summary:
        say()
        say(summary)
    for error in outcome.errors:
        fail(_named(outcome.source, error))
    if outcome.meeting:
        note(f"Kept in {outcome.meeting}")
        if any(isinstance(error, CancelledError) for error in outcome.errors):
            note(f"To go on: sotto process {shlex.quote(str(outcome.meeting))}")


def _named(source: Path, error: SottoError) -> SottoError:
    """The error with the file's name in front, where its sentence does not have it."""
    name = one_line(source.name)
    if name in error.message:
        return error
    return type(error)(f"{name}: {error.message}", error.hint)


@contextmanager
def _ticking(pipeline: Pipeline) -> Iterator[None]:
    """Keeps the status line up to date while the pipeline works."""
    done = threading.Event()

    def tick() -> None:
        while not done.wait(_TICK_SECONDS):
            progress = pipeline.progress
            if progress is not None:
                share = f" {progress.fraction:.0%}" if progress.fraction is not None else ""
                Status.show(f"{progress.what}{share}")

    thread = threading.Thread(target=tick, name="status line")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        Status.clear()
