"""The models of Vosk that sotto knows by name: a small one per language, a standard one where there is one, and `spk`."""

from __future__ import annotations

from services.models.entry import ModelEntry

SPEAKER_MODEL = "spk"
"""Tells voices apart, whatever is said and in whatever language. Transcribes nothing; lies beside the others."""

_SMALL = ("en", "de", "fr", "es", "it", "nl", "pt", "pl", "cs", "ca", "ru", "uk", "tr", "hi", "ja", "ko", "zh")
_STANDARD = ("en", "de", "fr", "es", "it", "ru", "zh", "ja", "hi")

VOSK_MODELS = (
    *(ModelEntry(f"small-{code}", languages=(code,)) for code in _SMALL),
    *(ModelEntry(f"standard-{code}", languages=(code,)) for code in _STANDARD),
    ModelEntry(SPEAKER_MODEL),
)
"""The default first."""
