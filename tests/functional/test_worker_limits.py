"""Limits of a worker's memory: refused by the system, or ended from outside. Real children that hold real memory."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services import sample
from services.errors import MemoryLimitError, WorkerDiedError
from services.memory import limits
from services.memory.limits import SLACK_MB
from services.worker.client import Worker
from tests.models.fixtures import scripted_whisper
from tests.models.whisper_ct2 import Recipe

__all__ = ["scripted_whisper"]

MODULE = "tests.functional.worker_kind"
LIMIT_MB = 50
TOO_MUCH = {"mb": int(LIMIT_MB + SLACK_MB)}

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux refuses mapped memory (RLIMIT_DATA)")


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Worker]:
    with Worker("test", tmp_path / "log", MODULE, LIMIT_MB) as started:
        yield started


@linux
def test_what_goes_beyond_the_limit_is_refused_and_the_child_lives_on(limited: Worker) -> None:
    with pytest.raises(MemoryLimitError, match="more than the 50 MB that it may take"):
        limited.call("load", TOO_MUCH)
    assert limited.call("load", {"mb": 20}) == {}
    assert limited.memory().pss > 20


@linux
def test_a_limit_can_be_changed_while_the_child_runs(limited: Worker) -> None:
    limited.confine(0)
    assert limited.call("load", TOO_MUCH) == {}
    limited.confine(LIMIT_MB)
    with pytest.raises(MemoryLimitError):
        limited.call("load", {"mb": 20})


@linux
def test_whatever_fails_close_to_the_limit_fails_for_want_of_memory(limited: Worker) -> None:
    """Native code gives a number, or crashes, where it got no memory: it does not say why."""
    limited.call("load", {"mb": int(SLACK_MB)})
    with pytest.raises(MemoryLimitError):
        limited.call("crash")
    with pytest.raises(MemoryLimitError, match="SIGSEGV"):
        limited.call("die", {"signal": int(signal.SIGSEGV)})


@linux
@pytest.mark.parametrize("engine", ["moonshine", "faster-whisper"])
def test_a_real_engine_that_is_refused_memory_at_work_says_so_however_it_ends(
    home: Path, engine: str, scripted_whisper: Callable[[Recipe], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SLACK_MB", 0.0)  # as if it had used all of it
    model = "tiny-en" if engine == "moonshine" else str(scripted_whisper(Recipe()))
    with Worker("stt") as worker:
        worker.call("load", {"engine": engine, "model": model})
        worker.confine(reserved_mb(worker.pid) + 40)
        with pytest.raises(MemoryLimitError):
            worker.call("transcribe", {"path": str(sample.MEETING), "language": "en"})


def reserved_mb(pid: int) -> float:
    """What the kernel counts against the limit of process `pid`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData:")) / 1024


def test_a_child_that_ends_for_want_of_memory_says_so(tmp_path: Path) -> None:
    words = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"
    with Worker("test", tmp_path / "log", MODULE) as worker, pytest.raises(MemoryLimitError, match="SIGABRT"):
        worker.call("die", {"signal": int(signal.SIGABRT), "words": words})


def test_a_child_is_not_told_by_the_words_of_the_one_before(tmp_path: Path) -> None:
    with Worker("test", tmp_path / "log", MODULE) as first, pytest.raises(MemoryLimitError):
        first.call("die", {"signal": int(signal.SIGABRT), "words": "std::bad_alloc"})
    with Worker("test", tmp_path / "log", MODULE) as second, pytest.raises(WorkerDiedError) as caught:
        second.call("die", {"signal": int(signal.SIGABRT), "words": ""})
    assert "bad_alloc" not in caught.value.hint


def test_a_child_without_a_limit_takes_what_it_wants(tmp_path: Path) -> None:
    with Worker("test", tmp_path / "log", MODULE) as free:
        assert free.call("load", TOO_MUCH) == {}


def test_a_child_that_is_ended_from_outside_ends_its_call_with_the_reason(tmp_path: Path) -> None:
    why = MemoryLimitError("It took 812 MB, and 500 MB are allowed.", "Choose a smaller model.")
    caught: list[BaseException] = []
    with Worker("test", tmp_path / "log", MODULE) as worker:
        begun = threading.Event()

        def call() -> None:
            try:
                worker.call("sleep", on_item=lambda _: begun.set())
            except MemoryLimitError as error:
                caught.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        assert begun.wait(20)
        worker.end(why)
        caller.join(20)
        assert caught == [why]
        assert not worker.alive
        with pytest.raises(MemoryLimitError):
            worker.call("echo")
