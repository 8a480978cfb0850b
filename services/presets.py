"""Presets: one word for how much of the machine sotto takes, and what it sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from services import paths
from services.files import write_atomic
from services.memory import probe
from services.models.catalogue import AUTO, EngineSpec, engines, find_engine
from services.models.store import is_installed
from services.models.vosk_models import SPEAKER_MODEL

PresetName = Literal["conservative", "balanced", "performance", "lightweight"]

Values = Mapping[str, Mapping[str, Any]]
"""By section and field of the settings."""

_LIGHTWEIGHT_BELOW_MB = 2.5 * 1024
_CONSERVATIVE_BELOW_MB = 6.0 * 1024
_BALANCED_BELOW_MB = 12.0 * 1024
"""A machine that is sold with 4, 8 or 16 GB shows a little less: the bounds lie between two of them."""

_TABLE: Mapping[str, tuple[float | str | bool, ...]] = {
    # key of the settings               conservative, balanced, performance, lightweight
    "recording.chunk_seconds": (30.0, 30.0, 30.0, 5.0),
    "transcription.compute": ("int8", "auto", "auto", "int8"),
    "transcription.beam": (1, 5, 5, 1),
    "transcription.batch": (1, 2, 2, 1),
    "transcription.single_pass": (False, False, False, True),
    "transcription.captions_update_seconds": (0.6, 0.4, 0.4, 1.0),
    "transcription.captions_skip_seconds": (30.0, 30.0, 30.0, 15.0),
    "summary.max_context": (2048, 8192, 16384, 2048),
    "summary.kv_cache": ("q8_0", "f16", "f16", "q8_0"),
    "memory.sample_seconds": (10.0, 10.0, 5.0, 10.0),
    "memory.idle_seconds": (0.0, 60.0, 300.0, 0.0),
    "memory.cleanup_seconds": (30.0, 30.0, 30.0, 10.0),
    "memory.keep_mb": (0.0, 0.0, 4000.0, 0.0),
    "memory.max_stt_mb": (1000.0, 0.0, 0.0, 400.0),
    "memory.max_llm_mb": (2000.0, 0.0, 0.0, 400.0),
    "memory.max_total_mb": (2500.0, 0.0, 0.0, 500.0),
    "memory.own_warning_mb": (500.0, 1000.0, 1000.0, 250.0),
    "memory.own_cleanup_mb": (2000.0, 2000.0, 8000.0, 450.0),
    "memory.aggressive_gc": (False, False, False, True),
    "screen.refresh_seconds": (0.5, 0.25, 0.25, 0.5),
}
"""What each preset sets; `balanced` what the settings have by default. Why, and what was measured: docs/memory.md."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What one word sets.

    Attributes:
        name: As it is written in settings and flags.
        title: As the screen shows it.
        for_gb: Memory of the machine that it is meant for.
        speech_mb: The most memory that a speech model may take to be chosen because it is on this machine.
        sets: Values that hold where nothing else in the settings says otherwise.
        why: One sentence for a person who chooses.
    """

    name: PresetName
    title: str
    for_gb: int
    speech_mb: float
    sets: Values
    why: str


def _preset(name: PresetName, title: str, for_gb: int, speech_mb: float, why: str) -> Preset:
    sets: dict[str, dict[str, Any]] = {}
    column = get_args(PresetName).index(name)
    for key, values in _TABLE.items():
        section, _, field = key.partition(".")
        sets.setdefault(section, {})[field] = values[column]
    return Preset(name, title, for_gb, speech_mb, sets, why)


CONSERVATIVE = _preset(
    "conservative", "Conservative", 4, 400.0, "Small models, one at a time, gone when their work is done."
)
BALANCED = _preset(
    "balanced", "Balanced", 8, 1000.0, "One model at a time, kept for a minute in case it is needed again."
)
PERFORMANCE = _preset("performance", "Performance", 16, 3500.0, "The best models that are here, kept side by side.")
LIGHTWEIGHT = _preset(
    "lightweight",
    "Low memory",
    2,
    230.0,
    "Everything below 500 MB: the smallest model, captions become the transcript.",
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {preset.name: preset for preset in (CONSERVATIVE, BALANCED, PERFORMANCE, LIGHTWEIGHT)}
)
"""By name, from little to much, and `lightweight`, the low-memory switch, at the end."""


def fitting(total_mb: float) -> Preset:
    """The preset for a machine with so much memory, in MB."""
    if total_mb < _LIGHTWEIGHT_BELOW_MB:
        return LIGHTWEIGHT
    if total_mb < _CONSERVATIVE_BELOW_MB:
        return CONSERVATIVE
    return BALANCED if total_mb < _BALANCED_BELOW_MB else PERFORMANCE


def fitting_here() -> Preset:
    """The preset for this machine; in a container its limit is what counts."""
    return fitting(probe.system().total)


def first_start(named: str = "") -> Preset | None:
    """The preset that fits this machine, once in a user's life: to be told to the person.

    Args:
        named: The setting `memory.preset`. Who has named one needs no telling.

    Raises:
        StorageError: That it was told cannot be remembered.
    """
    told = paths.state() / "preset"
    if named or told.exists():
        return None
    preset = fitting_here()
    write_atomic(told, preset.name + "\n")
    return preset


def speech_engine(preset: Preset, language: str) -> str:
    """The best speech engine that this machine has for a preset, as ENGINE or ENGINE:MODEL. Looks at the disk.

    That is the largest Whisper model that was downloaded, fits and knows the language; among equals the one for that
    language alone. Without one it is the built-in engine. Where that does not speak the language, it is the largest
    Vosk model that fits, and if none does, the smallest model that speaks it at all.

    Args:
        preset: Says how much memory it may take.
        language: ISO 639-1 code, or `auto`.
    """
    built_in = engines("stt")[0]
    code = language.strip().lower().replace("_", "-").partition("-")[0]
    understood = code in built_in.languages
    whisper, vosk = _here("faster-whisper", code), _here("vosk", code)
    for found in (whisper,) if understood else (whisper, vosk):
        # Whisper's tiny models take as much as the built-in one, and make no fewer errors in its language.
        fit = [one for one in found if one[0] <= preset.speech_mb and not (understood and "tiny" in one[2].model)]
        if fit:
            return max(fit, key=lambda one: one[:2])[2].label
    if not understood and (known := [*whisper, *vosk]):
        return min(known, key=lambda one: one[0])[2].label
    return built_in.name


def _here(engine: str, code: str) -> list[tuple[float, bool, EngineSpec]]:
    """The downloaded models of an engine that know a language (for `auto`: several), as MB, only this one, and spec."""
    entry = find_engine("stt", engine)
    return [
        (model.memory_mb, len(languages) == 1, EngineSpec(engine, model.name))
        for model in entry.models
        if (languages := model.languages or entry.languages)
        and (len(languages) > 1 if code == AUTO else code in languages)
        and model.name != SPEAKER_MODEL
        and is_installed(engine, model.name)
        and entry.installed
    ]
