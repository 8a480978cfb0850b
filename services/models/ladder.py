"""Which engine goes on when one is short of memory: the next smaller one that is here, and at last the built-in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.errors import UsageError
from services.memory.estimates import Estimates, guess
from services.models.catalogue import AUTO, EngineEntry, EngineSpec, Job, engines, find_engine
from services.models.ready import obstacle
from services.models.vosk_models import SPEAKER_MODEL

_SHORT_MB = 2000.0
"""Below so much available memory the next model takes no more than half of it: large-v3 gives way to small then, not to
medium, vosk-standard to vosk-small. Otherwise the one after it would be next, a minute later."""


def next_smaller(
    job: Job,
    spec: EngineSpec,
    language: str = AUTO,
    smaller: Sequence[EngineSpec] = (),
    available_mb: float = float("inf"),
    estimates: Estimates | None = None,
) -> EngineSpec | None:
    """The engine that takes over from `spec`; None where none takes less. Looks at the disk.

    Of speech engines it is the largest that takes less and fits, one of the same engine before others. Of summary
    engines it is the next of `smaller`, and behind the last one the built-in one.

    Args:
        job: `stt` or `summary`.
        spec: What was short of memory.
        language: What is spoken, as an ISO 639-1 code, or `auto`.
        smaller: Summary engines to take instead, in this order (the setting `summary.smaller`).
        available_mb: What can be had.
        estimates: What models took before.
    """
    if job == "summary":
        return _next_writer(spec, smaller)
    if find_engine("stt", spec.engine).remote:
        return None
    known = estimates or Estimates()
    present = _size(spec, known)
    sized = [
        (one.engine == spec.engine, known.of(one.load_args()).mb, one)
        for one in _listeners(spec, language)
        if _size(one, known) < present
    ]
    limit = available_mb if available_mb >= _SHORT_MB else available_mb / 2
    fit = [one for one in sized if one[1] <= limit]
    if fit:
        return max(fit, key=lambda one: one[:2])[2]
    return min(sized, key=lambda one: one[1])[2] if sized else None


def _size(spec: EngineSpec, known: Estimates) -> float:
    """By what engines are told apart as smaller and larger, in MB. The same for all, so that nobody gives way to one
    that gives way to it; a run that ended early was measured to take less than a model needs."""
    return max(known.of(spec.load_args()).mb, guess(spec.load_args()))


def _next_writer(spec: EngineSpec, smaller: Sequence[EngineSpec]) -> EngineSpec | None:
    built_in = EngineSpec(engines("summary")[0].name)
    rungs = [*dict.fromkeys(one for one in smaller if one != built_in), built_in]
    below = rungs[rungs.index(spec) + 1 :] if spec in rungs else rungs
    return next((one for one in below if obstacle("summary", one) is None), None)


def _listeners(spec: EngineSpec, language: str) -> list[EngineSpec]:
    """The speech engines that are here and know a language, each with the options of `spec`."""
    options = replace(spec.options, batch=1) if spec.options else None
    found = [
        EngineSpec(entry.name, model.name, options)
        for entry in engines("stt")
        for model in entry.models
        if not entry.remote and model.name != SPEAKER_MODEL and _speaks(entry, model.name, language)
    ]
    return [
        one for one in found if (one.engine, one.model) != (spec.engine, spec.model) and obstacle("stt", one) is None
    ]


def _speaks(entry: EngineEntry, model: str, language: str) -> bool:
    try:
        code = entry.check_language(language, model)
    except UsageError:
        return False
    return not (language == AUTO and code)  # it would take everything for its only language
