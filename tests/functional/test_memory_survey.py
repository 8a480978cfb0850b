"""Feature: memory-optimization, Property 1: Memory Monitoring Completeness: what is not read again has not changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.memory.snapshot import MemorySnapshot
from services.memory.survey import Survey
from tests.functional.memory_holders import holder

_GROWING = """
import sys
held = []
print("ready", flush=True)
for line in sys.stdin:
    held.append(bytearray(b"x" * (int(line) << 20)))
    print("grown", flush=True)
"""
_SHARING = """
import os, sys
held = bytearray(b"x" * (64 << 20))
child = os.fork()
if not child:
    sys.stdin.read()
    os._exit(0)
print("ready", flush=True)
os.waitpid(child, 0)
print("alone", flush=True)
import time
time.sleep(600)
"""


@contextmanager
def talking(code: str) -> Iterator[tuple[subprocess.Popen[str], Survey]]:
    """A process that says a line when it is ready, and who measures it."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert hear(process) == "ready"
            yield process, Survey(process.pid)
        finally:
            process.kill()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def held(snapshot: MemorySnapshot) -> float:
    assert not snapshot.total.usage.estimated
    return snapshot.total.usage.pss


@pytest.mark.parametrize("mb", [1, 16])
def test_growth_is_seen_at_the_next_look(mb: int) -> None:
    with talking(_GROWING) as (process, survey):
        before = held(survey.look())
        assert held(survey.look()) == before  # the same figure, not read again
        assert process.stdin is not None
        process.stdin.write(f"{mb}\n")
        process.stdin.flush()
        assert hear(process) == "grown"
        assert held(survey.look()) >= before + mb - 0.3


def test_who_shares_no_more_has_all_of_it() -> None:
    with talking(_SHARING) as (process, survey):
        together = held(survey.look())
        assert together >= 64
        assert len(survey.look().total.pids) == 2
        assert process.stdin is not None
        process.stdin.close()
        assert hear(process) == "alone"
        alone = survey.look()
        assert len(alone.total.pids) == 1
        assert held(alone) >= 64  # its resident pages are as many as before, and now all are its own


def test_what_has_ended_holds_nothing_at_the_next_look() -> None:
    with holder(32) as process:
        survey = Survey(process.pid)
        assert held(survey.look()) >= 32
        process.kill()
        process.wait()
        after = survey.look()
        assert not after.total.running
        assert after.total.usage.pss == 0
        assert after.total.peak >= 32
