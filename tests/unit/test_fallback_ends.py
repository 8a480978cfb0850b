"""Giving way to another engine ends, whatever engines there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import MemoryLimitError
from services.events import Event
from services.fallback import Fallback
from services.memory.recovery import RECOVERY, Trouble
from services.models.catalogue import EngineSpec

ENGINES = tuple(EngineSpec("moonshine", name) for name in "abcd")
SHORT = MemoryLimitError("It took 812 MB, and 400 MB are allowed.")


@given(st.dictionaries(st.sampled_from(ENGINES), st.sampled_from(ENGINES)))
def test_no_engine_that_gave_up_goes_on(smaller: dict[EngineSpec, EngineSpec]) -> None:
    """Feature: memory-optimization, Property 2: Model Lifecycle Management.

    Whichever engine is said to be smaller than which, also in a circle: nobody goes on who gave up before, and in the
    end the error stands.
    """
    told: list[Event] = []
    fallback = Fallback("stt", Path("meeting"), smaller.get, told.append)
    ran = [ENGINES[0]]
    with pytest.raises(MemoryLimitError):
        while len(ran) < 100:
            ran.append(fallback.after(ran[-1], SHORT))
    tries = 1 + RECOVERY[Trouble.ALLOCATION].retries
    assert all(ran.count(engine) <= tries for engine in ENGINES)
    assert told == fallback.told
    assert len({fell.new for fell in fallback.told}) == len(fallback.told)
