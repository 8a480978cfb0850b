"""Figures of memory that are shown."""

from __future__ import annotations


class Steady:
    """Figures that are shown: each moves only when it really changed, so that noise costs no bytes.

    Args:
        step: Change in MB that counts.
        share: Change relative to the figure that counts; both have to be reached.
    """

    def __init__(self, step: float, share: float) -> None:
        self._step = step
        self._share = share
        self._shown: dict[str, float] = {}

    def __call__(self, name: str, value: float) -> float:
        """The figure to show for `value`. Zero is always shown as it is: something is gone, or back."""
        shown = self._shown.get(name)
        if shown is None or not value or not shown or abs(value - shown) >= max(self._step, self._share * shown):
            self._shown[name] = shown = value
        return shown
