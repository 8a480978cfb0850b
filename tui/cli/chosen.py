"""The settings of a command, and a word about what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services import settings
from services.settings import Settings
from tui.cli.output import note


def load(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings. What is wrong in config.toml is told on stderr, and the command goes on without it.

    Args:
        overrides: Values from the command line, nested by section.

    Raises:
        SettingsError: A value of the command line or of the environment is not allowed.
    """
    chosen = settings.load(overrides)
    for problem in chosen.problems:
        note(f"Passed over: {problem.message} {problem.hint}")
    return chosen
