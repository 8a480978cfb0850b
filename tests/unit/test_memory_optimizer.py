"""The optimizer: what is done about a shortage, in which order, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import ModelError
from services.events import Event, MemoryAlerted, Optimized
from services.memory.optimization import Effect
from services.memory.optimizer import (
    AGAIN_SECONDS,
    CALM_SECONDS,
    PATIENCE_SECONDS,
    SETTLE_SECONDS,
    Lever,
    Optimizer,
    Reading,
)
from services.memory.probe import Pressure

GIVES_BACK = {"caches": 5.0, "idle": 200.0, "narrower": 50.0, "captions": 150.0, "smaller": 300.0}


@dataclass
class World:
    """A sotto and a machine, as far as the optimizer sees them: what is held, and what has been done."""

    pressure: Pressure = Pressure.LOW
    available: float = 4000.0
    machine: float = 8000.0
    base_mb: float = 1000.0
    now: float = 0.0
    idle: bool = True
    broken: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    in_force: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        levers = (
            self.lever("caches", Effect.NONE, back=False),
            self.lever("idle", Effect.NONE, back=False, ready=lambda: self.idle),
            self.lever("narrower", Effect.MINIMAL),
            self.lever("captions", Effect.SIGNIFICANT),
            self.lever("smaller", Effect.MODERATE),
        )
        self.optimizer = Optimizer(levers, self.read, self.held, self.events.append, lambda: self.now)

    def lever(self, name: str, user: Effect, back: bool = True, ready: Callable[[], bool] = lambda: True) -> Lever:
        def pull() -> bool:
            if name in self.broken:
                raise ModelError(f"{name} is stuck.")
            self.done.append(name)
            if back:
                self.in_force.append(name)
            else:
                self.base_mb -= GIVES_BACK[name]
            return True

        def undo() -> None:
            if name in self.stuck:
                raise ModelError(f"{name} does not go back.")
            self.done.append(f"-{name}")
            self.in_force.remove(name)

        return Lever(name, f"Do {name}.", "UI", ready, pull, undo if back else None, user=user, action=name)

    def held(self) -> float:
        return self.base_mb - sum(GIVES_BACK[name] for name in self.in_force)

    def read(self) -> Reading:
        return Reading(self.pressure, self.available, self.machine, self.held())

    def live(self, seconds: float) -> None:
        """Let time pass, ticking whenever the optimizer asked for it."""
        end = self.now + seconds
        while self.now < end:
            self.now += max(0.1, self.optimizer.tick())

    @property
    def told(self) -> list[Optimized]:
        return [event for event in self.events if isinstance(event, Optimized)]

    @property
    def alerts(self) -> list[MemoryAlerted]:
        return [event for event in self.events if isinstance(event, MemoryAlerted)]


def test_nothing_is_done_while_memory_is_not_short() -> None:
    for pressure in (Pressure.LOW, Pressure.MEDIUM):
        world = World(pressure)
        world.live(600)
        assert world.done == []
        assert world.events == []


def test_critical_pressure_pulls_every_lever_from_cheap_to_costly() -> None:
    world = World(Pressure.CRITICAL)
    world.live(6 * SETTLE_SECONDS)
    assert world.done == ["caches", "idle", "narrower", "captions", "smaller"]


def test_the_effect_of_a_step_is_waited_for_and_told() -> None:
    world = World(Pressure.CRITICAL)
    world.live(3 * SETTLE_SECONDS)
    steps = [(each.result.step, each.result.before_mb, each.result.after_mb) for each in world.told]
    assert steps[:2] == [("caches", 1000.0, 995.0), ("idle", 995.0, 795.0)]
    idle = world.told[1].result
    assert (idle.saved_mb, round(idle.saved_percent, 1)) == (200.0, 20.1)
    for _ in range(100):  # many looks within the time that a step needs are one look
        world.optimizer.tick()
    assert len(world.done) == len(world.told) + 1


def test_it_ends_when_memory_is_there_again() -> None:
    world = World(Pressure.CRITICAL)
    world.live(SETTLE_SECONDS)
    world.pressure = Pressure.MEDIUM
    world.live(CALM_SECONDS / 2)
    assert world.done == ["caches"]


def test_high_pressure_takes_what_a_person_would_miss_only_after_patience() -> None:
    world = World(Pressure.HIGH, machine=4000.0)
    world.live(4 * SETTLE_SECONDS)
    assert world.done == ["caches", "idle", "narrower"]
    world.idle = False
    world.live(PATIENCE_SECONDS - 2 * SETTLE_SECONDS)
    assert "captions" not in world.done
    world.live(4 * (PATIENCE_SECONDS + AGAIN_SECONDS))
    assert [name for name in world.done if name != "caches"] == ["idle", "narrower", "captions", "smaller"]


def test_high_pressure_that_others_make_takes_nothing_that_a_person_would_miss() -> None:
    world = World(Pressure.HIGH, machine=64_000.0)
    world.live(3600)
    assert set(world.done) == {"caches", "idle", "narrower"}


def test_one_gigabyte_available_is_short_on_any_machine() -> None:
    for machine in (3_000.0, 8_000.0, 64_000.0):
        world = World(Pressure.LOW, available=1024.0, machine=machine)
        world.live(4 * SETTLE_SECONDS)
        assert world.done == ["caches", "idle", "narrower"]
    roomy = World(Pressure.LOW, available=900.0, machine=1024.0)
    roomy.live(60)
    assert roomy.done == [], "a small machine that is nearly empty is not short of memory"


def test_steps_are_undone_in_reverse_each_after_a_calm_time() -> None:
    world = World(Pressure.CRITICAL)
    world.live(6 * SETTLE_SECONDS)
    world.pressure = Pressure.LOW
    world.live(CALM_SECONDS)
    assert world.in_force == ["narrower", "captions", "smaller"]
    world.live(4 * CALM_SECONDS)
    assert world.done[5:] == ["-smaller", "-captions", "-narrower"]
    last = world.told[-1].result
    assert (last.step, last.undone, last.saved_mb) == ("narrower", True, -GIVES_BACK["narrower"])


def test_what_was_undone_too_early_is_undone_later_next_time() -> None:
    world = World(Pressure.CRITICAL)
    world.live(6 * SETTLE_SECONDS)
    waits = []
    for _ in range(3):
        world.pressure = Pressure.LOW
        begun, before = world.now, len(world.done)
        while "-smaller" not in world.done[before:]:
            world.live(1)
        waits.append(world.now - begun)
        world.pressure = Pressure.CRITICAL
        while world.done[-1] != "smaller":
            world.live(1)
    assert waits[0] < waits[1] < waits[2]


def test_a_step_that_fails_is_told_and_the_next_one_follows() -> None:
    world = World(Pressure.CRITICAL, broken={"narrower"})
    world.live(6 * SETTLE_SECONDS)
    assert world.done == ["caches", "idle", "captions", "smaller"]
    failed = [each.result for each in world.told if not each.result.success]
    assert [(each.step, each.error, each.saved_mb) for each in failed] == [("narrower", "narrower is stuck.", 0.0)]
    assert "narrower" not in world.optimizer.report.in_force


def test_a_step_that_cannot_be_undone_holds_and_is_tried_again() -> None:
    world = World(Pressure.CRITICAL, stuck={"smaller"})
    world.live(6 * SETTLE_SECONDS)
    world.pressure = Pressure.LOW
    world.live(4 * CALM_SECONDS)
    assert world.optimizer.report.in_force == ("narrower", "captions", "smaller") == tuple(world.in_force)
    assert world.optimizer.report.saved_mb == sum(GIVES_BACK[name] for name in world.in_force)
    failed = [each.result for each in world.told if not each.result.success]
    assert {(each.step, each.error, each.undone) for each in failed} == {("smaller", "smaller does not go back.", True)}
    world.stuck.clear()
    world.live(10 * CALM_SECONDS)
    later = world.optimizer.report
    assert not later.in_force
    assert not world.in_force


def test_a_step_that_cannot_be_undone_is_not_tried_at_every_look() -> None:
    world = World(Pressure.CRITICAL, stuck={"smaller"})
    world.live(6 * SETTLE_SECONDS)
    world.optimizer.configure(automatic=False, own_cleanup_mb=0.0)
    world.live(AGAIN_SECONDS)
    assert len([each for each in world.told if not each.result.success]) == 1


def test_a_step_that_has_nothing_to_do_is_passed_over() -> None:
    world = World(Pressure.CRITICAL, idle=False)
    world.live(3 * SETTLE_SECONDS)
    assert world.done[:2] == ["caches", "narrower"]
    world.idle = True
    world.live(AGAIN_SECONDS)
    assert "idle" in world.done


def test_without_automatic_optimization_the_next_step_is_only_recommended() -> None:
    world = World(Pressure.CRITICAL)
    world.optimizer.configure(automatic=False, own_cleanup_mb=0.0)
    world.live(300)
    assert world.done == []
    assert [(each.alert.recommendation, each.alert.action, each.alert.resolved) for each in world.alerts] == [
        ("Do caches.", "caches", False)
    ]
    world.pressure = Pressure.LOW
    world.live(30)
    assert [each.alert.resolved for each in world.alerts] == [False, True]


def test_switching_it_off_takes_back_what_was_done() -> None:
    world = World(Pressure.CRITICAL)
    world.live(6 * SETTLE_SECONDS)
    world.optimizer.configure(automatic=False, own_cleanup_mb=0.0)
    world.live(4 * SETTLE_SECONDS)
    assert world.in_force == []


def test_more_than_sotto_may_hold_takes_only_what_nobody_misses() -> None:
    world = World(Pressure.LOW, base_mb=2500.0)
    world.optimizer.configure(automatic=True, own_cleanup_mb=2000.0)
    world.live(6 * SETTLE_SECONDS)
    assert world.done == ["caches", "idle"]


def test_the_report_says_what_was_done_and_what_comes_next() -> None:
    world = World(Pressure.HIGH)
    world.live(4 * SETTLE_SECONDS)
    report = world.optimizer.report
    assert [each.step for each in report.results] == ["caches", "idle", "narrower"]
    assert report.in_force == ("narrower",)
    assert report.saved_mb == GIVES_BACK["narrower"]
    assert report.next_steps[-2:] == ("Do captions.", "Do smaller.")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(Pressure), st.sampled_from((500.0, 4000.0)), st.booleans(), st.floats(0.0, 400.0)),
        max_size=25,
    ),
    st.sets(st.sampled_from(sorted(GIVES_BACK))),
)
def test_what_is_in_force_is_a_stack(story: list[tuple[Pressure, float, bool, float]], broken: set[str]) -> None:
    """Feature: memory-optimization, Property 5: Backend Memory Efficiency.

    Whatever the pressure does and whichever steps fail: each step is taken back before it is taken again, the last one
    first, nothing is left when memory has been there long enough, and every step that was taken is told.
    """
    world = World(broken=broken)
    for world.pressure, world.available, automatic, seconds in story:
        world.optimizer.configure(automatic, 0.0)
        world.live(seconds)
    stack: list[str] = []
    for name in world.done:
        if name.startswith("-"):
            assert stack.pop() == name[1:]
        elif name not in ("caches", "idle"):
            assert name not in stack
            stack.append(name)
    assert tuple(stack) == world.optimizer.report.in_force == tuple(world.in_force)
    world.pressure, world.available = Pressure.LOW, 4000.0
    world.live(10 * 1000.0)
    assert world.in_force == []
    assert len([each for each in world.told if each.result.success]) == len(world.done)
