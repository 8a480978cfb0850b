"""All services of one program, wired together. The app has one of these; commands build what they need from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from services.errors import ModelError, UsageError
from services.events import Emit, Event, RecordingStarted, RecordingStopped
from services.jobs import Jobs
from services.memory.monitor import MemoryMonitor
from services.modelroom import ModelRoom
from services.models.catalogue import AUTO, EngineSpec, Job, find_engine, parse_engine
from services.models.offers import NO_SUMMARY
from services.models.options import EngineOptions
from services.models.ready import obstacle
from services.models.shelf import Shelf
from services.pipeline import Pipeline, Plan
from services.recording.messages import RecordingRequest
from services.recording.service import RecordingService
from services.settings import Settings, TranscriptionSettings
from services.transcription.captions import Captions, no_captions
from services.transcription.choice import captions_engine, check_captions_engine
from services.transcription.vocabulary import read_vocabulary


def plan_of(settings: Settings) -> Plan:
    """How these settings want meetings to be processed.

    Raises:
        UsageError: An engine or model that does not exist, a language that the speech engine does not know, a
            vocabulary that cannot be read, or a server without an address.
    """
    summary = settings.summary.engine
    stt = parse_engine("stt", settings.transcription.engine)
    entry = find_engine("stt", stt.engine)
    entry.check_language(settings.transcription.language, stt.model)
    entry.check_address(settings.transcription.url)
    stt = replace(stt, options=_options(settings.transcription))
    captions, missing = _captions(settings, stt)
    return Plan(
        stt=stt,
        summary=None if summary == "none" else parse_engine("summary", summary),
        language=settings.transcription.language,
        max_context=settings.summary.max_context,
        folder=settings.folder,
        archive=settings.recording.archive,
        captions=captions,
        no_captions=missing,
        single_pass=settings.transcription.single_pass,
    )


def _captions(settings: Settings, stt: EngineSpec) -> tuple[EngineSpec | None, UsageError | None]:
    """The engine for captions, or why there is none: a meeting without captions is a meeting all the same."""
    chosen = settings.transcription.captions_engine
    check_captions_engine(chosen)
    try:
        return captions_engine(chosen, stt, settings.transcription.language), None
    except UsageError as error:
        return None, error


Written = Literal["transcript", "captions", "summary"]
"""What engines write."""


def obstacles(plan: Plan) -> dict[Written, ModelError]:
    """What a plan will fail at for want of a package or a model. Empty where all is here. Looks at the disk."""
    found: dict[Written, ModelError | None] = {
        "transcript": obstacle("stt", plan.stt),
        "captions": obstacle("stt", plan.captions) if plan.captions and plan.captions != plan.stt else None,
        "summary": obstacle("summary", plan.summary) if plan.summary else None,
    }
    return {what: error for what, error in found.items() if error is not None}


def _options(chosen: TranscriptionSettings) -> EngineOptions:
    return EngineOptions(
        compute=chosen.compute,
        beam=chosen.beam,
        batch=chosen.batch,
        vocabulary=read_vocabulary(chosen.vocabulary) if chosen.vocabulary else (),
        speakers=chosen.speakers,
        url=chosen.url,
        api_key=chosen.api_key.get_secret_value(),
    )


def with_engines(settings: Settings, engines: Mapping[Job, str]) -> Settings:
    """These settings with other engines, as ENGINE or ENGINE:MODEL, or for the summary `none`.

    A speech model that understands one language brings it along; any other one takes the settings' language.

    Raises:
        UsageError: There is no such speech engine or model.
    """
    speech, language = settings.transcription, settings.transcription.language
    spec = parse_engine("stt", engines["stt"])
    entry = find_engine("stt", spec.engine)
    known = entry.model(spec.model)
    spoken = (known.languages if known else ()) or entry.languages
    if len(spoken) == 1 and language != AUTO:
        language = spoken[0]
    return settings.model_copy(
        update={
            "transcription": speech.model_copy(update={"engine": engines["stt"], "language": language}),
            "summary": settings.summary.model_copy(update={"engine": engines["summary"]}),
        }
    )


def _labels(plan: Plan) -> tuple[str, str]:
    return plan.stt.label, plan.summary.label if plan.summary else NO_SUMMARY.label


def request_of(settings: Settings, sources: tuple[str, ...] = (), title: str = "") -> RecordingRequest:
    """What these settings want to be recorded; `sources` and `title` where a person names others."""
    chosen = settings.recording
    return RecordingRequest(
        sources=sources or chosen.sources,
        title=title,
        folder=settings.folder,
        rate=chosen.rate,
        chunk_seconds=chosen.chunk_seconds,
        seconds=chosen.stop_after_minutes * 60 or None,
        silence_seconds=chosen.stop_after_silence_minutes * 60 or None,
        disk_warn_mb=chosen.disk_warn_mb,
        disk_stop_mb=chosen.disk_stop_mb,
    )


class Services:
    """Every service, and the rules between them: captions follow a recording, processing follows its end.

    All methods may be called from the interface's thread: none of them waits for a model, a device or a disk.

    Args:
        settings: Fixed for the life of the services.
        emit: Receives every event, on the thread of the service that tells it.

    Raises:
        UsageError: The settings name an engine or model that does not exist.
    """

    def __init__(self, settings: Settings, emit: Emit) -> None:
        self.settings = settings
        self.plan = plan_of(settings)
        self.kept = _labels(self.plan)
        """What the settings name, as the screen calls it: in use again at the next start."""
        self._engines: dict[Job, str] = {"stt": settings.transcription.engine, "summary": settings.summary.engine}
        self._emit_outside = emit
        self.room = ModelRoom(self._emit, settings.memory)
        self.stt, self.llm = self.room.stt, self.room.llm
        self.jobs = Jobs(Pipeline(self.stt, self.llm, self.room.residency, self._emit), self._emit)
        self.captions = Captions(self.stt, self.room.residency, self._emit)
        self.recording = RecordingService(self._emit)
        self.memory = MemoryMonitor(emit=self._emit)
        self.memory.configure(settings.memory)
        self.shelf = Shelf(self._emit)

    def start(self) -> None:
        """Start the threads, and take up a recording that runs already."""
        self.jobs.start()
        self.memory.start()
        self.recording.attach_if_running()

    def close(self) -> None:
        """End everything but a recorder at work: it goes on, and the next start finds it."""
        self.recording.close()
        self.shelf.close()
        self.captions.close()
        self.jobs.close()
        self.room.close()
        self.memory.close()

    def start_recording(self, sources: tuple[str, ...] = (), title: str = "") -> None:
        """Begin to record; `RecordingStarted` or `Failed` follows."""
        self.recording.start(request_of(self.settings, sources, title))

    def stop_recording(self) -> None:
        """End the recording; `RecordingStopped` follows, and then its processing."""
        self.recording.stop()

    def pause_recording(self) -> None:
        """Keep nothing of what is heard from now on, or go on when that is so already."""
        self.recording.pause_or_resume()

    def extend_recording(self) -> None:
        """Let an automatic stop come later."""
        self.recording.extend()

    def open_file(self, path: Path) -> None:
        """Process an audio or video file, or what is left to do of a meeting's folder."""
        self.jobs.submit(path, self.plan)

    def choose(self, job: Job, engine: str) -> None:
        """Write meetings up with another engine from now on; what is in the queue keeps its own.

        The settings stay as they are: this holds as long as these services.

        Args:
            job: `stt` or `summary`.
            engine: ENGINE or ENGINE:MODEL, or `none` for no summary. See `with_engines` for the language.

        Raises:
            UsageError: It cannot be used with these settings; the plan stays as it was.
        """
        engines = self._engines | {job: engine}
        self.plan = plan_of(with_engines(self.settings, engines))
        self._engines = engines

    def cancel(self) -> None:
        """End the processing at work; what its finished stages made stays."""
        self.jobs.cancel()

    def _emit(self, event: Event) -> None:
        """Tell the event, and do what follows from it. Nothing here waits before it is told."""
        if isinstance(event, RecordingStopped):
            self.captions.end()
        self._emit_outside(event)
        self.memory.tell(event)
        if isinstance(event, RecordingStarted):
            if self.settings.recording.captions:
                self._caption(event.meeting)
        elif isinstance(event, RecordingStopped):
            self.jobs.submit(event.meeting, self.plan)  # its first stage waits until the captions have ended

    def _caption(self, meeting: Path) -> None:
        if self.plan.captions is not None:
            self.captions.start(meeting, self.plan.captions, self.plan.language)
        elif self.plan.no_captions is not None:
            self._emit_outside(no_captions(self.plan.no_captions))
