"""How long after a word was said it stands on the screen, at real time.

    python -m tests.benchmarks captions [--busy] [--channels 2]

A real recorder takes recordings of the speech set from a file in real time, the services of the app caption it, and
each `CaptionChanged` and `SegmentReady` is compared with what had been said by then. Goal: 95 % of the words that
were understood are there within 2.5 s, on 2 cores; the recorder loses nothing.

A word's moment is its end. The meeting excerpts have the times of their words: an end there reaches to the next word,
so half a second after its start at the latest counts. The readings have only the times of their sentences: words are
laid into the voiced parts of their sentence by their length, which is good to a few tenths of a second. A word is on
the screen with the first text that holds it at its place, and the next repaint (every 0.25 s). One that was never
understood has no time.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import soundfile
from numpy.typing import NDArray

from services import settings
from services.audio.vad import FRAME, RATE, Framer, detectors
from services.core import Services
from services.events import CaptionChanged, Event, RecordingStarted, SegmentReady
from services.files import read_json_lines
from services.library.meeting import Meeting
from services.library.segments import SPEAKERS
from services.recording.reader import MeetingAudio
from services.settings import ScreenSettings
from tests import speechset
from tests.faults.driving import temporary_home
from tests.functional.waiting import until

_MEETINGS = ("ami-ES2003a-0-30s", "ami-EN2001e-0-30s", "ami-ES2003b-0-30s", "ami-EN2003a-0-30s", "ami-EN2001a-0-30s")
_READINGS = ("librispeech-2609-156975", "librispeech-1688-142285")
_PAUSE_SECONDS = 1.5
_GOAL_SECONDS = 2.5
_LONGEST_WORD = 0.5
_TICK_SECONDS = ScreenSettings().refresh_seconds
_LATE_SECONDS = 0.5
"""A segment's times may be off by so much."""


@dataclass(slots=True)
class Said:
    """A word that was said: when it began and ended, in seconds of the recording, and when it was on the screen."""

    text: str
    start: float
    end: float
    shown: float | None = None


@dataclass(slots=True)
class Shown:
    """What the screen was told: seconds of the recording at that moment, and the words."""

    at: float
    text: str
    segment: tuple[float, float] | None = None


