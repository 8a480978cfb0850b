"""Letting go of memory in this process, and the thread that sees to it."""

from __future__ import annotations

import subprocess
import sys
import threading

from services.events import Event
from services.memory.housekeeper import Housekeeper
from services.memory.optimization import Effect
from services.memory.optimizer import Lever, Optimizer, Reading
from services.memory.probe import Pressure
from tests.functional.waiting import until

_HOLDER = """
import gc, sys
from services.memory.caches import Caches

class Ring:  # only the garbage collector can tell that nobody needs it
    def __init__(self):
        self.me, self.data = self, [bytes(1000) for _ in range(1000)]

gc.disable()
caches = Caches()
cache = {n: bytes(1000) for n in range(40_000)}
caches.register(cache.clear)
for _ in range(30):
    Ring()
sys.stdout.write(f"{caches.drop()} ")
gone = caches.drop()
sys.stdout.write(f"{gone}")
"""


def test_dropping_gives_back_caches_and_garbage() -> None:
    done = subprocess.run([sys.executable, "-c", _HOLDER], capture_output=True, text=True, check=True)
    first, second = map(float, done.stdout.split())
    assert first > 50, "40 MB were cached and 30 MB were garbage"
    assert second < 5


def test_the_thread_tidies_and_lets_the_optimizer_act() -> None:
    events: list[Event] = []
    threads: set[int] = set()
    tidied = threading.Event()

    def pull() -> bool:
        threads.add(threading.get_ident())
        return True

    lever = Lever("Done", "Do it.", "UI", lambda: True, pull, user=Effect.NONE)
    critical = Reading(Pressure.CRITICAL, 100.0, 8000.0, 100.0)
    keeper = Housekeeper(Optimizer((lever,), lambda: critical, lambda: 100.0, events.append), tidied.set, 3600.0)
    keeper.start()
    try:
        until(lambda: bool(threads))
        assert not tidied.is_set(), "its time has not come"
        keeper.every(0.01)
        until(tidied.is_set)
        until(lambda: bool(events))
    finally:
        keeper.close()
    assert threads and threading.get_ident() not in threads
    assert not any(thread.name == "housekeeper" for thread in threading.enumerate())


def test_the_thread_goes_on_when_a_look_fails() -> None:
    events: list[Event] = []
    failing, tidied = [OSError(24, "Too many open files"), RuntimeError("can't start new thread")], threading.Event()

    def read() -> Reading:
        if failing:
            raise failing.pop()
        return Reading(Pressure.CRITICAL, 100.0, 8000.0, 100.0)

    def tidy() -> None:
        tidied.set()
        raise OSError(12, "Cannot allocate memory")

    lever = Lever("Done", "Do it.", "UI", lambda: True, lambda: True)
    keeper = Housekeeper(Optimizer((lever,), read, lambda: 100.0, events.append), tidy, 0.01)
    keeper.start()
    try:
        until(tidied.is_set)
        until(lambda: bool(events))
    finally:
        keeper.close()


def test_a_thread_that_was_never_started_can_be_closed() -> None:
    calm = Reading(Pressure.LOW, 4000.0, 8000.0, 100.0)
    events: list[Event] = []
    Housekeeper(Optimizer((), lambda: calm, lambda: 0.0, events.append), lambda: None, 1.0).close()
    assert events == []
