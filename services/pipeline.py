"""From a recording or a file to transcript, summary and archive: the stages of one meeting, one after another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.errors import CancelledError, MeetingBusyError, RemoteError, SottoError, StorageError, UsageError
from services.events import Emit, FellBack, MeetingFinished, Progress, Stage, StageChanged, StageStatus, SummaryReady
from services.fallback import Fallback, Leg, Relay, words
from services.files import JsonLines
from services.hosted import HostedModel
from services.library.marker import look
from services.library.meeting import UNTITLED, ArchiveFormat, Meeting
from services.library.repair import mend
from services.library.unfinished import claim, is_meeting
from services.memory.components import is_app
from services.memory.monitor import Peak
from services.memory.probe import system
from services.memory.report import log_record
from services.models.catalogue import AUTO, EngineSpec
from services.models.ladder import next_smaller
from services.models.options import SummaryOptions
from services.residency import Residency
from services.summarization.engine import NO_SPEECH
from services.summarization.service import Summarizer, Written
from services.transcription.captions import Pace
from services.transcription.promotion import has_captions, promote
from services.transcription.service import Transcriber, Transcription, known_language
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
        writing: How a language model works.
        folder: Where the meetings of imported files go.
        archive: What a finished recording is packed into.
        captions: The speech engine for captions while recording; None where none is fit.
        no_captions: Why none is.
        single_pass: Captions become the transcript, and only what they missed is transcribed.
        pace: How close captions follow.
        smaller: Summary engines to take instead where memory is short, one after another.
        auto_fallback: A smaller engine goes on where one is short of memory.
        memory_report: What the work took is kept in the meeting's memory.jsonl.
    """

    stt: EngineSpec
    summary: EngineSpec | None
    language: str
    writing: SummaryOptions
    folder: Path
    archive: ArchiveFormat = "flac"
    captions: EngineSpec | None = None
    no_captions: UsageError | None = None
    single_pass: bool = False
    pace: Pace = Pace()  # noqa: RUF009 - frozen
    smaller: tuple[EngineSpec, ...] = ()
    auto_fallback: bool = True
    memory_report: bool = True


