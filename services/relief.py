"""What is changed in the settings while memory is short: a function from settings to settings, so that it can be taken
back by leaving it away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from services.models.catalogue import EngineSpec, parse_engine
from services.models.ladder import next_smaller
from services.presets import LIGHTWEIGHT
from services.settings import Settings

_LESS = (
    "recording.chunk_seconds",
    "transcription.beam",
    "transcription.batch",
    "summary.max_context",
    "memory.idle_seconds",
    "memory.keep_mb",
)
"""Of these the smaller value takes less memory."""
_MORE = ("transcription.captions_update_seconds", "screen.refresh_seconds")
"""Of these the larger value makes less work."""
_KV_CACHES = ("f16", "q8_0", "q4_0")
"""From much memory to little."""


@dataclass(frozen=True, slots=True)
class Relief:
    """What is given up while memory is short.

    Attributes:
        narrower: Narrow search, small batches and contexts, short chunks, nothing kept loaded, a screen that looks less
            often: what the low-memory switch sets, as far as no other model is needed for it.
        no_captions: Nothing is understood while recording; all of it is after the stop.
        smaller: The next smaller models write.
    """

    narrower: bool = False
    no_captions: bool = False
    smaller: bool = False

    def __or__(self, other: Relief) -> Relief:
        """Both."""
        return Relief(
            self.narrower or other.narrower, self.no_captions or other.no_captions, self.smaller or other.smaller
        )

    def __sub__(self, other: Relief) -> Relief:
        """This one without the other."""
        return Relief(
            self.narrower and not other.narrower,
            self.no_captions and not other.no_captions,
            self.smaller and not other.smaller,
        )


def relieved(settings: Settings, relief: Relief, within_mb: float = math.inf) -> Settings:
    """These settings without what is given up. Looks at the disk where models are to be smaller.

    Args:
        settings: What would hold otherwise.
        relief: What is given up.
        within_mb: What smaller models may take.
    """
    if relief.narrower:
        settings = _narrower(settings)
    if relief.no_captions:
        settings = _changed(settings, {"recording": {"captions": False}})
    return _smaller(settings, within_mb) if relief.smaller else settings


def _smaller(settings: Settings, within_mb: float) -> Settings:
    changes: dict[str, dict[str, Any]] = {}
    speech, summary = settings.transcription, settings.summary
    heard = next_smaller("stt", parse_engine("stt", speech.engine), speech.language, available_mb=within_mb)
    if heard is not None:
        changes["transcription"] = {"engine": _name(heard)}
    if summary.engine != "none":
        rungs = [parse_engine("summary", engine) for engine in summary.smaller]
        writer = next_smaller("summary", parse_engine("summary", summary.engine), smaller=rungs)
        if writer is not None:
            changes["summary"] = {"engine": _name(writer)}
    return _changed(settings, changes)


def _name(spec: EngineSpec) -> str:
    """As it is written in the settings."""
    return f"{spec.engine}:{spec.model}" if spec.model else spec.engine


def _narrower(settings: Settings) -> Settings:
    """These settings with less memory for the same models. What takes less already stays."""
    changes: dict[str, dict[str, Any]] = {}
    for key in (*_LESS, *_MORE):
        section, _, field = key.partition(".")
        now, low = getattr(getattr(settings, section), field), LIGHTWEIGHT.sets[section][field]
        changes.setdefault(section, {})[field] = min(now, low) if key in _LESS else max(now, low)
    low_cache = LIGHTWEIGHT.sets["summary"]["kv_cache"]
    changes["summary"]["kv_cache"] = max(settings.summary.kv_cache, low_cache, key=_KV_CACHES.index)
    return _changed(settings, changes)


def _changed(settings: Settings, changes: dict[str, dict[str, Any]]) -> Settings:
    sections = {section: getattr(settings, section).model_copy(update=values) for section, values in changes.items()}
    return settings.model_copy(update=sections)
