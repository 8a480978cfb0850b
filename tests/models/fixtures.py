"""Fixtures that build models once a session. Import what a test module needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.models.gguf_llama import Recipe


@pytest.fixture(scope="session")
def scripted_gguf(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], Path]:
    """Builds the model of a recipe, or finds it built.

    Needs no llama.cpp: only the tests that run the model do.
    """
    from tests.models.gguf_llama import build

    folder = tmp_path_factory.mktemp("gguf")
    built: dict[Recipe, Path] = {}

    def get(recipe: Recipe) -> Path:
        if recipe not in built:
            built[recipe] = build(folder / f"scripted-{len(built)}.gguf", recipe)
        return built[recipe]

    return get
