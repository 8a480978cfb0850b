"""Fixtures that tests of every kind use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import speechset


@pytest.fixture(scope="session")
def speech() -> Path:
    """The shared set of recordings; skips the test where it is not there."""
    found = speechset.folder()
    if found is None:
        pytest.skip("the speech set is not there: set SOTTO_SPEECH, or put it at ../shared/speech")
    return found
