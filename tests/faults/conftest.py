"""Fixtures of the fault-injection suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.conftest import home
from tests.functional.pulse import Pulse, missing, pulse, pulse_server

__all__ = ["home", "pulse"]


@pytest.fixture(scope="module")
def sound_server() -> Iterator[Pulse]:
    """One server for all tests of a file, which do it no harm."""
    lacking = missing()
    if lacking:
        pytest.skip(f"not installed: {lacking}")
    with pulse_server() as server:
        yield server