@dataclass(slots=True)
class Outcome:
    """What processing one meeting came to. Times in seconds, memory in MB of PSS of the whole process tree.

    `windows` counts the stretches of speech that engines were given, `fell_back` has the engines that gave up.
    """

    source: Path
    meeting: Path | None = None
    errors: list[SottoError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    duration_s: float = 0.0
    wall_s: float = 0.0
    load_s: float = 0.0
    unload_s: float = 0.0
    peak_pss_mb: float = 0.0
    windows: int = 0
    fell_back: list[FellBack] = field(default_factory=list)

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
        self._planning = threading.Lock()
        self._plan: Plan | None = None
        self._relay: Relay | None = None
        self._single = False
        self.progress: Progress | None = None

    def replan(self, plan: Plan) -> None:
        """Let the work at hand go on with another plan. Returns at once; for any thread.

        A transcription goes on from its last finished batch of windows; a summary that is being written is finished.
        """
        with self._planning:
            if self._plan is None:
                return
            self._plan = plan
            if self._relay is not None:
                self._relay.change(self._leg(plan))

    @contextmanager
    def going_by(self, plan: Plan) -> Iterator[None]:
        """From here on there is work at hand: `replan` has an effect. Within another one it does nothing."""
        with self._planning:
            first = self._plan is None
            self._plan = plan if self._plan is None else self._plan
        try:
            yield
        finally:
            if first:
                with self._planning:
                    self._plan = None

    def _leg(self, plan: Plan) -> Leg:
        """Who is to transcribe the meeting at hand."""
        return Leg(plan.captions if self._single and plan.captions else plan.stt, plan.language)

    @property
    def _now(self) -> Plan:
        """The plan that holds now."""
        assert self._plan is not None
        return self._plan

    def process(self, source: Path, plan: Plan, cancel: threading.Event) -> Outcome:
        """Do what is not done yet of the meeting in folder `source`, or of the audio or video file `source`.

        Models that are not to wait for more work are unloaded when it returns. Never raises a `SottoError`: they are in
        the outcome.

        Args:
            source: A meeting's folder or a file.
            plan: How.
            cancel: Set it, from any thread, to end the work; what finished stages made stays.
        """
        self._cancel = cancel
        outcome = Outcome(source)
        begun = time.monotonic()
        load_before, unload_before = self._times()
        with self.going_by(plan), Peak() as self._peak:
            try:
                self._run(source, outcome)
            except SottoError as error:
                if error not in outcome.errors:
                    outcome.errors.append(error)
            except Exception as error:  # noqa: BLE001 - a defect, or a folder changed under our hands: the others go on
                _log.exception("processing %s", source)
                outcome.errors.append(SottoError(f"{type(error).__name__}: {error}.", "sotto.log has the details."))
            finally:
                self.progress = None
                self._residency.release("the work is done")
        outcome.wall_s = time.monotonic() - begun
        load, unload = self._times()
        outcome.load_s, outcome.unload_s = load - load_before, unload - unload_before
        outcome.peak_pss_mb = self._peak.pss_mb
        if outcome.meeting is not None:
            self._emit(MeetingFinished(outcome.meeting, _title(outcome.meeting), outcome.ok))
        return outcome

    def process_in_turn(self, source: Path, plan: Plan, cancel: threading.Event) -> Outcome:
        """Like `process`; when another sotto is at work on the meeting, wait for it, then do what it left to do."""
        with self.going_by(plan):
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

    def _run(self, source: Path, outcome: Outcome) -> None:
        if is_meeting(source):
            meeting, made = Meeting(source.absolute()), False  # workers are at home in another folder
        else:
            info = {"file": str(source.absolute())}
            meeting, made = Meeting.create(self._now.folder, source.stem, info), True
        with claim(meeting):
            mend(meeting)
            outcome.meeting = meeting.folder
            self._stages(meeting, made, outcome)

    def _stages(self, meeting: Meeting, made: bool, outcome: Outcome) -> None:
        """Do what is left to do of a meeting that is nobody else's now; `made`: it was made for this."""
        audio = Path(str(meeting.info().get("file", meeting.folder)))
        transcribed = self._stage(meeting, "transcribe", outcome, lambda: self._transcribe(meeting, audio, outcome))
        goes_on = any(isinstance(error, RemoteError) for error in outcome.errors)  # when the server is back
        if not transcribed and made and not goes_on and meeting.discard_if_empty():
            outcome.meeting = None
            return
        outcome.duration_s = meeting.duration_s
        if transcribed:
            self._summarize(meeting, outcome)
        if meeting.audio.is_dir():
            self._stage(meeting, "archive", outcome, lambda: self._archive(meeting, self._now))

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
            self._note_memory(meeting, stage, outcome)
        self._tell(meeting, stage, "done", detail)
        return True

    def _stop(self, meeting: Meeting, stage: Stage, error: CancelledError) -> None:
        """Say whether a person gave the stage up, or it is only put off."""
        if self._leaving:
            meeting.set_stage(stage, "waiting", "sotto was closed")
        else:
            self._tell(meeting, stage, "skipped", error.message)

    def _transcribe(self, meeting: Meeting, audio: Path, outcome: Outcome) -> str:
        watch = self._watch("transcribe")
        with self._planning:
            plan = self._now
            self._single = (
                plan.single_pass and plan.captions is not None and audio == meeting.folder and has_captions(meeting)
            )
            fallback = Fallback("stt", meeting.folder, self._smaller_listener(meeting), self._emit, plan.auto_fallback)
            self._relay = relay = Relay(self._leg(plan), fallback, self._cancel)

        def work(leg: Leg, take_over: str | None, cancel: threading.Event) -> Transcription:
            if self._single:
                return promote(self._transcriber, meeting, leg.spec, leg.language, watch, cancel, take_over)
            return self._transcriber.transcribe(
                meeting, audio, leg.spec, leg.language, watch, cancel, take_over=take_over
            )

        try:
            result = relay.run(work)
        finally:
            with self._planning:
                self._relay = None
            outcome.fell_back += fallback.told
        if not self._single:
            meeting.filled.unlink(missing_ok=True)  # of a single pass that was given up
        outcome.warnings.extend(result.warnings)
        outcome.windows = result.windows
        language = self._now.language
        meeting.update(
            duration_s=round(result.duration_s, 3),
            stt=", ".join(result.engines),
            warnings=list(result.warnings),
            language=result.language or ("" if language == AUTO else language),
        )
        return "" if result.segments else NO_SPEECH

    def _smaller_listener(self, meeting: Meeting) -> Callable[[EngineSpec], EngineSpec | None]:
        def find(spec: EngineSpec) -> EngineSpec | None:
            language = self._now.language
            if language == AUTO:
                language = known_language(meeting.filled if self._single else meeting.transcript)
            return next_smaller("stt", spec, language, available_mb=system().available)

        return find

    def _summarize(self, meeting: Meeting, outcome: Outcome) -> None:
        spec = self._now.summary
        if spec is None:
            self._tell(meeting, "summarize", "skipped", "no summary was asked for")
        elif not meeting.transcript.exists() or not meeting.transcript.stat().st_size:
            self._tell(meeting, "summarize", "skipped", NO_SPEECH)
        else:
            done_before = meeting.stage("summarize") == "done"
            self._stage(meeting, "summarize", outcome, lambda: self._write_summary(meeting, spec, outcome))
            if done_before and meeting.summary.is_file():
                self._emit(SummaryReady(meeting.folder, meeting.summary.read_text(encoding="utf-8")))

    def _write_summary(self, meeting: Meeting, spec: EngineSpec, outcome: Outcome) -> str:
        """Write it as the plan says now; with `spec` where that wants no summary any more: this one was begun."""
        plan = self._now
        language = str(meeting.info().get("language", plan.language))
        watch = self._watch("summarize")
        fallback = Fallback(
            "llm",
            meeting.folder,
            lambda spec: next_smaller("summary", spec, smaller=plan.smaller),
            self._emit,
            plan.auto_fallback,
        )

        def work(leg: Leg, _: str | None, cancel: threading.Event) -> tuple[Written, EngineSpec]:
            written = self._summarizer.summarize(meeting, leg.spec, leg.language, plan.writing, watch, cancel)
            return written, leg.spec

        try:
            written, spec = Relay(Leg(plan.summary or spec, language), fallback, self._cancel).run(work)
        finally:
            outcome.fell_back += fallback.told
        told = [words(fell) for fell in fallback.told]
        outcome.warnings.extend(told)
        changes: dict[str, Any] = {"summary": spec.label}
        if told:
            changes["warnings"] = [*meeting.info().get("warnings", []), *told]
        if written.title and meeting.title == UNTITLED:
            changes["title"] = written.title
        meeting.update(**changes)
        return ""

    def _archive(self, meeting: Meeting, plan: Plan) -> str:
        with Worker("archive") as worker:
            args = {"meeting": str(meeting.folder), "format": plan.archive}
            result = worker.call("archive", args, on_progress=self._watch("archive"), cancel=self._cancel)
        return str(result["detail"])

    def _note_memory(self, meeting: Meeting, stage: Stage, outcome: Outcome) -> None:
        """A checkpoint in memory.jsonl: what is held at the end of a stage, the most so far, and who gave up."""
        snapshot = self._peak.snapshot
        if snapshot is None or not self._now.memory_report:
            return
        peaks = {component.name: round(component.peak, 1) for component in snapshot.components}
        record = log_record(snapshot) | {"checkpoint": stage, "peak_mb": peaks | {"Total": round(self._peak.pss_mb, 1)}}
        record |= {"gave_up": [words(fell) for fell in outcome.fell_back]} if outcome.fell_back else {}
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
