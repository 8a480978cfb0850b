"""Models that live in real child processes: states, leases, and memory that comes back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.errors import CancelledError, StorageError, WorkerDiedError, WorkerKilledError
from services.events import Event, ModelChanged
from services.hosted import HostedModel
from services.lifecycle import ModelState
from services.memory.probe import usage
from services.residency import Residency
from services.worker import kinds
from services.worker.client import Worker
from services.worker.handler import Json

HELD_MB = 80
LOAD: Json = {"mb": HELD_MB}


class House:
    """Two models, a residency and what they told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.stt = HostedModel("stt", self.events.append)
        self.llm = HostedModel("llm", self.events.append)
        self.residency = Residency((self.stt, self.llm))
        self.go_on = threading.Event()

    def steps(self) -> list[tuple[str, str]]:
        return [(e.model, e.new) for e in self.events if isinstance(e, ModelChanged)]

    def freed(self) -> list[float]:
        return [e.freed_mb for e in self.events if isinstance(e, ModelChanged) and e.freed_mb is not None]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    for kind in ("stt", "llm"):
        monkeypatch.setitem(kinds.KINDS, kind, "tests.functional.worker_kind")
    made = House()
    yield made
    made.residency.unload_all("end of the test")


def private_mb() -> float:
    me = psutil.Process()
    return sum(usage(p.pid).pss for p in [me, *me.children(recursive=True)])


def run(model: HostedModel, method: str, args: Json | None = None) -> Json:
    return model.run(method, args or {}, on_item=lambda _: None, on_progress=lambda *_: None)


def test_one_model_is_gone_before_the_next_one_loads(house: House) -> None:
    with house.residency.lease(house.stt, "a", LOAD, house.go_on) as stt:
        assert run(stt, "echo", {"x": 1}) == {"x": 1}
    with house.residency.lease(house.llm, "b", LOAD, house.go_on):
        assert house.stt.state is ModelState.UNLOADED
        assert house.stt.get_memory_usage().pss == 0
        assert len([c for c in psutil.Process().children() if "services.worker.host" in c.cmdline()]) == 1
    assert house.steps() == [
        ("stt", "Loading"),
        ("stt", "Ready"),
        ("stt", "Processing"),
        ("stt", "Ready"),
        ("stt", "Unloading"),
        ("stt", "Unloaded"),
        ("llm", "Loading"),
        ("llm", "Ready"),
    ]
    assert house.freed()[0] > HELD_MB


def test_after_unloading_the_tree_is_back_within_10_mb(house: House) -> None:
    with house.residency.lease(house.stt, "a", {"mb": 1}, house.go_on):
        pass
    house.residency.unload_all("warm")
    before = private_mb()
    for model in (house.stt, house.llm):
        with house.residency.lease(model, "a", LOAD, house.go_on):
            assert private_mb() > before + HELD_MB - 5
        assert house.residency.unload_all("done") > HELD_MB
        assert private_mb() < before + 10


def test_a_resident_model_is_used_again_and_another_choice_replaces_it(house: House) -> None:
    for _ in range(3):
        with house.residency.lease(house.stt, "a", LOAD, house.go_on):
            pass
    assert house.steps() == [("stt", "Loading"), ("stt", "Ready")]
    with house.residency.lease(house.stt, "b", {"mb": 1}, house.go_on) as stt:
        assert stt.status.engine == "b"
    assert house.steps()[2:] == [("stt", "Unloading"), ("stt", "Unloaded"), ("stt", "Loading"), ("stt", "Ready")]


def test_ten_at_once_load_one_model_and_never_two(house: House) -> None:
    most, inside, guard = 0, 0, threading.Lock()

    def use() -> None:
        nonlocal most, inside
        with house.residency.lease(house.stt, "a", LOAD, house.go_on) as stt:
            with guard:
                inside += 1
                most = max(most, inside)
            run(stt, "echo")
            with guard:
                inside -= 1

    users = [threading.Thread(target=use) for _ in range(10)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert most == 1
    assert house.steps().count(("stt", "Loading")) == 1


def test_waiting_for_a_lease_can_be_given_up(house: House) -> None:
    with house.residency.lease(house.stt, "a", LOAD, house.go_on):
        gave_up: list[bool] = []
        give_up = threading.Event()

        def wait() -> None:
            with pytest.raises(CancelledError), house.residency.lease(house.llm, "b", LOAD, give_up):
                pass
            gave_up.append(True)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert house.residency.unload_all("not now") == 0.0
        give_up.set()
        waiting.join(20)
    assert gave_up == [True]
    assert ("llm", "Loading") not in house.steps()


def test_a_model_killed_at_work_is_unloaded_with_the_reason_and_loads_again(house: House) -> None:
    with house.residency.lease(house.stt, "a", LOAD, house.go_on) as stt:
        with pytest.raises(WorkerKilledError):
            run(stt, "die", {"signal": int(signal.SIGKILL)})
        assert stt.state is ModelState.UNLOADED
        assert "SIGKILL: the system may have been out of memory" in stt.status.reason
        stt.load_model()
        assert run(stt, "echo", {"back": 1}) == {"back": 1}


def test_a_model_killed_while_idle_is_noticed_before_it_is_used(house: House) -> None:
    with house.residency.lease(house.stt, "a", LOAD, house.go_on):
        (child,) = [c for c in psutil.Process().children() if "services.worker.host" in c.cmdline()]
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with house.residency.lease(house.stt, "a", LOAD, house.go_on) as stt:
        assert run(stt, "echo", {"back": 1}) == {"back": 1}
    assert house.steps()[2:5] == [("stt", "Unloaded"), ("stt", "Loading"), ("stt", "Ready")]


def test_a_load_that_fails_leaves_unloaded_with_the_reason(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.KINDS, "stt", "services.no_such_module")
    with pytest.raises(WorkerDiedError), house.residency.lease(house.stt, "a", LOAD, house.go_on):
        pass
    assert house.steps() == [("stt", "Loading"), ("stt", "Unloaded")]
    assert house.stt.status.reason
    assert not house.residency.leased


def test_a_listener_that_fails_ends_the_model_that_still_computes(house: House) -> None:
    """A full disk while a transcript is written: the error comes out, and no worker computes on for nobody."""

    def full(_: Json) -> None:
        raise StorageError("The disk is full.")

    with house.residency.lease(house.stt, "a", LOAD, house.go_on) as stt:
        with pytest.raises(StorageError):
            stt.run("until_cancelled", {}, on_item=full, on_progress=lambda *_: None)
        assert stt.state is ModelState.UNLOADED
    assert not [c for c in psutil.Process().children() if "services.worker.host" in c.cmdline()]


def test_cancelling_keeps_the_model_ready(house: House) -> None:
    with house.residency.lease(house.stt, "a", LOAD, house.go_on) as stt:
        cancel = threading.Event()
        with pytest.raises(CancelledError):
            stt.run("until_cancelled", {}, on_item=lambda _: cancel.set(), on_progress=lambda *_: None, cancel=cancel)
        assert stt.state is ModelState.READY
        assert stt.status.reason == ""


def test_a_worker_of_another_kind_is_not_touched(house: House, tmp_path: Path) -> None:
    with Worker("test", tmp_path / "log", "tests.functional.worker_kind") as other:
        with house.residency.lease(house.stt, "a", LOAD, house.go_on):
            pass
        house.residency.unload_all("done")
        assert other.alive
