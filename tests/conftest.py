"""Fixtures that tests of every kind use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import speechset


@pytest.fixture(scope="session", autouse=True)
def preset() -> Iterator[None]:
    """What a test finds does not depend on the size of the machine that it runs on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOTTO_MEMORY_PRESET", "balanced")
        yield


@pytest.fixture(scope="session")
def speech() -> Path:
    """The shared set of recordings; skips the test where it is not there."""
    found = speechset.folder()
    if found is None:
        pytest.skip("the speech set is not there: set SOTTO_SPEECH, or put it at ../shared/speech")
    return found
