"""What a context takes: worked out from what a model's file says about itself, before any of it is taken."""

from __future__ import annotations

import mmap
import sys
from dataclasses import dataclass

from services.models.options import KvCache

BATCH = 128
"""Tokens computed at once: large enough for full speed on a processor, small enough to be cancelled within seconds."""

_MB = 2**20
_BESIDE_MB = 64.0
"""What llama.cpp reserves beside a context, measured: graphs, stacks, buffers of its library. It gives up the whole
process where it does not get that, so there has to be room for it before it begins."""
_BLOCK = 32
"""Numbers of a quantised type come in blocks of so many: a head has to be made of whole ones."""

_BYTES: dict[KvCache, float] = {"f16": 2.0, "q8_0": 34 / _BLOCK, "q4_0": 18 / _BLOCK}
"""Bytes of one number: `q8_0` has 32 of a byte each and their scale, `q4_0` 32 of half a byte (ggml-common.h)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a model, as its file gives it.

    Attributes:
        layers: Each keeps keys and values of its own.
        kv_heads: Heads that have keys and values; several heads of attention may share one.
        key: Length of a head's key.
        value: Length of a head's value.
        width: Length of a token's vector.
        vocabulary: Number of tokens.
    """

    layers: int
    kv_heads: int
    key: int
    value: int
    width: int
    vocabulary: int

    def fits(self, kind: KvCache) -> bool:
        """Whether keys and values can be of this type."""
        return kind == "f16" or (self.key % _BLOCK == 0 and self.value % _BLOCK == 0)

    def token_bytes(self, kind: KvCache) -> float:
        """What each token of a context takes: its keys and values, and its row of the mask that a batch is given.

        Models that remember some layers for a window only take less.
        """
        return self.layers * self.kv_heads * (self.key + self.value) * _BYTES[kind] + 2 * BATCH

    @property
    def work_bytes(self) -> int:
        """What computing a batch takes, whatever the context: a number for each token of the vocabulary, mostly."""
        return BATCH * 4 * (self.vocabulary + 4 * self.width)

    def context_mb(self, tokens: int, kind: KvCache) -> float:
        """What a context of `tokens` takes, with the room to compute in, in MB."""
        return (tokens * self.token_bytes(kind) + self.work_bytes) / _MB

    def most_tokens(self, room_mb: float, kind: KvCache) -> int:
        """The largest context that takes no more than `room_mb`; 0 where nothing fits."""
        return max(0, int((room_mb * _MB - self.work_bytes) / self.token_bytes(kind)))


def can_have(mb: float) -> bool:
    """Whether the system lets this process have `mb` for a context, and what goes with it.

    Asked for and given back unused: a limit on what a process may hold is seen by nothing else beforehand.
    """
    if sys.platform == "win32":
        return True  # what is asked for is taken there
    try:
        mmap.mmap(-1, int((mb + _BESIDE_MB) * _MB), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        return False
    return True
