"""`sotto process` with faster-whisper beside faster-whisper called directly, on the same file, in the same run.

    python -m tests.benchmarks transcription [--minutes 10 60 180] [--shape tiny] [--rounds 3] [--beam 5] [--batch 1]

The file is speech of the set with the pauses of a conversation, 48 kHz stereo. The model has the real shape, and so its
cost; it says the same in every window. Both run as processes of their own, start included, taking turns; the best times
are compared, which other programs disturb least (from an hour on one round is run). Memory is the PSS of all processes.
Goals: the longest file takes no more memory than the shortest (5%), an hour at most a sixth of the direct call's; at
most 1.05 of its time; loading and unloading under a tenth of ten minutes' work.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from services.cores import cores
from tests import speechset
from tests.benchmarks.tree import TreePeak
from tests.models.whisper_ct2 import SMALL, TINY, build

_RATE = 48_000
_SHAPES = {"tiny": TINY, "small": SMALL}
_PAUSES = ((0.70, 0.3, 0.9), (0.25, 0.9, 2.5), (0.05, 3.0, 8.0))
"""Share of the pauses between sentences, and their shortest and longest in seconds."""

_LONG_MINUTES = 60.0
_MOST_GROWTH, _MOST_SHARE, _MOST_WALL, _MOST_LOADING = 1.05, 1 / 6, 1.05, 0.10


@dataclass(frozen=True)
class Ran:
    """What one run took.

    Attributes:
        wall: Seconds, start of the process included.
        peak: MB of PSS of all its processes.
        told: What it printed.
    """

    wall: float
    peak: float
    told: dict[str, Any]


def _sentences(root: Path) -> list[NDArray[np.float32]]:
    """The sentences of the set's readings at 48 kHz."""
    found = []
    for path in sorted((root / "single").glob("librispeech-*.flac")):
        samples, rate = soundfile.read(path, dtype="float32")
        for line in path.with_suffix(".stm").read_text(encoding="utf-8").splitlines():
            start, end = (float(field) for field in line.split()[3:5])
            found.append(soxr.resample(samples[round(start * rate) : round(end * rate)], rate, _RATE))
    return found


def _talk(sentences: list[NDArray[np.float32]], seconds: float) -> Iterator[NDArray[np.float32]]:
    """Sentences and pauses, the same each time, of so many seconds together."""
    random = np.random.default_rng(4)
    shares = [share for share, _, _ in _PAUSES]
    left = round(seconds * _RATE)
    at = 0
    while left > 0:
        _, shortest, longest = _PAUSES[random.choice(len(_PAUSES), p=shares)]
        pause = np.zeros(round(random.uniform(shortest, longest) * _RATE), np.float32)
        for part in (sentences[at % len(sentences)], pause):
            yield part[:left]
            left -= len(part[:left])
        at += 1


def _material(path: Path, minutes: float, root: Path) -> None:
    room = np.random.default_rng(5)
    with soundfile.SoundFile(path, "w", _RATE, 2, "PCM_16") as out:
        for part in _talk(_sentences(root), minutes * 60):
            noisy = part + room.standard_normal(len(part), dtype=np.float32) * np.float32(3e-4)
            out.write(np.stack([noisy, noisy], axis=1))


def _run(command: list[str], home: Path, options: argparse.Namespace) -> Ran:
    environment = os.environ | {
        "SOTTO_HOME": str(home),
        "SOTTO_TRANSCRIPTION_BEAM": str(options.beam),
        "SOTTO_TRANSCRIPTION_BATCH": str(options.batch),
    }
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        with TreePeak(process.pid) as peak:
            out, _ = process.communicate()
        wall = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}:\n{out}")
    return Ran(wall, peak.mb, json.loads(out))


def _direct(model: str, source: str, beam: int) -> None:
    """faster-whisper as its documentation has it; runs in a process of its own."""
    from faster_whisper import WhisperModel

    whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=cores())
    segments, info = whisper.transcribe(
        source,
        language="en",
        beam_size=beam,
        word_timestamps=True,
        vad_filter=True,
        condition_on_previous_text=False,
    )
    passes = {segment.seek for segment in segments}
    print(json.dumps({"passes": len(passes), "speech_s": info.duration_after_vad}))


