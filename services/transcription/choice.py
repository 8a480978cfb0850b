"""Which engine writes the captions: a light one, since the final text has an engine of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from services.errors import UsageError
from services.models.catalogue import EngineSpec, engines, find_engine, parse_engine
from services.models.store import folder_of, size_of
from services.text import one_line

_LIGHT_MB = 500
"""Of memory. Captions share two cores with the recorder, and work each utterance out several times while it is spoken:
on such a machine Whisper's base model keeps up, its small one does not."""

_MEMORY_OF_DISK = 2
"""A model that nobody measured is taken to need so many times its size on disk: weights and workspace."""


def captions_engine(chosen: str, stt: EngineSpec, language: str) -> EngineSpec:
    """The engine for captions.

    Where it is the very model of the final text, it is `stt` as it is, so that what is loaded is used again. Any other
    one follows one hypothesis only: captions have to keep up.

    Args:
        chosen: The setting `transcription.captions_engine`, one that `check_captions_engine` has let pass.
        stt: The engine of the final text, with its options.
        language: The setting `transcription.language`.

    Raises:
        UsageError: No engine is fit for it; the message says why. Recordings go without captions then.
    """
    if chosen:
        spec = parse_engine("stt", chosen)
        find_engine("stt", spec.engine).check_language(language, spec.model)
        return _like(spec, stt)
    built_in = engines("stt")[0]
    reasons: list[str] = []
    for spec in (EngineSpec(built_in.name, built_in.models[0].name), stt):
        reason = _unfit(spec, language)
        if not reason:
            return _like(spec, stt)
        if reason not in reasons:
            reasons.append(reason)
    raise UsageError(
        " ".join(reasons), "The setting `transcription.captions_engine` names another engine for captions."
    )


def check_captions_engine(chosen: str) -> None:
    """See that the setting names an engine that may write captions. Empty means: choose one.

    Raises:
        UsageError: There is no such engine or model, or it works elsewhere.
    """
    if chosen and find_engine("stt", parse_engine("stt", chosen).engine).remote:
        raise UsageError(
            f"Captions are written on this machine, and {one_line(chosen)} works elsewhere.",
            "Leave `transcription.captions_engine` out, or name another engine.",
        )


def _like(spec: EngineSpec, stt: EngineSpec) -> EngineSpec:
    if (spec.engine, spec.model) == (stt.engine, stt.model):
        return stt
    return replace(spec, options=replace(stt.options, beam=1, batch=1) if stt.options else None)


def _unfit(spec: EngineSpec, language: str) -> str:
    """Why an engine that nobody named is not taken for captions; empty where it is fit."""
    entry = find_engine("stt", spec.engine)
    if entry.remote:
        return f"{entry.name} works elsewhere."
    if not entry.installed:
        return f"{entry.name} is not installed."
    try:
        entry.check_language(language, spec.model)
    except UsageError as error:
        return error.message
    if _memory_mb(spec) > _LIGHT_MB:
        return f"{spec.label} is too heavy to keep up."
    return ""


def _memory_mb(spec: EngineSpec) -> float:
    """What the model takes at work, as far as anybody knows."""
    known = find_engine("stt", spec.engine).model(spec.model)
    if known is not None and known.memory_mb:
        return known.memory_mb
    folder = folder_of(spec.engine, spec.model) if known is not None else Path(spec.model)
    return size_of(folder) / 1e6 * _MEMORY_OF_DISK
