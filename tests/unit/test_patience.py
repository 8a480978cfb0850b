"""Patience: a slow machine is waited for, a dead end is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.worker.patience import BUSY_SECONDS, IDLE_SECONDS, Patience
from services.worker.process import Effort


class Machine:
    """A clock and the effort of one process, both in our hands."""

    def __init__(self) -> None:
        self.now, self.cpu, self.faults = 100.0, 0.0, 0

    def pass_time(self, seconds: float, cpu: float = 0.0, faults: int = 0) -> None:
        self.now += seconds
        self.cpu += cpu
        self.faults += faults

    def patience(self, step_work: float = 0.0) -> Patience:
        return Patience(1, step_work, lambda: self.now, lambda _: Effort(self.cpu, self.faults))


@given(st.lists(st.floats(0.1, IDLE_SECONDS - 1), max_size=200), st.floats(0.02, 1))
def test_a_child_that_computes_is_waited_for(waits: list[float], share: float) -> None:
    """Feature: patience, Property 1: as long as it works, and within what a step may take, nobody ends it."""
    machine = Machine()
    patience = machine.patience(step_work=30)
    for seconds in waits:
        machine.pass_time(seconds, cpu=seconds * share)
        if patience.waited <= BUSY_SECONDS:
            assert not patience.exhausted()


@given(st.floats(0.1, 5), st.integers(0, 50))
def test_a_child_that_does_nothing_is_ended_in_time(poll: float, signs: int) -> None:
    """Feature: patience, Property 2: an idle child is ended within the limit after its last sign of life."""
    machine = Machine()
    patience = machine.patience()
    for _ in range(signs):
        machine.pass_time(poll)
        assert not patience.exhausted()
        patience.renew()
    while not patience.exhausted():
        machine.pass_time(poll)
        assert patience.waited < IDLE_SECONDS + 2 * poll


def test_reading_from_a_slow_disk_counts_as_work() -> None:
    machine = Machine()
    patience = machine.patience()
    for _ in range(100):
        machine.pass_time(30, faults=1)
        if patience.waited < BUSY_SECONDS:
            assert not patience.exhausted()


def test_a_step_that_never_ends_is_ended_though_it_computes() -> None:
    machine = Machine()
    patience = machine.patience(step_work=30)
    machine.pass_time(BUSY_SECONDS + 30 * 60 - 1, cpu=1e6)
    assert not patience.exhausted()
    machine.pass_time(2, cpu=2)
    assert patience.exhausted()
