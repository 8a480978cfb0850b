"""From what was understood of windows to a transcript: sewn together where windows overlap, in order of start.

Windows come in order of their start, but what two people say at the same time is in windows that overlap, each with
many pieces: a piece waits until no later window can bring an earlier one. Between two batches nothing waits, so a run
that begins with the first window of a batch goes on as if it had come there by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.transcription.engine import Piece
from services.transcription.seams import Seams, Settled, Stretch


class Settling:
    """Puts what was said in order. For each window `arrive`, `understood` and `settle`; `flush` after the last.

    Attributes:
        batch: Number of the first window of the batch at hand; what `arrive` gives out belongs to the one before.
    """

    def __init__(self) -> None:
        self.batch = 0
        self._seams = Seams()
        self._waiting: list[Settled] = []

    def arrive(self, number: int, window: Stretch) -> list[Settled]:
        """A window begins. Returns what can be given out, in order of start: nothing earlier comes any more."""
        ready = self.settle(window.start)
        if self._seams.since is None and not self._waiting:
            self.batch = number
        return ready

    def settle(self, time: float) -> list[Settled]:
        """No window that begins before `time`, in seconds, comes any more. Returns what can be given out now."""
        since = self._seams.since
        return self._until(time if since is None else min(since, time))

    def understood(self, number: int, speaker: str, window: Stretch, pieces: Sequence[Piece]) -> None:
        """What was said in the window that arrived; times from its start."""
        self._waiting += self._seams.feed(number, speaker, window, pieces)

    def flush(self) -> list[Settled]:
        """What is left; no window comes any more."""
        self._waiting += self._seams.flush()
        return self._until(float("inf"))

    def _until(self, time: float) -> list[Settled]:
        # Sorting is stable: of two that begin at the same time the one of the earlier window comes first.
        self._waiting.sort(key=lambda settled: settled.piece.start)
        ready = [settled for settled in self._waiting if settled.piece.start < time]
        self._waiting = self._waiting[len(ready) :]
        return ready
