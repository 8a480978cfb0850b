"""What a recording costs and loses while other programs take every core.

    python -m tests.benchmarks capture [--minutes 10]

A real recorder takes two sources from a PulseAudio of the benchmark's own: a microphone, and the monitor of the sink
that it hears, so that both channels should be the same. A noise is played into them the whole time, and the recording
is compared with it, all of it. Goals: no sample lost, memory flat within 2 MB, under 3 % of a core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import soundfile

from services.library.meeting import Meeting
from services.library.moments import read_moments
from services.memory.probe import usage
from services.recording.client import start
from services.recording.messages import RecordingRequest, RecordingStatus
from services.recording.reader import MeetingAudio
from tests.faults.driving import temporary_home
from tests.faults.sound import RATE, Beacon, Signal, found
from tests.functional.pulse import MOUTH, missing, pulse_server

_SOURCES = ("mic", f"{MOUTH}.monitor")
_SETTLED_SECONDS = 15.0
_IDLE_SECONDS = 60.0
_LOOP_SECONDS = 60.0
_PIECE_SECONDS = 10.0
_ANCHOR = round(0.1 * RATE)
_STEP = 4
"""`found` knows places to a few samples: what is lost or moved by less is not seen."""

_SILENT = 1e-3
_SILENT_FRAMES = 16
"""The noise is a hundred times louder, and never so quiet for a millisecond."""

_MOST_GROWTH_MB = 2.0
_MOST_CPU = 0.03


@dataclass(frozen=True, slots=True)
class Held:
    """Memory of a process in MB (2**20 bytes). PSS and USS change also when another process begins or ends to use the
    same libraries, so they are shown only; what is resident, and the part of it that is nobody else's, have a goal."""

    rss: float
    anonymous: float
    pss: float
    uss: float

    @staticmethod
    def of(pid: int) -> Held:
        own = usage(pid)
        return Held(own.rss, own.anonymous, own.pss, psutil.Process(pid).memory_full_info().uss / 2**20)


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured of one recording; `cpu` is its share of a core."""

    meeting: Path
    last: RecordingStatus
    told: tuple[str, ...]
    begin: Held
    end: Held
    cpu: float


class Loop(Beacon):
    """A noise that is played over and over without a seam: its spectrum makes it periodic."""

    def __init__(self) -> None:
        super().__init__(_LOOP_SECONDS)
        self._spectrum = np.fft.rfft(self.samples)
        self._size = float(np.linalg.norm(self.samples))

    def save_long(self, path: Path, seconds: float) -> Path:
        once = self.at(48000).astype(np.float32)
        with soundfile.SoundFile(path, "w", 48000, 1, "PCM_16") as file:
            for _ in range(int(seconds / _LOOP_SECONDS) + 1):
                file.write(once)
        return path

    def place(self, piece: Signal) -> int | None:
        """Which sample of the loop `piece` begins with; None where it is none of it."""
        product = np.fft.irfft(self._spectrum * np.fft.rfft(piece, len(self.samples)).conj(), len(self.samples))
        at = int(np.argmax(product))
        expected = float(np.linalg.norm(piece)) * self._size * (len(piece) / len(self.samples)) ** 0.5
        return at if product[at] > 0.7 * expected > 0 else None


class Part(Beacon):
    """`Loop`, from a place a second before `place` on."""

    def __init__(self, loop: Loop, place: int, frames: int) -> None:
        super().__init__(frames / RATE + 2.0)
        self.first = place - RATE
        self.samples = np.take(loop.samples, range(self.first, place + frames + RATE), mode="wrap")


@dataclass(slots=True)
class Compared:
    """One channel beside what was played.

    Attributes:
        seconds: How much of it was compared.
        lost: Samples that are not there, or not what was played, and those by which the rest is shifted.
        shifts: For each piece how much later it is in the recording than in the loop, in samples.
    """

    seconds: float
    lost: int
    shifts: list[int]


def compare(recorded: Signal, loop: Loop, begin: int) -> Compared:
    """Look at every piece of `recorded` from frame `begin` on."""
    size = round(_PIECE_SECONDS * RATE)
    result = Compared(0.0, 0, [])
    expected: int | None = None
    for at in range(begin, len(recorded) - size, size):
        piece = recorded[at : at + size]
        place = loop.place(piece[:_ANCHOR])
        if place is None:  # its beginning is lost: it may go on where it should
            place = expected
        stretches = [] if place is None else found(piece, part := Part(loop, place, size))
        result.seconds += _PIECE_SECONDS
        result.lost += max(_silent(piece), size - sum(round(stretch.seconds * RATE) for stretch in stretches))
        for stretch in stretches:
            of = part.first + round((stretch.of - stretch.at) * RATE)
            jump = 0 if expected is None else _around(of - expected, len(loop.samples))
            result.lost += abs(jump) if abs(jump) > _STEP else 0
            expected = of - round(stretch.slip * RATE)
        if stretches:
            result.shifts.append(at - of)
        expected = None if expected is None else expected + size
    return result


def _silent(piece: Signal) -> int:
    """Samples that are silent, a millisecond or more in a row."""
    loud = np.flatnonzero(np.abs(piece) >= _SILENT)
    runs = np.diff(loud, prepend=-1, append=len(piece)) - 1
    return int(runs[runs >= _SILENT_FRAMES].sum())


def _ms(samples: int, loop: Loop) -> float:
    return 1000 * _around(samples, len(loop.samples)) / RATE


def _around(difference: int, period: int) -> int:
    return (difference + period // 2) % period - period // 2


@contextmanager
def busy() -> Iterator[None]:
    """Every core is taken by somebody else meanwhile."""
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        yield


@contextmanager
def playing(file: Path) -> Iterator[None]:
    with subprocess.Popen(["paplay", f"--device={MOUTH}", str(file)], stderr=subprocess.DEVNULL) as player:
        yield
        if player.poll() is not None:
            raise RuntimeError("the player ended before the recording did")
        player.kill()


def record(home: Path, file: Path, seconds: float) -> Run:
    """Record for `seconds` with somebody who follows the status, as the app does."""
    with start(RecordingRequest(_SOURCES, home / "recordings")) as client, playing(file):
        begin: tuple[Held, float, float] | None = None
        began = time.monotonic()
        told: set[str] = set()
        for status in client.updates():
            told |= {alert.kind for alert in status.alerts}
            passed = time.monotonic() - began
            if begin is None and passed >= _SETTLED_SECONDS:
                begin = (Held.of(status.pid), _cpu(status.pid), time.monotonic())
            if begin is not None and passed >= seconds:
                end, cpu = Held.of(status.pid), _cpu(status.pid)
                share = (cpu - begin[1]) / (time.monotonic() - begin[2])
                last = client.stop()
                if last.meeting is None:
                    raise RuntimeError(f"nothing was recorded: {last.error}")
                return Run(last.meeting, last, tuple(sorted(told)), begin[0], end, share)
    raise RuntimeError("the recording ended too early")


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def heard(meeting: Path) -> Signal:
    """All channels, (frames, channels)."""
    with MeetingAudio(meeting) as audio:
        return np.asarray(audio.read(0, audio.frames) / 32768, np.float64)


def _line(name: str, value: str, met: bool | None = None) -> bool:
    print(f"  {name:<26}{value}" + ("" if met is None else f"   goal {'met' if met else 'NOT met'}"), flush=True)
    return met is not False


def report(run: Run, loop: Loop) -> bool:
    """Print what came out; returns whether every goal is met."""
    met = [
        _line("recorded", f"{run.last.seconds / 60:.1f} min, {run.last.state}", run.last.state == "done"),
        _line("lost by its own count", f"{run.last.overflows} samples", run.last.overflows == 0),
    ]
    recorded = heard(run.meeting)
    starts = range(0, len(recorded), RATE // 4)
    begin = next(at for at in starts if loop.place(recorded[at : at + _ANCHOR, 0]) is not None)
    begin += RATE  # the other channel may have begun a moment later
    channels = [compare(recorded[:, channel], loop, begin) for channel in range(recorded.shape[1])]
    for label, channel in zip(_SOURCES, channels, strict=True):
        met.append(_line(f"lost from {label}", f"{channel.lost} of {channel.seconds:.0f} s compared", not channel.lost))
    gaps = [moment for moment in read_moments(Meeting(run.meeting)) if moment.kind == "gap"]
    met.append(_line("gaps", f"{len(gaps)}, {sum(gap.seconds for gap in gaps):.1f} s", not gaps))
    _line("warnings", ", ".join(run.told) or "none")
    for name, before, after, judged in (
        ("RSS", run.begin.rss, run.end.rss, True),
        ("anonymous", run.begin.anonymous, run.end.anonymous, True),
        ("PSS", run.begin.pss, run.end.pss, False),
        ("USS", run.begin.uss, run.end.uss, False),
    ):
        change = after - before
        flat = abs(change) <= _MOST_GROWTH_MB if judged else None
        met.append(_line(name, f"{before:.1f} to {after:.1f} MB, {change:+.1f}", flat))
    met.append(_line("share of a core", f"{run.cpu:.2%}", run.cpu < _MOST_CPU))
    first, second = (channel.shifts for channel in channels)
    offsets = [_ms(one - two, loop) for one, two in zip(first, second, strict=False)]
    drifts = ", ".join(f"{_ms(shifts[-1] - shifts[0], loop):+.1f}" for shifts in (first, second))
    _line("between the channels", f"{offsets[0]:+.1f} ms at the begin, {offsets[-1]:+.1f} ms at the end")
    _line("against what was played", f"{drifts} ms from begin to end")
    return all(met)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks capture")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the recording (default: 10)")
    seconds = max(1.0, parser.parse_args(arguments).minutes) * 60
    if lacking := missing():
        print(f"not installed: {lacking}")
        return 1
    loop = Loop()
    with tempfile.TemporaryDirectory() as folder, temporary_home() as home, pulse_server():
        file = loop.save_long(Path(folder) / "noise.wav", seconds + _LOOP_SECONDS)
        print(f"with {os.cpu_count()} busy processes")
        with busy():
            loaded = record(home, file, seconds)
        met = report(loaded, loop)
        print("alone")
        alone = record(home, file, _IDLE_SECONDS)
        met = report(alone, loop) and met
        _line("busy to alone", f"{loaded.cpu / alone.cpu:.2f} times the processor time")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
