"""A long recording with captions in lightweight mode: does anything grow, and does everything together stay small?

    python -m tests.benchmarks.soak [--minutes 30 | --hours 24]

The app runs in a pseudo-terminal with `-l` and records speech from a file in real time, over and over, with captions.
The whole tree (app, recorder, speech worker) is measured every ten seconds. Goals: under 500 MB of PSS at all times; no
component grows by 10 MB/h or more of memory that is its own, nor do all together; the recording is as long as the time
that it took.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from services import sample
from services.library.meeting import Meeting
from services.memory.monitor import MemoryMonitor
from services.memory.snapshot import MemorySnapshot
from services.memory.trend import SECONDS_PER_HOUR
from services.memory.usage import MemoryUsage
from tests.functional.pty_screen import Screen
from tests.functional.waiting import until

_MOST_MB = 500.0
_MOST_SLOPE = 10.0
_EVERY_SECONDS = 10.0
_SETTLED_SECONDS = 300.0
"""The recorder's buffers and the engine's are as large as they get by then."""
_STOP_SECONDS = 60.0
"""A recorder has lost nothing where its meeting is shorter than the run by no more than starting and ending take."""


def _source(folder: Path, seconds: float) -> Path:
    """The sample meeting again and again, for so long."""
    samples, rate = soundfile.read(sample.MEETING, dtype="int16")
    path = folder / "meeting.flac"
    with soundfile.SoundFile(path, "w", rate, samples.shape[1], "PCM_16", format="FLAC") as file:
        for _ in range(int(seconds * rate / len(samples)) + 2):
            file.write(samples)
    return path


def watch(home: Path, source: Path, seconds: float) -> tuple[list[tuple[float, MemorySnapshot]], float]:
    """Record for so long; returns what was measured with the seconds at which it was, and how long the meeting is."""
    environ = {
        "TERM": "xterm-256color",
        "SOTTO_HOME": str(home),
        "SOTTO_RECORDING_SOURCES": f'["file:{source}"]',
        "SOTTO_RECORDING_CAPTIONS": "true",
    }
    measured: list[tuple[float, MemorySnapshot]] = []
    screen = Screen(100, 30, environ, ("-m", "tui", "-l"))
    try:
        screen.wait_for("Not recording")
        screen.press("r")
        screen.wait_for("REC")
        began = time.monotonic()
        monitor = MemoryMonitor(pid=screen.app.pid)
        while (passed := time.monotonic() - began) < seconds:
            measured.append((passed, monitor.sample()))
            due = began + len(measured) * _EVERY_SECONDS
            while (left := min(due, began + seconds) - time.monotonic()) > 0:
                screen.read(left)
                screen.seen = b""
        meeting = Meeting(next((home / "recordings").iterdir()))
        screen.press("r")
        screen.wait_for("Not recording")
        until(lambda: "duration_s" in meeting.info())
        return measured, float(meeting.info()["duration_s"])
    finally:
        screen.close()


def report(measured: list[tuple[float, MemorySnapshot]], length: float) -> bool:
    """Print what came out; returns whether every goal is met."""
    settled = [(at, snapshot) for at, snapshot in measured if at >= min(_SETTLED_SECONDS, measured[-1][0] / 2)]
    print(f"{measured[-1][0] / 60:.0f} minutes, {len(measured)} measurements, recorded {length / 60:.1f} minutes")
    _course(measured)
    met = [length >= measured[-1][0] - _STOP_SECONDS]
    print(f"{'':<12}{'start':>9}{'end':>9}{'most':>9}{'slope':>13}")
    names = {component.name for _, snapshot in measured for component in snapshot.components}
    for name in (*sorted(names), "total"):
        values = [_held(snapshot, name).pss for _, snapshot in settled]
        # The PSS moves with other processes that share libraries, and that is no growth.
        own = [_held(snapshot, name).private for _, snapshot in settled]
        rate = float(np.polyfit([at for at, _ in settled], own, 1)[0]) * SECONDS_PER_HOUR
        most = max(_held(snapshot, name).pss for _, snapshot in measured)
        met.append(rate < _MOST_SLOPE)
        row = f"{name:<12}{values[0]:>6.1f} MB{values[-1]:>6.1f} MB{most:>6.1f} MB{rate:>+8.1f} MB/h"
        print(row + f"   goal {_MOST_SLOPE:.0f} MB/h {'met' if met[-1] else 'MISSED'}")
    met.append(most < _MOST_MB)
    print(f"all together at most {most:.1f} MB: goal {_MOST_MB:.0f} MB {'met' if met[-1] else 'MISSED'}")
    print(f"nothing lost of the recording: {'met' if met[0] else 'MISSED'}")
    return all(met)


def _course(measured: list[tuple[float, MemorySnapshot]]) -> None:
    """Print what each component held of its own, a dozen times: a plateau and a slope have different figures here."""
    names = sorted({component.name for _, snapshot in measured for component in snapshot.components})
    print(f"{'minute':<12}" + "".join(f"{name:>12}" for name in names) + "   MB of memory that is its own")
    for at, snapshot in measured[:: max(1, len(measured) // 12)]:
        print(f"{at / 60:<12.1f}" + "".join(f"{_held(snapshot, name).private:>12.1f}" for name in names))
    print()


def _held(snapshot: MemorySnapshot, name: str) -> MemoryUsage:
    if name == "total":
        return snapshot.total.usage
    component = snapshot.component(name)
    return component.usage if component is not None else MemoryUsage()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=30.0, help="of recording (default: 30)")
    length.add_argument("--hours", type=float, help="instead of minutes")
    options = parser.parse_args(arguments)
    seconds = options.hours * 3600 if options.hours else options.minutes * 60
    os.environ.pop("SOTTO_MEMORY_PRESET", None)
    with tempfile.TemporaryDirectory() as folder:
        source = _source(Path(folder), seconds)
        measured, recorded = watch(Path(folder, "home"), source, seconds)
    return int(not report(measured, recorded))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
