"""What keeps a thread alive that looks after something: a step that fails costs that step alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Lasting:
    """Takes the steps of one thread.

    Memory that is short, or a table of open files that is full, lets anything fail for a moment: just then limits have
    to be watched and memory has to be given back.

    Args:
        name: Whose steps, for the log.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._failed = ""

    def do(self, step: Callable[[], _T]) -> _T | None:
        """What `step` returns; None where it failed. The log has why, once for a row of failures that are alike."""
        try:
            result = step()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next step may succeed
            failed = f"{type(error).__name__}: {error}"
            if failed != self._failed:
                _log.exception("%s goes on after an error", self._name)
            self._failed = failed
            return None
        self._failed = ""
        return result
