"""Which models stay, for how long, and who goes first. Real children that hold real memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from services.errors import MemoryLimitError
from services.events import Event
from services.hosted import HostedModel
from services.lifecycle import ModelState
from services.memory.admission import RESERVE_MB, Admission, Caps
from services.memory.estimates import Estimates
from services.memory.probe import SystemMemory
from services.memory.whole import Whole
from services.residency import Residency, Rules
from services.settings import MemorySettings
from services.worker import kinds
from services.worker.handler import Json
from tests.functional.rooms import Working, as_held, children, holding, private_mb, room, tree

SMALL = holding(30)


@pytest.fixture(autouse=True)
def held(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    as_held(monkeypatch)


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def use(residency: Residency, model: HostedModel, args: Json) -> None:
    with residency.lease(model, str(args["model"]), args, threading.Event()):
        pass


def test_a_model_that_nobody_used_for_the_time_set_goes_and_not_before() -> None:
    clock, events = Clock(), list[Event]()
    stt, llm = (HostedModel(name, events.append) for name in ("stt", "llm"))
    residency = Residency((stt, llm), rules=Rules(idle_s=60), clock=clock)
    use(residency, stt, SMALL)
    assert residency.release("all work is done") == 0.0
    clock.now += 59
    assert residency.tidy() == 0.0
    assert stt.is_loaded()
    use(residency, stt, SMALL)  # used again: the time begins anew
    clock.now += 59
    assert residency.tidy() == 0.0
    clock.now += 1
    assert residency.tidy() > 30
    assert (stt.status.state, stt.status.reason) == (ModelState.UNLOADED, "nobody used it for 60 s")
    assert stt.status.freed_mb is not None


def test_a_model_at_work_is_not_idle_however_long_it_takes() -> None:
    with room(MemorySettings(idle_seconds=0.01)) as here:
        working = Working(here, here.stt, SMALL, mb=10)
        assert working.begun.wait(60)
        assert here.tidy() == 0.0
        assert here.unload_idle("not now") == 0.0
        assert here.stt.state is ModelState.PROCESSING
        working.stop()


def test_without_a_time_it_goes_when_all_work_is_done() -> None:
    with room(MemorySettings(idle_seconds=0)) as here:
        here.use(here.stt, SMALL)
        assert here.tidy() == 0.0
        assert here.stt.state is ModelState.READY  # for the next stage
        assert here.residency.release("the work is done") > 30


def test_with_an_explicit_lifecycle_it_goes_when_its_user_is_done() -> None:
    with room(MemorySettings(idle_seconds=600, explicit_lifecycle=True)) as here:
        here.use(here.stt, SMALL)
        assert here.stt.state is ModelState.UNLOADED
        assert not children()


def test_a_model_stays_beside_the_one_at_work_within_the_limit() -> None:
    with room(MemorySettings(keep_mb=400, idle_seconds=600), (SMALL, 60)) as here:
        here.use(here.stt, SMALL)
        here.use(here.llm, SMALL)
        here.use(here.stt, SMALL)  # found resident
        assert here.steps().count(("stt", "Loading")) == 1
        assert len(children()) == 2


def test_a_model_does_not_stay_where_both_would_take_more_than_the_limit() -> None:
    big = holding(30, "b")
    with room(MemorySettings(keep_mb=400, idle_seconds=600), (SMALL, 60), (big, 380)) as here:
        here.use(here.stt, SMALL)
        here.use(here.llm, big)
        assert here.stt.state is ModelState.UNLOADED
        assert here.stt.status.reason == "room for the next model"


def test_the_one_that_was_used_longest_ago_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        monkeypatch.setitem(kinds.KINDS, name, "tests.functional.worker_kind")
    clock, estimates = Clock(), Estimates()
    estimates.learn(SMALL, 60)
    admission = Admission(estimates, Caps(), Whole())
    one, two, three = models = tuple(HostedModel(name, lambda _: None) for name in ("one", "two", "three"))
    residency = Residency(models, admission, Rules(idle_s=600, keep_mb=130), clock)
    for model in (one, two, one, three):  # two of them fit beside each other; `two` was used before `one`
        clock.now += 1
        use(residency, model, SMALL)
    assert [model.state for model in models] == [ModelState.READY, ModelState.UNLOADED, ModelState.READY]
    assert residency.idle == (one, three)
    residency.unload_all("enough")


def machine(available: float) -> Callable[[], SystemMemory]:
    return lambda: SystemMemory(total=4000, available=available)


def test_a_model_for_which_there_is_no_room_is_refused_with_the_numbers() -> None:
    estimates = Estimates()
    estimates.learn(SMALL, 500)
    admission = Admission(estimates, Caps(), Whole(), machine(550))
    stt = HostedModel("stt", lambda _: None, admission)
    with pytest.raises(MemoryLimitError, match=r"a takes 500 MB, and 550 MB are available, of which 100 MB stay free"):
        use(Residency((stt,), admission), stt, SMALL)
    assert stt.state is ModelState.UNLOADED
    assert "550 MB are available" in stt.status.reason
    assert not children()


def test_an_idle_model_goes_where_the_next_one_would_find_no_room() -> None:
    estimates, free = Estimates(), [1000.0]
    estimates.learn(SMALL, 500)
    admission = Admission(estimates, Caps(), Whole(), lambda: SystemMemory(total=4000, available=free[0]))

    def tell(event: Event) -> None:
        if getattr(event, "new", "") == "Unloaded":
            free[0] += 500

    stt, llm = (HostedModel(name, tell, admission) for name in ("stt", "llm"))
    residency = Residency((stt, llm), admission, Rules(idle_s=600, keep_mb=2000))
    use(residency, stt, SMALL)
    free[0] = 500 + RESERVE_MB - 1
    use(residency, llm, SMALL)
    assert stt.status.reason == "room for the next model"
    assert llm.state is ModelState.READY
    residency.unload_all("enough")


def test_what_sotto_holds_beside_it_counts_for_the_limit_of_all() -> None:
    with room(MemorySettings(), (SMALL, 60)) as here:
        allowed = tree().pss + 50
        here.apply(MemorySettings(max_total_mb=allowed))
        with pytest.raises(MemoryLimitError, match=r"a takes 60 MB beside the \d+ MB that sotto holds, and"):
            here.use(here.stt, SMALL)
        here.apply(MemorySettings(max_total_mb=allowed + 60))
        here.use(here.stt, SMALL)


def test_after_every_unloading_the_tree_is_back_within_10_mb() -> None:
    with room(MemorySettings(idle_seconds=0)) as here:
        here.use(here.stt, holding(1))
        here.unload_idle("warm")
        before = private_mb()
        for model in (here.stt, here.llm):
            here.use(model, holding(80))
            assert private_mb() > before + 75
            assert here.unload_idle("done") > 80
            assert private_mb() < before + 10
