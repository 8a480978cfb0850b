"""Fixtures of the fault-injection suite."""

from __future__ import annotations

from tests.functional.conftest import home
from tests.functional.pulse import pulse, sound_server

__all__ = ["home", "pulse", "sound_server"]