@dataclass(slots=True)
class Run:
    """What was measured of one recording."""

    told: dict[str, list[Shown]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    skipped: float = 0.0
    overflows: int = 0
    lost_s: float = 0.0


def _plain(text: str) -> str:
    return "".join(speechset.words(text.replace("_", "")))


def _timed(path: Path) -> list[Said]:
    """The words of an excerpt that has their times."""
    rows = [line.split("\t") for line in path.with_suffix(".words.tsv").read_text().splitlines()[1:]]
    words = [Said(_plain(row[3]), float(row[0]), min(float(row[1]), float(row[0]) + _LONGEST_WORD)) for row in rows]
    return sorted((word for word in words if word.text), key=lambda word: word.start)


def _laid_out(path: Path, samples: NDArray[np.float32]) -> list[Said]:
    """The words of a reading, laid into the voiced parts of their sentences."""
    voice = detectors()().probabilities(Framer().feed(samples)) >= 0.5
    found = []
    for line in path.with_suffix(".stm").read_text().splitlines():
        _, _, _, start, end, text = re.split(r"\s+", line, maxsplit=5)
        first, last = round(float(start) * RATE / FRAME), round(float(end) * RATE / FRAME)
        spoken = np.flatnonzero(voice[first:last]) + first
        words = speechset.words(text)
        ends = np.cumsum([len(word) + 1 for word in words]) / sum(len(word) + 1 for word in words)
        places = [float(spoken[min(len(spoken) - 1, int(share * len(spoken)))]) * FRAME / RATE for share in ends]
        begins = [float(start), *places[:-1]]
        found += [Said(word, a, b) for word, a, b in zip(words, begins, places, strict=True)]
    return found


def _material(root: Path) -> tuple[NDArray[np.float32], list[Said], list[Said]]:
    """What is played, and its words: those with known times, and those with estimated ones."""
    parts, known, estimated = [np.zeros(RATE, np.float32)], list[Said](), list[Said]()
    for folder, name in [("meeting", name) for name in _MEETINGS] + [("single", name) for name in _READINGS]:
        path = root / folder / f"{name}.flac"
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == RATE
        at = sum(map(len, parts)) / RATE
        words = _timed(path) if folder == "meeting" else _laid_out(path, samples)
        for word in words:
            (known if folder == "meeting" else estimated).append(Said(word.text, word.start + at, word.end + at))
        parts += [samples, np.zeros(round(_PAUSE_SECONDS * RATE), np.float32)]
    return np.concatenate(parts), known, estimated


class _Origin(threading.Thread):
    """Finds out when the first sample of a recording was heard: never later than when it was in the chunks."""

    def __init__(self, meeting: Path) -> None:
        super().__init__(daemon=True)
        self._meeting = meeting
        self._end = threading.Event()
        self.at = float("inf")

    def run(self) -> None:
        with MeetingAudio(self._meeting) as audio:
            while not self._end.wait(0.05):
                self.at = min(self.at, time.monotonic() - audio.duration_s)

    def stop(self) -> None:
        self._end.set()
        self.join()


@contextmanager
def _load(busy: bool) -> Iterator[None]:
    """Programs that take all cores, when wanted."""
    count = (psutil.cpu_count() or 1) if busy else 0
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _record(sounds: list[Path], seconds: float) -> Run:
    """Play the sounds once in real time, each on a channel, with captions."""
    told: list[tuple[float, Event]] = []
    names = tuple(f"file:{sound}" for sound in sounds)
    chosen = settings.load({"recording": {"sources": names}, "summary": {"engine": "none"}})
    services = Services(chosen, lambda event: told.append((time.monotonic(), event)))
    run = Run()
    try:
        services.start_recording()
        until(lambda: any(isinstance(event, RecordingStarted) for _, event in told))
        meeting = next(event.meeting for _, event in told if isinstance(event, RecordingStarted))
        origin = _Origin(meeting)
        origin.start()
        begun, cpu = time.monotonic(), dict[str, float]()
        while services.recording.active and time.monotonic() < begun + seconds - 1.0:
            time.sleep(0.5)
            cpu = _processor()
            if (latest := services.recording.latest) is not None:
                run.overflows, run.lost_s = latest.overflows, latest.lost_s
        run.cpu = {name: used / (time.monotonic() - begun) for name, used in cpu.items()}
        services.stop_recording()
        until(lambda: not services.recording.active)
        services.captions.stop()
        origin.stop()
        for at, event in told:
            if isinstance(event, CaptionChanged) and event.text:
                run.told.setdefault(event.speaker, []).append(Shown(at - origin.at, event.text))
            elif isinstance(event, SegmentReady) and event.preview:
                segment = event.segment
                shown = Shown(at - origin.at, segment.text, (segment.start, segment.end))
                run.told.setdefault(segment.speaker, []).append(shown)
        spans = [record["skipped"] for record in read_json_lines(Meeting(meeting).live) if "skipped" in record]
        run.skipped = sum(span["end"] - span["start"] for span in spans)
    finally:
        services.close()
    return run


def _processor() -> dict[str, float]:
    """Seconds of processor that each kind of process has used."""
    kinds = {"services.worker.host": "speech", "services.recording.recorder": "recorder"}
    used = dict.fromkeys([*kinds.values(), "app"], 0.0)
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            name = "app" if process.pid == psutil.Process().pid else next((kinds[w] for w in words if w in kinds), "")
            if name:
                used[name] += sum(process.cpu_times()[:2])
        except psutil.Error:
            continue
    return used


def _match(words: list[Said], told: list[Shown]) -> None:
    """Note for each word when it first stood on the screen."""
    settled = 0.0
    for shown in sorted(told, key=lambda each: each.at):
        start, end = shown.segment or (settled, shown.at)
        there = [w for w in words if w.end >= start - _LATE_SECONDS and w.start <= min(end + _LATE_SECONDS, shown.at)]
        heard = speechset.words(shown.text)
        matcher = difflib.SequenceMatcher(None, [w.text for w in there], heard, autojunk=False)
        for block in matcher.get_matching_blocks():
            for word in there[block.a : block.a + block.size]:
                if word.shown is None:
                    word.shown = -(-shown.at // _TICK_SECONDS) * _TICK_SECONDS
        if shown.segment:
            settled = max(settled, shown.segment[1])


def _figures(name: str, words: list[Said]) -> float:
    """Print the latencies of `words`; returns the 95th percentile from their ends."""
    shown = [word for word in words if word.shown is not None]
    if not shown:
        print(f"{name:34} no word was understood")
        return float("inf")
    late = np.array([(word.shown or 0.0) - word.end for word in shown])
    begun = np.array([(word.shown or 0.0) - word.start for word in shown])
    p50, p95, most = np.percentile(late, [50, 95, 100])
    print(
        f"{name:28} {len(shown):4} of {len(words)} words  median {p50:4.2f}   95 % {p95:4.2f}   most {most:5.2f} s"
        f"   (95 % from a word's start: {np.percentile(begun, 95):4.2f})"
    )
    return float(p95)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks captions")
    parser.add_argument("--busy", action="store_true", help="other programs take every core")
    parser.add_argument("--channels", type=int, choices=(1, 2), default=1, help="two: others speak on the second")
    given = parser.parse_args(arguments)
    root = speechset.folder()
    if root is None:
        print("The speech set is not there: set SOTTO_SPEECH.")
        return 1
    samples, known, estimated = _material(root)
    with temporary_home() as home, _load(given.busy):
        sounds = [home / f"speech{channel}.flac" for channel in range(given.channels)]
        for channel, sound in enumerate(sounds):
            soundfile.write(sound, np.roll(samples, channel * len(samples) // 3), RATE)
        load = psutil.getloadavg()[0]
        run = _record(sounds, len(samples) / RATE)
        loads = f"{load:.1f} before, {psutil.getloadavg()[0]:.1f} after"
    told = run.told.get("" if given.channels == 1 else SPEAKERS[0], [])
    print(f"{len(samples) / RATE:.0f} s of speech, channels: {given.channels}, busy: {given.busy}, load {loads}")
    late = []
    for name, words in (("times known (meetings)", known), ("times estimated (readings)", estimated)):
        _match(words, told)
        late.append(_figures(name, words))
    print("share of a core: " + ", ".join(f"{name} {share:.1%}" for name, share in run.cpu.items()))
    print(f"skipped {run.skipped:.1f} s; lost by the recorder: {run.overflows} frames, {run.lost_s:.2f} s")
    ok = max(late) <= _GOAL_SECONDS and not run.overflows and not run.skipped
    print(f"goal: 95 % within {_GOAL_SECONDS} s, nothing lost: {'reached' if ok else 'MISSED'}")
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
