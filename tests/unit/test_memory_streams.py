"""Sound streams: what is held of it does not depend on how long it is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.audio.normalise import Normaliser, Survey
from services.audio.vad import FRAME, RATE
from services.audio.windows import Policy, WindowCutter

MB = 2**20
_BUFFERS_MB = 1.0
"""What both passes may hold beside the block that they are given (REQUIREMENTS of the streaming pipeline)."""

_WINDOW_MB = 30 * RATE * 4 / MB

SECOND = np.random.default_rng(3).normal(0, 0.1, (48_000, 2)).astype(np.float32)


def stream(frames: int, channels: int, sizes: list[int]) -> Iterator[NDArray[np.float32]]:
    """Noise of so many frames, in blocks of the given sizes in turn; views, so that it takes no memory itself."""
    at = turn = 0
    while at < frames:
        size = min(sizes[turn % len(sizes)], frames - at)
        yield SECOND[:size, :channels]
        at, turn = at + size, turn + 1


@settings(max_examples=100, deadline=None)
@given(
    rate=st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]),
    channels=st.integers(1, 2),
    tenths=st.integers(1, 600),
    sizes=st.lists(st.integers(1_000, 48_000), min_size=1, max_size=5),
    said=st.lists(st.tuples(st.booleans(), st.integers(1, 600)), min_size=1, max_size=8),
)
def test_sound_of_any_length_takes_the_same_memory_and_none_is_lost(
    rate: int, channels: int, tenths: int, sizes: list[int], said: list[tuple[bool, int]]
) -> None:
    """Feature: memory-optimization, Property 3: Audio Memory Streaming Efficiency."""
    frames = tenths * rate // 10
    speech = np.concatenate([np.full(length, float(speaks), np.float32) for speaks, length in said])
    tracemalloc.start()
    try:
        survey = Survey(rate, channels)
        for block in stream(frames, channels, sizes):
            survey.feed(block)
        plan = survey.plan()
        assert plan.frames == frames
        _, surveyed = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        normaliser, given_out = Normaliser(plan.groups[0], rate), 0
        cutter, rest, at, longest = WindowCutter(Policy()), np.zeros(0, np.float32), 0, 0.0
        for block in stream(frames, channels, sizes):
            ready = normaliser.feed(block)
            given_out += len(ready)
            rest = np.concatenate([rest, ready])
            whole = len(rest) // FRAME
            now = np.take(speech, range(at, at + whole), mode="wrap")
            for window in cutter.feed(rest[: whole * FRAME].reshape(-1, FRAME), now):
                longest = max(longest, window.end - window.start)
            at, rest = at + whole, rest[whole * FRAME :]
        given_out += len(normaliser.flush())
        cutter.flush()
        _, streamed = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    block_mb = max(sizes) * channels * 4 / MB
    assert surveyed / MB < _BUFFERS_MB + 4 * block_mb
    # Beside the passes: the window that is open, and twice that where it is copied out.
    assert streamed / MB < _BUFFERS_MB + 4 * block_mb + 3 * _WINDOW_MB
    assert given_out == -(-frames * RATE // rate)
    assert longest <= 30.5
