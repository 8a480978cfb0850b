"""What a worker can do: named methods that take plain data and a `Call`.

A kind of worker is a module with a function `create() -> Mapping[str, Method]`. `create` runs once in the child,
on its main thread, and so do the methods, one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Json = dict[str, Any]
"""Plain data that `json` can write: what crosses the process boundary."""


class Call(Protocol):
    """One call as the method that serves it sees it."""

    def item(self, data: Json) -> None:
        """Send one piece of the result, at once."""

    def progress(self, done: float, total: float = 0.0, what: str = "") -> None:
        """Tell how far the work is. Each call is a sign of life: the caller's patience starts anew."""

    def check(self) -> None:
        """Raise `services.errors.CancelledError` when the caller has cancelled. Call it between small steps."""

    @property
    def cancelled(self) -> bool: ...


Method = Callable[[Json, Call], Json]
"""Serve a call: arguments and `Call` in, result out. A `SottoError` reaches the caller as the same class."""

Handler = Mapping[str, Method]
