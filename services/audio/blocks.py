"""A stream of samples, cut into blocks of one size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]


def in_blocks(pieces: Iterator[Block], size: int, channels: int) -> Iterator[Block]:
    """`pieces` of any length as blocks of `size` frames; only the last one is shorter.

    A piece that is a whole block is passed on as it is.
    """
    block = np.empty((0, channels), np.float32)
    filled = 0
    for piece in pieces:
        at = 0
        while at < len(piece):
            if not filled:
                if len(piece) - at >= size:
                    yield piece[at : at + size]
                    at += size
                    continue
                block = np.empty((size, channels), np.float32)
            take = min(size - filled, len(piece) - at)
            block[filled : filled + take] = piece[at : at + take]
            filled, at = filled + take, at + take
            if filled == size:
                yield block
                filled = 0
    if filled:
        yield block[:filled]
