"""Limits of what models take: watched from outside, refused before. Real children that hold real memory."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import CancelledError, MemoryLimitError, WorkerKilledError
from services.lifecycle import ModelState
from services.memory.limits import SLACK_MB
from services.settings import MemorySettings
from services.worker.client import Worker
from tests.functional.rooms import Working, as_held, children, holding, room, run, tree
from tests.functional.waiting import until

SMALL = holding(30)


@pytest.fixture(autouse=True)
def held(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_held(monkeypatch)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Worker]:
    """A process beside the models that nobody may touch."""
    with Worker("test", tmp_path / "log", "tests.functional.worker_kind") as other:
        yield other


def test_a_model_that_takes_more_than_it_may_is_ended_with_the_numbers(recorder: Worker) -> None:
    with room(MemorySettings(max_stt_mb=100), (SMALL, 40)) as here:
        error = Working(here, here.stt, SMALL, mb=150).end()
        assert isinstance(error, MemoryLimitError)
        words = error.message.split()
        assert (words[:2], words[3:]) == (["a", "took"], "MB, and 100 MB are allowed.".split())
        assert float(words[2]) > 150
        assert "max_stt_mb" in error.hint
        assert here.stt.state is ModelState.UNLOADED
        assert here.stt.status.reason == error.message
        assert here.stt.peak_mb > 150
        assert recorder.call("echo", {"still": "there"}) == {"still": "there"}
        here.use(here.llm, SMALL)  # the next one finds room
        recorder.close()


def test_a_model_below_its_limit_works_on() -> None:
    with room(MemorySettings(max_stt_mb=300), (SMALL, 40)) as here:
        working = Working(here, here.stt, SMALL, mb=150)
        assert working.begun.wait(60)
        until(lambda: here.stt.peak_mb > 150)  # the guard has looked
        assert isinstance(working.stop(), CancelledError)
        assert here.stt.state is ModelState.READY


def test_a_limit_that_is_lowered_holds_for_the_model_at_work() -> None:
    with room(MemorySettings(), (SMALL, 40)) as here:
        working = Working(here, here.stt, SMALL, mb=150)
        assert working.begun.wait(60)
        here.apply(MemorySettings(max_stt_mb=100))
        assert isinstance(working.end(), MemoryLimitError)
        assert "100 MB are allowed" in here.stt.status.reason


def test_what_all_of_sotto_takes_is_limited_too() -> None:
    with room(MemorySettings(), (SMALL, 40)) as here:
        here.use(here.stt, SMALL)
        allowed = tree().pss + 60
        here.apply(MemorySettings(max_total_mb=allowed))
        error = Working(here, here.stt, SMALL, mb=150).end()
        assert isinstance(error, MemoryLimitError)
        assert error.message.startswith("All of sotto took")
        assert "max_total_mb" in error.hint


def test_an_idle_model_goes_before_the_one_at_work() -> None:
    with room(MemorySettings(keep_mb=1000, idle_seconds=600), (SMALL, 40)) as here:
        here.use(here.llm, SMALL)
        working = Working(here, here.stt, SMALL, mb=100)
        assert working.begun.wait(60)
        here.apply(MemorySettings(keep_mb=1000, idle_seconds=600, max_total_mb=tree().pss - 10))
        until(lambda: here.llm.state is ModelState.UNLOADED)
        assert here.llm.status.reason.startswith("All of sotto took")
        assert here.stt.state is ModelState.PROCESSING
        assert isinstance(working.stop(), CancelledError)


def test_a_model_that_was_measured_above_its_limit_is_not_even_started() -> None:
    with room(MemorySettings(max_stt_mb=100), (SMALL, 150)) as here:
        with pytest.raises(MemoryLimitError, match="a takes 150 MB, and 100 MB are allowed"):
            here.use(here.stt, SMALL)
        assert here.steps() == [("stt", "Loading"), ("stt", "Unloaded")]
        assert here.stt.status.reason == "a takes 150 MB, and 100 MB are allowed."
        assert not children()
        assert not here.residency.leased


def test_what_a_run_took_is_known_the_next_time() -> None:
    big = holding(120)
    with room(MemorySettings()) as here:
        assert not here.estimates.of(big).measured
        here.use(here.stt, big)
        estimate = here.estimates.of(big)
        assert estimate.measured
        assert 120 < estimate.mb < 200
        assert not here.estimates.of(holding(120, "another")).measured


def test_a_model_that_was_ended_for_its_size_is_known_by_it() -> None:
    with room(MemorySettings(max_stt_mb=100), (SMALL, 40)) as here:
        assert isinstance(Working(here, here.stt, SMALL, mb=150).end(), MemoryLimitError)
        with pytest.raises(MemoryLimitError, match=r"a takes 1\d\d MB"):
            here.use(here.stt, SMALL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux refuses mapped memory (RLIMIT_DATA)")
def test_an_allocation_that_is_refused_ends_the_call_and_the_model_stays() -> None:
    with room(MemorySettings(max_stt_mb=100), (SMALL, 40)) as here:
        with here.residency.lease(here.stt, "a", SMALL, threading.Event()) as stt:
            with pytest.raises(MemoryLimitError, match="more than the 100 MB"):
                run(stt, "load", {"mb": int(100 + SLACK_MB)})
            assert stt.state is ModelState.READY
            assert "100 MB" in stt.status.reason
            assert run(stt, "echo", {"x": 2}) == {"x": 2}


def test_a_model_at_work_that_the_system_kills_says_so() -> None:
    with room(MemorySettings(), (SMALL, 40)) as here:
        working = Working(here, here.stt, SMALL, mb=10)
        assert working.begun.wait(60)
        assert here.stt.pid is not None
        os.kill(here.stt.pid, signal.SIGKILL)
        assert isinstance(working.end(), WorkerKilledError)
        assert here.stt.state is ModelState.UNLOADED
        assert "out of memory" in here.stt.status.reason


def test_an_idle_model_that_the_system_kills_is_noticed() -> None:
    with room(MemorySettings(), (SMALL, 40)) as here:
        here.use(here.stt, SMALL)
        assert here.stt.pid is not None
        os.kill(here.stt.pid, signal.SIGKILL)
        until(lambda: here.stt.state is ModelState.UNLOADED)
        assert "SIGKILL" in here.stt.status.reason
        here.use(here.stt, SMALL)


def test_the_guard_ends_with_the_last_model_and_comes_back_with_the_next() -> None:
    def guards() -> int:
        return sum(thread.name == "memory guard" for thread in threading.enumerate())

    with room(MemorySettings(), (SMALL, 40)) as here:
        for _ in range(2):
            here.use(here.stt, SMALL)
            assert guards() == 1
            here.unload_idle("enough")
            until(lambda: guards() == 0)


def test_a_guard_without_room_for_a_thread_comes_with_the_next_state(monkeypatch: pytest.MonkeyPatch) -> None:
    start, refused = threading.Thread.start, list[str]()

    def no_room_at_first(thread: threading.Thread) -> None:
        if thread.name == "memory guard" and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_room_at_first)
    with room(MemorySettings(), (SMALL, 40)) as here:
        here.use(here.stt, SMALL)
        assert refused
        assert any(thread.name == "memory guard" for thread in threading.enumerate())
