"""Work on windows while the next ones are read: results in order, and no more windows in memory than are worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    items: Iterable[Item], work: Callable[[Item], Result], at_once: int
) -> Generator[tuple[Item, Result], None, None]:
    """Each item with what `work` made of it, in the order of the items.

    The caller's thread takes the items, `at_once` other threads work on them: so one is read while another is worked on
    even where that is 1, and `work` is done with one item before it is called for the next. At most `at_once` and one
    more items are held.

    Args:
        items: Taken one by one, in the caller's thread.
        work: What it raises comes out in the place of the item's result; later items are not worked on then.
        at_once: Calls of `work` at the same time, 1 or more.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="window") as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                while len(waiting) > at_once or (waiting and waiting[0][1].done()):
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        finally:
            for _, future in waiting:
                future.cancel()


def _first(waiting: deque[tuple[Item, Future[Result]]]) -> tuple[Item, Result]:
    item, future = waiting.popleft()
    return item, future.result()
