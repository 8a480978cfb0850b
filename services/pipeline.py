"""From a recording or a file to transcript, summary and archive: the stages of one meeting, one after another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from services.errors import CancelledError, MeetingBusyError, RemoteError, SottoError, StorageError, UsageError
from services.events import Emit, MeetingFinished, Progress, Stage, StageChanged, StageStatus, SummaryReady
from services.files import JsonLines
from services.hosted import HostedModel
from services.library.marker import look
from services.library.meeting import UNTITLED, ArchiveFormat, Meeting
from services.library.repair import mend
from services.library.unfinished import claim, is_meeting
from services.memory.components import is_app
from services.memory.monitor import Peak
from services.memory.report import log_record
from services.models.catalogue import AUTO, EngineSpec
from services.residency import Residency
from services.summarization.engine import NO_SPEECH
from services.summarization.service import Summarizer
from services.transcription.promotion import promote
from services.transcription.service import Transcriber
from services.worker.client import Worker

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
"""Between two looks whether another sotto is still at work on a meeting."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How meetings are processed.

    Attributes:
        stt: The speech engine.
        summary: The summary engine; None for no summary.
        language: ISO 639-1 code of what is spoken.
        max_context: Largest context of a language model, in tokens.
        folder: Where the meetings of imported files go.
        archive: What a finished recording is packed into.
        captions: The speech engine for captions while recording; None where none is fit.
        no_captions: Why none is.
        single_pass: Captions become the transcript, and only what they missed is transcribed.
    """

    stt: EngineSpec
    summary: EngineSpec | None
    language: str
    max_context: int
    folder: Path
    archive: ArchiveFormat = "flac"
    captions: EngineSpec | None = None
    no_captions: UsageError | None = None
    single_pass: bool = False


@dataclass(slots=True)
class Outcome:
    """What processing one meeting came to. Times in seconds, memory in MB of PSS of the whole process tree."""

    source: Path
    meeting: Path | None = None
    errors: list[SottoError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    duration_s: float = 0.0
    wall_s: float = 0.0
    load_s: float = 0.0
    unload_s: float = 0.0
    peak_pss_mb: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.errors


def _title(folder: Path) -> str:
    try:
        return Meeting(folder).title
    except StorageError:
        return folder.name  # it has vanished, which the outcome tells already


class Pipeline:
    """Processes meetings, one at a time. `process` runs on one thread; `progress` is for any.

    Args:
        stt: The speech model.
        llm: The summary model.
        residency: Lends both.
        emit: Receives everything that happens.
    """

    def __init__(self, stt: HostedModel, llm: HostedModel, residency: Residency, emit: Emit) -> None:
        self._models = (stt, llm)
        self._residency = residency
        self._emit = emit
        self._transcriber = Transcriber(stt, residency, emit)
        self._summarizer = Summarizer(llm, residency, emit)
        self._cancel = threading.Event()
        self._leaving = False
        self._peak = Peak()
        self.progress: Progress | None = None

    def process(self, source: Path, plan: Plan, cancel: threading.Event) -> Outcome:
        """Do what is not done yet of the meeting in folder `source`, or of the audio or video file `source`.

        Models are unloaded when it returns. Never raises a `SottoError`: they are in the outcome.

        Args:
            source: A meeting's folder or a file.
            plan: How.
            cancel: Set it, from any thread, to end the work; what finished stages made stays.
        """
        self._cancel = cancel
        outcome = Outcome(source)
        begun = time.monotonic()
        load_before, unload_before = self._times()
        with Peak() as self._peak:
            try:
                self._run(source, plan, outcome)
            except SottoError as error:
                if error not in outcome.errors:
                    outcome.errors.append(error)
            except Exception as error:  # noqa: BLE001 - a defect, or a folder changed under our hands: the others go on
                _log.exception("processing %s", source)
                outcome.errors.append(SottoError(f"{type(error).__name__}: {error}.", "sotto.log has the details."))
            finally:
                self.progress = None
                self._residency.unload_all("the work is done")
        outcome.wall_s = time.monotonic() - begun
        load, unload = self._times()
        outcome.load_s, outcome.unload_s = load - load_before, unload - unload_before
        outcome.peak_pss_mb = self._peak.pss_mb
        if outcome.meeting is not None:
            self._emit(MeetingFinished(outcome.meeting, _title(outcome.meeting), outcome.ok))
        return outcome

    def process_in_turn(self, source: Path, plan: Plan, cancel: threading.Event) -> Outcome:
        """Like `process`; when another sotto is at work on the meeting, wait for it, then do what it left to do."""
        outcome = self.process(source, plan, cancel)
        while any(isinstance(error, MeetingBusyError) for error in outcome.errors):
            self._emit(StageChanged(source, "transcribe", "waiting", "until the other sotto has written it up"))
            while look(Meeting(source).processing_marker, is_app) == "held":
                if cancel.wait(_LOOK_SECONDS):
                    return outcome
            outcome = self.process(source, plan, cancel)
        return outcome

    def leave(self) -> None:
        """From now on a cancel means that sotto is closed: nobody gave the work up, and it counts as unfinished."""
        self._leaving = True

    def _times(self) -> tuple[float, float]:
        return sum(m.load_s for m in self._models), sum(m.unload_s for m in self._models)

    def _run(self, source: Path, plan: Plan, outcome: Outcome) -> None:
        if is_meeting(source):
            meeting, made = Meeting(source.absolute()), False  # workers are at home in another folder
        else:
            info = {"file": str(source.absolute())}
            meeting, made = Meeting.create(plan.folder, source.stem, info), True
        with claim(meeting):
            mend(meeting)
            outcome.meeting = meeting.folder
            self._stages(meeting, made, plan, outcome)

    def _stages(self, meeting: Meeting, made: bool, plan: Plan, outcome: Outcome) -> None:
        """Do what is left to do of a meeting that is nobody else's now; `made`: it was made for this."""
        audio = Path(str(meeting.info().get("file", meeting.folder)))
        transcribed = self._stage(
            meeting, "transcribe", outcome, lambda: self._transcribe(meeting, audio, plan, outcome)
        )
        goes_on = any(isinstance(error, RemoteError) for error in outcome.errors)  # when the server is back
        if not transcribed and made and not goes_on and meeting.discard_if_empty():
            outcome.meeting = None
            return
        outcome.duration_s = meeting.duration_s
        if transcribed:
            self._summarize(meeting, plan, outcome)
        if meeting.audio.is_dir():
            self._stage(meeting, "archive", outcome, lambda: self._archive(meeting, plan))

    def _stage(self, meeting: Meeting, stage: Stage, outcome: Outcome, work: Callable[[], str]) -> bool:
        """Run one stage unless it is done. A failure is kept in the outcome and on disk. Returns whether it is done."""
        if meeting.stage(stage) == "done":
            self._emit(StageChanged(meeting.folder, stage, "done"))
            return True
        if stage != "archive" and self._residency.leased:
            self._tell(meeting, stage, "waiting", "until the recording's captions end")
            self._residency.wait(self._cancel)
        self._tell(meeting, stage, "running")
        try:
            detail = work()
        except SottoError as error:
            _log.warning("%s of %s failed: %s %s", stage, meeting.folder.name, error, error.hint)
            outcome.errors.append(error)
            if isinstance(error, CancelledError):
                self._stop(meeting, stage, error)
                raise
            self._tell(meeting, stage, "failed", error.message)
            return False
        finally:
            self.progress = None
            self._note_memory(meeting, stage)
        self._tell(meeting, stage, "done", detail)
        return True

    def _stop(self, meeting: Meeting, stage: Stage, error: CancelledError) -> None:
        """Say whether a person gave the stage up, or it is only put off."""
        if self._leaving:
            meeting.set_stage(stage, "waiting", "sotto was closed")
        else:
            self._tell(meeting, stage, "skipped", error.message)

    def _transcribe(self, meeting: Meeting, audio: Path, plan: Plan, outcome: Outcome) -> str:
        spec, watch = plan.stt, self._watch("transcribe")
        result = None
        if plan.single_pass and plan.captions is not None and audio == meeting.folder:
            result = promote(self._transcriber, meeting, plan.captions, plan.language, watch, self._cancel)
        if result is not None and plan.captions is not None:
            spec = plan.captions
        else:
            result = self._transcriber.transcribe(meeting, audio, spec, plan.language, watch, self._cancel)
            meeting.filled.unlink(missing_ok=True)  # of a single pass that was given up
        outcome.warnings.extend(result.warnings)
        facts = {"duration_s": round(result.duration_s, 3), "stt": spec.label, "warnings": list(result.warnings)}
        meeting.update(**facts, language=result.language or ("" if plan.language == AUTO else plan.language))
        return "" if result.segments else NO_SPEECH

    def _summarize(self, meeting: Meeting, plan: Plan, outcome: Outcome) -> None:
        spec = plan.summary
        if spec is None:
            self._tell(meeting, "summarize", "skipped", "no summary was asked for")
        elif not meeting.transcript.exists() or not meeting.transcript.stat().st_size:
            self._tell(meeting, "summarize", "skipped", NO_SPEECH)
        else:
            done_before = meeting.stage("summarize") == "done"
            self._stage(meeting, "summarize", outcome, lambda: self._write_summary(meeting, spec, plan))
            if done_before and meeting.summary.is_file():
                self._emit(SummaryReady(meeting.folder, meeting.summary.read_text(encoding="utf-8")))

    def _write_summary(self, meeting: Meeting, spec: EngineSpec, plan: Plan) -> str:
        language = str(meeting.info().get("language", plan.language))
        watch = self._watch("summarize")
        written = self._summarizer.summarize(meeting, spec, language, plan.max_context, watch, self._cancel)
        changes = {"summary": spec.label}
        if written.title and meeting.title == UNTITLED:
            changes["title"] = written.title
        meeting.update(**changes)
        return ""

    def _archive(self, meeting: Meeting, plan: Plan) -> str:
        with Worker("archive") as worker:
            args = {"meeting": str(meeting.folder), "format": plan.archive}
            result = worker.call("archive", args, on_progress=self._watch("archive"), cancel=self._cancel)
        return str(result["detail"])

    def _note_memory(self, meeting: Meeting, stage: Stage) -> None:
        """A checkpoint in memory.jsonl: what is held at the end of a stage, and the most that was held so far."""
        snapshot = self._peak.snapshot
        if snapshot is None:
            return
        peaks = {component.name: round(component.peak, 1) for component in snapshot.components}
        record = log_record(snapshot) | {"checkpoint": stage, "peak_mb": peaks | {"Total": round(self._peak.pss_mb, 1)}}
        try:
            with JsonLines(meeting.memory) as file:
                file.append(record)
        except StorageError:
            _log.exception("the memory log of %s", meeting.folder)

    def _watch(self, stage: Stage) -> Callable[[float, float, str], None]:
        def keep(done: float, total: float, what: str) -> None:
            self.progress = Progress(what or stage, done, total)

        return keep

    def _tell(self, meeting: Meeting, stage: Stage, status: StageStatus, detail: str = "") -> None:
        if status != "waiting":
            meeting.set_stage(stage, status, detail)
        self._emit(StageChanged(meeting.folder, stage, status, detail))