def _measure(source: Path, model: Path, minutes: float, options: argparse.Namespace) -> tuple[Ran, Ran]:
    """Ours and the direct call's best times and highest peaks."""
    ours, theirs = [], []
    for _ in range(1 if minutes >= _LONG_MINUTES else options.rounds):
        home = Path(tempfile.mkdtemp(prefix="st-", dir=source.parent))
        command = [sys.executable, "-m", "tui", "process", str(source), "--stt", f"faster-whisper:{model}"]
        ours.append(_run([*command, "--summary", "none", "--language", "en", "--json"], home, options))
        direct = [sys.executable, "-m", "tests.benchmarks.transcription", "--direct", str(model), str(source)]
        theirs.append(_run([*direct, "--beam", str(options.beam)], home, options))
        shutil.rmtree(home)
    best, rival = (
        replace(min(runs, key=lambda run: run.wall), peak=max(run.peak for run in runs)) for runs in (ours, theirs)
    )
    return best, rival


def _goal(what: str, is_met: bool) -> None:
    print(f"  {'met   ' if is_met else 'MISSED'} {what}", flush=True)


def _report(minutes: float, ours: Ran, theirs: Ran) -> None:
    (told,) = ours.told["meetings"] if "meetings" in ours.told else (ours.told,)
    loading = told["load_s"] + told["unload_s"]
    for name, run in (("sotto", ours), ("faster-whisper", theirs)):
        print(f"{minutes:5.0f} min {name:15} {run.wall:8.1f} s  {run.wall / minutes / 60:.4f} of real time", end="")
        print(f"  peak {run.peak:7.0f} MB", flush=True)
    print(
        f"  load {told['load_s']:.2f} s, unload {told['unload_s']:.2f} s; it worked on {theirs.told['passes']} windows"
    )
    _goal(
        f"wall {ours.wall / theirs.wall:.3f} of the direct call's ({_MOST_WALL})", ours.wall <= _MOST_WALL * theirs.wall
    )
    if minutes == 10:
        share = loading / ours.wall
        _goal(f"load and unload {share:.1%} of the work ({_MOST_LOADING:.0%})", share < _MOST_LOADING)
    if minutes >= _LONG_MINUTES:
        share = ours.peak / theirs.peak
        _goal(f"peak {share:.3f} of the direct call's ({_MOST_SHARE:.3f})", share <= _MOST_SHARE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 60.0, 180.0], help="lengths (10 60 180)")
    parser.add_argument("--shape", choices=sorted(_SHAPES), default="tiny", help="size of the model (tiny)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of files shorter than an hour (3)")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1, help="windows that sotto works on at once (1)")
    parser.add_argument("--direct", nargs=2, metavar=("MODEL", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.direct:
        _direct(options.direct[0], options.direct[1], options.beam)
        return 0
    root = speechset.folder()
    if root is None:
        print("skipped: the speech set is not there (SOTTO_SPEECH)")
        return 0
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        model = build(Path(folder, "model"), _SHAPES[options.shape])
        print(f"a model of the shape {options.shape}, beam {options.beam}, {cores()} cores, batch {options.batch}")
        peaks = {}
        for minutes in sorted(options.minutes):
            source = Path(folder, "talk.wav")
            needed = minutes * 60 * _RATE * 4
            if shutil.disk_usage(folder).free < 1.2 * needed:
                print(f"{minutes:5.0f} min skipped: {needed / 2**30:.1f} GB are not free in {folder}")
                continue
            _material(source, minutes, root)
            ours, theirs = _measure(source, model, minutes, options)
            _report(minutes, ours, theirs)
            peaks[minutes] = ours.peak
        if len(peaks) > 1:
            growth = peaks[max(peaks)] / peaks[min(peaks)]
            _goal(f"peak of the longest {growth:.3f} of the shortest's ({_MOST_GROWTH})", growth <= _MOST_GROWTH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
