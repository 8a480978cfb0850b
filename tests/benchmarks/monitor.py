"""What the memory monitor itself takes: processor and memory, as it runs in the app.

    python -m tests.benchmarks monitor [--measurements 2000]

A program with the five processes of a sotto in the middle of a meeting (two models and a helper, 2 GB together) is
measured again and again, with limits, alerts, history and report. Goals: under 0.5 % of a core, also while somebody
looks, and under 3 MB, modules and all that it keeps included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from services.settings import MemorySettings
from tests.functional.memory_holders import HOLD, write_modules

_MOST_CPU = 0.005
_MOST_MB = 3.0

_PROGRAM = """
import json, os, subprocess, sys, time
from services.settings import MemorySettings
from services.library.meeting import Meeting
from services import events, hosted  # what the app has loaded anyway
from services.memory.probe import usage
modules, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
children = []
for argv in (["-m", "services.recording.recorder", "run"], ["-m", "services.worker.host", "stt", "5"],
             ["-m", "services.worker.host", "llm", "5"], ["-c", {hold!r}]):
    child = subprocess.Popen([sys.executable, *argv], cwd=modules, env=os.environ | {{"PYTHONPATH": modules}},
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    children.append(child)
before = usage(os.getpid()).anonymous
from pathlib import Path
from services.memory.monitor import MemoryMonitor
monitor = MemoryMonitor(emit=lambda event: None, publish=True)
monitor.configure(MemorySettings(max_stt_mb=400, max_llm_mb=5000, sample_seconds=300))
monitor.tell(events.RecordingStarted(Meeting.create(Path(folder), "benchmark").folder, "benchmark"))
monitor.tell(events.ModelChanged("stt", "moonshine:tiny-en", "Unloaded", "Loading"))
monitor.tell(events.ModelChanged("stt", "moonshine:tiny-en", "Loading", "Ready"))
while not monitor._orders.empty():
    monitor._orders.get()()
monitor._measure()
begun, wall = time.process_time(), time.monotonic()
import services.memory.survey as survey
class Clock:  # ten seconds from one measurement to the next: the curves are full as after a day
    now = wall
    time = staticmethod(time.time)
    @classmethod
    def monotonic(cls):
        cls.now += 10.0
        return cls.now
survey.time = Clock
for _ in range(count):
    monitor._measure()
cpu = time.process_time() - begun
monitor.watch(True)
print(json.dumps({{"cpu": cpu / count, "wall": (time.monotonic() - wall) / count,
                   "watched_s": monitor._every(), "mb": usage(os.getpid()).anonymous - before}}))
monitor._history.close()
monitor._publisher.close()
for child in children:
    child.stdin.close()
    child.wait()
"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks monitor")
    parser.add_argument("--measurements", type=int, default=2000, metavar="N")
    count = parser.parse_args(arguments).measurements
    with tempfile.TemporaryDirectory() as folder:
        modules = write_modules(Path(folder, "modules"), {"services.recording.recorder": 30})
        write_modules(modules, {"services.worker.host": 500})
        script = Path(folder, "sotto")
        script.write_text(_PROGRAM.format(hold=HOLD.format(mb=1000)))
        done = subprocess.run(
            [sys.executable, str(script), str(modules), folder, str(count)],
            env=os.environ | {"SOTTO_HOME": str(Path(folder, "home")), "PYTHONPATH": os.getcwd()},
            stdout=subprocess.PIPE,
            check=True,
        )
    taken = json.loads(done.stdout)
    every = MemorySettings().sample_seconds
    share, watched = taken["cpu"] / every, taken["cpu"] / taken["watched_s"]
    print(f"one measurement: {taken['cpu'] * 1000:.2f} ms of a core, {taken['wall'] * 1000:.2f} ms in all")
    print(f"every {every:g} s: {share:.3%} of a core; every {taken['watched_s']:.1f} s, while watched: {watched:.3%}")
    print(f"memory: {taken['mb']:.2f} MB after {count} measurements")
    met = watched < _MOST_CPU and taken["mb"] < _MOST_MB
    print(f"goal: under {_MOST_CPU:.1%} of a core and {_MOST_MB:g} MB: {'met' if met else 'MISSED'}")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
