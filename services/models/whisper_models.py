"""The Whisper models that faster-whisper runs, and the languages that they understand."""

from __future__ import annotations

from services.models.entry import ModelEntry

WHISPER_LANGUAGES = tuple(
    """
    en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy
    sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo
    uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su
    """.split()
)
"""The 99 languages of the first Whisper models by its own codes, in the order of its training data, the largest first
(`jw` is Javanese, `haw` Hawaiian; the others are ISO 639-1)."""

_WITH_CANTONESE = (*WHISPER_LANGUAGES, "yue")
"""What the models of the third generation understand."""

_ENGLISH = ("en",)

WHISPER_MODELS = (
    ModelEntry("base"),
    ModelEntry("base.en", languages=_ENGLISH),
    ModelEntry("tiny"),
    ModelEntry("tiny.en", languages=_ENGLISH),
    ModelEntry("small"),
    ModelEntry("small.en", languages=_ENGLISH),
    ModelEntry("medium"),
    ModelEntry("medium.en", languages=_ENGLISH),
    ModelEntry("large-v3", languages=_WITH_CANTONESE),
    ModelEntry("large-v3-turbo", languages=_WITH_CANTONESE),
    ModelEntry("distil-large-v3", languages=_ENGLISH),
)
"""The default first, then by size."""
