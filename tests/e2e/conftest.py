"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from tests.functional.conftest import home, pulse

__all__ = ["home", "pulse"]
