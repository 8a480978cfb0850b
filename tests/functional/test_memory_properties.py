"""What always holds of models in memory, whatever is done in whatever order. Real children that hold real memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import CancelledError, MemoryLimitError, SottoError
from services.events import Event, ModelChanged
from services.hosted import HostedModel
from services.lifecycle import ModelState
from services.memory.admission import Admission, Caps
from services.memory.estimates import Estimates
from services.memory.whole import Whole
from services.residency import Residency, Rules
from services.settings import MemorySettings
from services.worker.handler import Json
from tests.functional.rooms import as_held, children, holding, kill, private_mb, room, run

MODELS = {"stt a": holding(8, "a"), "stt b": holding(8, "b"), "llm a": holding(8, "a")}
USES = sorted(MODELS)
CHORES = ("unload", "release", "tidy", "wait", "kill stt", "kill llm", "keep one", "keep all", "at once")
COMMON = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def held(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    as_held(monkeypatch)


class Play:
    """Two models, and what was seen whenever one of them changed its state."""

    def __init__(self) -> None:
        self.told: list[ModelChanged] = []
        self.most = 0
        self.now = 0.0
        estimates = Estimates()
        for args in MODELS.values():
            estimates.learn(args, 30)
        admission = Admission(estimates, Caps(), Whole())
        self.models = {name: HostedModel(name, self._see, admission) for name in ("stt", "llm")}
        self.residency = Residency(tuple(self.models.values()), admission, Rules(idle_s=60), clock=lambda: self.now)

    def _see(self, event: Event) -> None:
        assert isinstance(event, ModelChanged)
        self.told.append(event)
        if event.new in ("Loading", "Ready"):
            self.most = max(self.most, len(children()))

    def loads(self) -> int:
        return sum(event.new == "Loading" for event in self.told)

    def use(self, what: str) -> None:
        """Use a model, which is loaded then, and no other is at work."""
        model, args = self.models[what.split()[0]], MODELS[what]
        found, loads = model.alive and model.args == args, self.loads()
        with self.residency.lease(model, what, args, threading.Event()):
            assert model.state is ModelState.READY
            assert model not in self.residency.idle
            assert run(model, "echo", {"x": what}) == {"x": what}
        assert self.loads() == loads + (not found), "what is resident is used again, and nothing else is loaded"

    def chore(self, what: str) -> None:
        loads = self.loads()
        rules = self.residency.rules
        match what.split():
            case ["unload"]:
                self.residency.unload_all("a test")
                assert not children()
            case ["release"]:
                self.residency.release("a test")
            case ["tidy"]:
                self.residency.tidy()
            case ["wait"]:
                self.now += 60
                self.residency.tidy()
                assert not self.residency.idle
            case ["kill", name]:
                pid = self.models[name].pid
                if pid is not None and self.models[name].alive:
                    kill(pid)
            case ["keep", how]:
                self.residency.rules = Rules(rules.idle_s, 1000.0 if how == "all" else 0.0, rules.at_once)
            case _:
                self.residency.rules = Rules(rules.idle_s, rules.keep_mb, at_once=not rules.at_once)
        assert self.loads() == loads, "models are loaded when they are used, and only then"


@COMMON
@given(st.lists(st.sampled_from([*USES, *USES, *CHORES]), min_size=1, max_size=7))
def test_models_live_as_the_table_says_whatever_is_asked_of_them(steps: list[str]) -> None:
    """Feature: memory-optimization, Property 2: Model Lifecycle Management."""
    play, kept = Play(), False
    for step in steps:
        if step in MODELS:
            play.use(step)
        else:
            play.chore(step)
        kept = kept or step == "keep all"
        assert len(children()) <= len(play.models), "never two models of one job"
        if not kept:
            assert play.most <= 1, "never two models in memory"
    play.residency.unload_all("the end")
    play.residency.tidy()
    assert not children()
    for name, model in play.models.items():
        mine = [event for event in play.told if event.model == name]
        assert [event.old for event in mine[1:]] == [event.new for event in mine[:-1]], "no change is left out"
        assert all(event.reason for event in mine if event.new == "Unloaded"), "nothing goes without a reason"
        assert model.state is ModelState.UNLOADED


@COMMON
@given(
    st.lists(st.tuples(st.sampled_from(("stt", "llm")), st.integers(1, 24)), min_size=1, max_size=4),
    st.sampled_from((0.0, 60.0, 1000.0)),
)
def test_models_give_back_what_they_took_and_stay_below_what_may_stay(
    uses: list[tuple[str, int]], keep_mb: float
) -> None:
    """Feature: memory-optimization, Property 5: Backend Memory Efficiency."""
    before = private_mb()
    with room(MemorySettings(keep_mb=keep_mb, idle_seconds=600)) as here:
        models = {"stt": here.stt, "llm": here.llm}
        for name, mb in uses:
            args = holding(mb, str(mb))
            here.estimates.learn(args, mb + 20)
            here.use(models[name], args)
            loaded = [model for model in models.values() if model.alive]
            assert models[name] in loaded
            assert models[name].peak_mb >= mb
            if len(loaded) > 1:
                assert sum(model.get_memory_usage().pss for model in loaded) <= keep_mb + 20
        given_back = here.unload_idle("enough")
        assert given_back >= uses[-1][1]
        assert not children()
        assert private_mb() < before + 10
        freed = [event.freed_mb for event in here.told if event.old == "Unloading"]
        assert len(freed) == sum(event.new == "Ready" and event.old == "Loading" for event in here.told)


def test_ten_users_at_once_share_the_models_and_one_that_takes_too_much_harms_nobody() -> None:
    """Ten concurrent operations: seven that transcribe, two that summarise, one that takes more than it may."""
    small, greedy = holding(20), holding(20, "greedy")
    with room(MemorySettings(max_stt_mb=120, idle_seconds=600), (small, 40), (greedy, 40)) as here:
        inside, most, guard = 0, 0, threading.Lock()
        ends: list[SottoError | None] = []

        def user(model: HostedModel, args: Json, work: Callable[[HostedModel], object]) -> None:
            nonlocal inside, most
            error: SottoError | None = None
            try:
                with here.residency.lease(model, str(args["model"]), args, threading.Event()) as leased:
                    with guard:
                        inside += 1
                        most = max(most, inside)
                    try:
                        work(leased)
                    finally:
                        with guard:
                            inside -= 1
            except SottoError as failed:
                error = failed
            with guard:
                ends.append(error)

        def honest(model: HostedModel) -> None:
            for number in range(3):
                assert run(model, "echo", {"x": number}) == {"x": number}

        tasks: list[tuple[HostedModel, Json, Callable[[HostedModel], object]]] = [
            *[(here.stt, small, honest)] * 7,
            *[(here.llm, small, honest)] * 2,
            (here.stt, greedy, lambda model: run(model, "work", {"mb": 200})),
        ]
        users = [threading.Thread(target=user, args=task) for task in tasks]
        for each in users:
            each.start()
        for each in users:
            each.join(60)
        assert most == 1
        failed = [error for error in ends if error is not None]
        assert len(ends) == len(tasks)
        assert [type(error) for error in failed] == [MemoryLimitError]
        assert "greedy took" in failed[0].message
        assert here.steps().count(("llm", "Loading")) <= 2
        assert len(children()) <= 1


def test_nine_that_wait_can_all_give_up() -> None:
    with room(MemorySettings(idle_seconds=600)) as here:
        give_up, ends = threading.Event(), list[bool]()

        def wait() -> None:
            with pytest.raises(CancelledError), here.residency.lease(here.llm, "a", holding(1), give_up):
                pass
            ends.append(True)

        with here.residency.lease(here.stt, "a", holding(1), threading.Event()):
            waiting = [threading.Thread(target=wait) for _ in range(9)]
            for each in waiting:
                each.start()
            give_up.set()
            for each in waiting:
                each.join(60)
        assert len(ends) == len(waiting)
        assert ("llm", "Loading") not in here.steps()
