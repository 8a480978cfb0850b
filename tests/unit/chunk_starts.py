"""Where the chunks of a recording begin: what tests compare the format with."""

from __future__ import annotations


class Starts:
    """The positions at which chunks begin, of a recorder that is told other lengths meanwhile.

    Args:
        frames: The length of the first chunk.
    """

    def __init__(self, frames: int) -> None:
        self.positions: list[int] = []
        self._length = self._next = frames
        self._written = 0

    def change(self, frames: int) -> None:
        """Chunks are so long from the next one on."""
        self._next = frames

    def write(self, frames: int) -> None:
        """So many frames more are written."""
        for position in range(self._written, self._written + frames):
            if not self.positions or position - self.positions[-1] == self._length:
                self.positions.append(position)
                self._length = self._next
        self._written += frames

    @property
    def complete(self) -> int:
        """How many frames are in chunks that have ended."""
        if not self.positions:
            return 0
        start = self.positions[-1]
        return start + self._length if self._written - start == self._length else start
