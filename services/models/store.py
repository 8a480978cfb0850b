"""Where downloaded models lie: `ENGINE/MODEL/` below the folder of models, each with a model.json written last."""

from __future__ import annotations

from pathlib import Path

from services import paths
from services.errors import ModelError
from services.models.catalogue import EngineEntry

MANIFEST = "model.json"
"""What was downloaded: sizes and checksums. A folder without it was never finished."""


def folder_of(engine: str, model: str) -> Path:
    """Where a model lies, or would."""
    return paths.models() / engine / model


def is_installed(engine: str, model: str) -> bool:
    return (folder_of(engine, model) / MANIFEST).is_file()


def locate(entry: EngineEntry, model: str) -> str:
    """What an engine's class takes for `model`: the folder of a model that was downloaded, else `model` itself.

    Raises:
        ModelError: It has not been downloaded; the hint says how to get it.
    """
    known = entry.model(model)
    if known is None or known.origin is None:
        return model
    if not is_installed(entry.name, model):
        raise ModelError(
            f"The model {entry.name}:{model} is not on this machine.",
            f"Get it with `sotto models pull {entry.name}:{model}` ({known.size_mb} MB).",
        )
    return str(folder_of(entry.name, model))
