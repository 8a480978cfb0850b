"""`services.worker`: real children that are called, cancelled, killed and left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.errors import (
    AudioFileError,
    CancelledError,
    WorkerDiedError,
    WorkerError,
    WorkerStalledError,
)
from services.worker import client, patience, protocol
from services.worker.client import Worker
from tests.functional.waiting import until

MODULE = "tests.functional.worker_kind"


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Worker("test", tmp_path / "log", MODULE) as started:
        yield started


def test_a_call_streams_items_in_order_and_returns_its_result(worker: Worker) -> None:
    items: list[object] = []
    progress: list[tuple[float, float, str]] = []
    args = {"items": [1, "zwei", {"drei": 3}, "\u2028" * 100_000]}
    result = worker.call(
        "echo", args, on_item=lambda i: items.append(i["item"]), on_progress=lambda *p: progress.append(p)
    )
    assert result == args
    assert items == args["items"]
    assert progress == [(1, 1, "echo")]


def test_an_error_of_the_child_is_the_same_error_here(worker: Worker) -> None:
    with pytest.raises(AudioFileError) as caught:
        worker.call("fail", {"message": "no sound", "hint": "try another"})
    assert (caught.value.message, caught.value.hint) == ("no sound", "try another")
    assert worker.idle
    assert worker.call("echo", {"still": "there"}) == {"still": "there"}


def test_a_defect_in_the_child_is_an_error_and_the_child_lives_on(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="ZeroDivisionError: a defect"):
        worker.call("crash")
    with pytest.raises(WorkerError, match="no method 'nonsense'"):
        worker.call("nonsense")
    assert worker.call("echo") == {}


def test_cancel_ends_the_call_and_not_the_child(worker: Worker) -> None:
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        worker.call("until_cancelled", on_item=lambda _: cancel.set(), cancel=cancel)
    assert worker.alive
    assert worker.idle
    assert worker.call("echo") == {}


def test_a_call_that_does_not_heed_a_cancel_is_ended_with_its_child(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_CANCEL_SECONDS", 0.5)
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        worker.call("sleep", on_item=lambda _: cancel.set(), cancel=cancel)
    assert not worker.alive


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_dies_tells_its_signal_and_last_words(worker: Worker, number: signal.Signals) -> None:
    with pytest.raises(WorkerDiedError) as caught:
        worker.call("die", {"signal": int(number)})
    assert number.name in caught.value.message
    assert "the last words of a model" in caught.value.hint
    assert "\x1b" not in caught.value.hint
    assert not worker.alive
    assert worker.memory().pss == 0
    with pytest.raises(WorkerDiedError):
        worker.call("echo")


def test_a_child_that_stands_still_is_ended(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "IDLE_SECONDS", 0.5)
    with pytest.raises(WorkerStalledError, match="stood still"):
        worker.call("sleep")
    assert not worker.alive


def test_closing_ends_a_child_that_is_busy(worker: Worker) -> None:
    begun = threading.Event()

    def call() -> None:
        with pytest.raises(WorkerDiedError):
            worker.call("sleep", on_item=lambda _: begun.set())

    caller = threading.Thread(target=call)
    caller.start()
    assert begun.wait(20)
    os.kill(worker.pid, signal.SIGKILL)
    caller.join(20)
    assert not caller.is_alive()


def test_another_version_is_refused_and_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(psutil.Process().children())
    monkeypatch.setattr(protocol, "VERSION", 999)
    with pytest.raises(WorkerError, match="speaks version 1, this sotto 999"):
        Worker("test", tmp_path / "log", MODULE)
    assert set(psutil.Process().children()) == before


def test_a_module_that_does_not_import_is_a_died_worker_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(WorkerDiedError) as caught:
        Worker("test", tmp_path / "log", "services.no_such_module")
    assert "no_such_module" in caught.value.hint


def test_many_workers_leave_no_zombie_and_no_file_open(tmp_path: Path) -> None:
    with Worker("test", tmp_path / "log", MODULE):
        pass  # the spawner's thread is there from now on
    me = psutil.Process()
    files, children = me.num_fds(), set(me.children())
    for round_ in range(5):
        with Worker("test", tmp_path / "log", MODULE) as worker:
            assert worker.call("echo", {"round": round_}) == {"round": round_}
    assert me.num_fds() == files
    assert set(me.children()) == children


def test_memory_comes_back_when_a_worker_is_closed(tmp_path: Path) -> None:
    with Worker("test", tmp_path / "log", MODULE) as worker:
        before = worker.memory().pss
        worker.call("load", {"mb": 60})
        assert worker.memory().pss - before > 55
        pid = worker.pid
    assert not psutil.pid_exists(pid)
    assert worker.memory().pss == 0


def test_a_model_goes_before_everything_else_when_memory_is_short(worker: Worker) -> None:
    assert int(Path(f"/proc/{worker.pid}/oom_score_adj").read_text()) == 500
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 5


def test_a_worker_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from services.worker.client import Worker\n"
        f"w = Worker('test', Path(sys.argv[1]), '{MODULE}'); print(w.pid, flush=True)\n"
        "w.call('sleep')"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_the_thread_that_started_a_worker_may_end(tmp_path: Path) -> None:
    started: list[Worker] = []
    thread = threading.Thread(target=lambda: started.append(Worker("test", tmp_path / "log", MODULE)))
    thread.start()
    thread.join()
    with started[0] as worker:
        time.sleep(0.2)  # the kernel would send the parent-death signal now
        assert worker.call("echo", {"alive": True}) == {"alive": True}


def test_the_log_is_private(worker: Worker, tmp_path: Path) -> None:
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
