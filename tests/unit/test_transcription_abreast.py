"""Windows worked on at the same time come back in order, are held in small number, and fail in their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcription.abreast import in_order


@given(st.lists(st.integers(), max_size=30), st.integers(1, 4))
def test_every_result_comes_with_its_item_and_in_order(items: list[int], at_once: int) -> None:
    """Feature: abreast, Property 1: as if they had been worked on one after another."""
    assert list(in_order(items, lambda item: item * 2, at_once)) == [(item, item * 2) for item in items]


def test_the_next_is_read_while_one_is_worked_on() -> None:
    second = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    assert list(in_order(items(), lambda _: second.wait(60), 1)) == [(1, True), (2, True)]


def test_as_many_as_may_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(3)
    results = [result for _, result in in_order(range(3), lambda _: together.wait(60), 3)]
    assert sorted(results) == [0, 1, 2]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_no_more_are_held_and_none_is_worked_on_beside_too_many(at_once: int) -> None:
    lock = threading.Lock()
    held = working = most_held = most_working = 0

    def items() -> Iterator[int]:
        nonlocal held, most_held
        for item in range(20):
            with lock:
                held += 1
                most_held = max(most_held, held)
            yield item

    def work(item: int) -> int:
        nonlocal working, most_working
        with lock:
            working += 1
            most_working = max(most_working, working)
        threading.Event().wait(0.001)
        with lock:
            working -= 1
        return item

    for _ in in_order(items(), work, at_once):
        with lock:
            held -= 1
    assert most_working <= at_once
    assert most_held <= at_once + 1


def test_a_failure_comes_in_its_place_and_ends_the_work() -> None:
    done: list[int] = []

    def work(item: int) -> int:
        if item == 2:
            raise ValueError("hurt")
        return item

    with pytest.raises(ValueError, match="hurt"):
        for item, _ in in_order(range(10), work, 1):
            done.append(item)  # noqa: PERF401 - what was done before the failure is to be kept
    assert done == [0, 1]


def test_leaving_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = in_order(range(100), lambda item: item, 2)
    assert next(results) == (0, 0)
    results.close()
    assert threading.active_count() == before
