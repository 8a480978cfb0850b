"""The ring between the sound callback and the writer."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recording.ring import Ring, Samples


def _drain(ring: Ring, frames: int | None = None) -> Samples:
    first, second = ring.views()
    out = np.concatenate([first, second])[:frames]
    ring.consume(len(out))
    return out


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(1, 40),
    channels=st.integers(1, 2),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=60),
)
def test_what_comes_out_is_what_went_in(size: int, channels: int, steps: list[tuple[bool, int]]) -> None:
    """Feature: recording, Property 1: the ring keeps order and content, and counts every frame that it refuses."""
    ring = Ring(size, channels)
    model: list[int] = []
    number = lost = 0
    for write, count in steps:
        if write:
            block = np.repeat(np.arange(number, number + count, dtype=np.float32)[:, None], channels, axis=1)
            number += count
            fit = min(count, size - len(model))
            model += [int(value) for value in block[:fit, 0]]
            lost += count - fit
            ring.write(block)
        else:
            out = _drain(ring, count)
            expected, model = model[: len(out)], model[len(out) :]
            assert out.shape == (len(expected), channels)
            assert (out == np.array(expected, np.float32)[:, None]).all()
        assert (ring.filled, ring.free, ring.overflows) == (len(model), size - len(model), lost)


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(1, 40),
    steps=st.lists(st.tuples(st.sampled_from(["write", "read", "doubt", "trust", "void"]), st.integers(0, 60))),
)
def test_nobody_reads_what_was_not_proven(size: int, steps: list[tuple[str, int]]) -> None:
    """Feature: recording, Property 9: what is void is never read, and the rest in order, once it has been proven."""
    good = True
    ring = Ring(size, 1, proof=lambda: good)
    waiting: list[int] = []  # written, and neither read nor void
    proven = number = 0
    for step, count in steps:
        if step == "write":
            block = np.arange(number, number + count, dtype=np.float32)[:, None]
            number += count
            waiting += [int(value) for value in block[: ring.free, 0]]
            ring.write(block)
        elif step == "void":
            ring.void()
            del waiting[proven:]
        elif step == "read":
            proven = len(waiting) if good else proven
            assert ring.filled == proven
            out = _drain(ring, count)
            assert [int(value) for value in out[:, 0]] == waiting[: len(out)]
            assert len(out) or not (count and proven), "who waits for what is there must get on"
            del waiting[: len(out)]
            proven -= len(out)
        else:
            good = step == "trust"


def _traced(frames: int) -> tuple[int, int]:
    """Bytes that 2,000 writes (and reads) of `frames` leave behind, and the most that one of them held meanwhile."""
    ring = Ring(10 * frames + 7, 2)
    block = np.zeros((frames, 2), np.float32)

    def call() -> None:
        ring.write(block)
        ring.consume(ring.filled)

    for _ in range(100):
        call()
    tracemalloc.start()
    try:
        call()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(2000):
            call()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before, peak - before


def test_a_write_allocates_nothing_that_stays_and_no_buffer_on_the_way() -> None:
    small, small_peak = _traced(480)
    large, large_peak = _traced(48_000)
    # Over 2,000 calls: a single byte a call would be more than that. (The measurement itself keeps an integer.)
    assert small < 100
    assert large < 100
    # Slices of an array are small objects; what matters is that the samples are not copied a second time.
    assert small_peak <= 1024
    assert large_peak <= 1024
