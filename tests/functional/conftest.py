"""Fixtures of the functional tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.pulse import pulse, sound_server

__all__ = ["home", "pulse", "sound_server"]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty SOTTO_HOME, with a name short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as name:
        monkeypatch.setenv("SOTTO_HOME", name)
        yield Path(name)
