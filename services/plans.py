"""What settings mean for the work: the plan for meetings, what is to be recorded, which engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from services.errors import ModelError, UsageError
from services.models.catalogue import AUTO, EngineSpec, Job, find_engine, parse_engine
from services.models.offers import NO_SUMMARY
from services.models.options import EngineOptions, SummaryOptions
from services.models.ready import obstacle
from services.pipeline import Plan
from services.recording.messages import RecordingRequest
from services.settings import Settings, TranscriptionSettings
from services.transcription.captions import Pace
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
        writing=SummaryOptions(
            max_context=settings.summary.max_context,
            kv_cache=settings.summary.kv_cache,
            mmap=settings.summary.mmap,
            limit_mb=settings.memory.max_llm_mb,
        ),
        folder=settings.folder,
        archive=settings.recording.archive,
        captions=captions,
        no_captions=missing,
        single_pass=settings.transcription.single_pass,
        pace=Pace(settings.transcription.captions_update_seconds, settings.transcription.captions_skip_seconds),
        smaller=tuple(parse_engine("summary", engine) for engine in settings.summary.smaller),
        auto_fallback=settings.memory.auto_fallback,
        memory_report=settings.memory.memory_report,
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
        window_s=chosen.window_seconds,
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


def labels(plan: Plan) -> tuple[str, str]:
    """What the screen calls the speech engine and the summary writer."""
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


def engines_of(settings: Settings) -> dict[Job, str]:
    """The engines that settings name, as ENGINE or ENGINE:MODEL."""
    return {"stt": settings.transcription.engine, "summary": settings.summary.engine}


def with_chosen(settings: Settings, engines: Mapping[Job, str]) -> Settings:
    """These settings with other engines, where they are others (see `with_engines`)."""
    return settings if engines == engines_of(settings) else with_engines(settings, engines)


def changes(old: Settings, new: Settings) -> tuple[str, ...]:
    """The keys that have another value, as SECTION.FIELD."""
    before, now = old.model_dump(), new.model_dump()
    keys: list[str] = []
    for section, values in now.items():
        if isinstance(values, dict):
            keys.extend(f"{section}.{field}" for field, value in values.items() if value != before[section][field])
        elif values != before[section]:
            keys.append(section)
    return tuple(keys)
