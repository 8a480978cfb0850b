"""`sotto normalize` beside FFmpeg: ten minutes of 48 kHz stereo, in the same run, taking turns.

    python -m tests.benchmarks normalise [--minutes 10]

FFmpeg makes the same two passes: `volumedetect` (its fastest) for the peak, then mix, gain and resampling to a WAV
file. The faster of its two resamplers counts. The best times are compared, which other programs disturb least. The
samples are compared with the whole file resampled at once in 64 bits (soxr, VHQ). Then the same code at work in
`sotto process`: the survey, and the front end with voice detection.
Goals: at most FFmpeg's time, under 50 MB, within 1 LSB, every sample there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import soundfile
import soxr

from services.audio.decode import open_audio
from services.audio.front import FrontEnd
from services.audio.normalise import ChannelPlan, Normaliser, Survey
from services.audio.vad import RATE, detectors
from services.audio.windows import Policy
from tests import speechset

_RATE = 48_000
_ROUNDS = 7
_MOST_MB = 50.0
_MIX = "pan=mono|c0=0.5*c0+0.5*c1,volume=2"
_RESAMPLERS = ("swr", "soxr")


def _material(path: Path, minutes: float) -> None:
    """Speech of the set (noise in syllables without it) in stereo, the second channel later and with noise."""
    frames, random = round(minutes * 60) * _RATE, np.random.default_rng(4)
    root = speechset.folder()
    if root is None:
        voice = random.normal(0, 0.1, 60 * _RATE) * np.repeat(random.random(240) > 0.4, _RATE // 4)
    else:
        parts = [soundfile.read(name)[0] for name in sorted((root / "single").glob("librispeech-*.flac"))]
        voice = soxr.resample(np.concatenate(parts), 16_000, _RATE)
    with soundfile.SoundFile(path, "w", _RATE, 2, "PCM_16") as out:
        for at in range(0, frames, _RATE):
            places = np.arange(at, min(frames, at + _RATE))
            sides = np.stack([np.take(voice, places, mode="wrap"), np.take(voice, places - 30, mode="wrap")], axis=1)
            out.write(0.5 * sides + random.normal(0, 1e-3, sides.shape))


def _memory(command: list[str]) -> tuple[float, float]:
    """The peaks of RSS (the kernel's own, as of the last look) and of PSS in MB, looked at every 10 ms."""
    rss = pss = 0.0
    with psutil.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
                pss = max(pss, process.memory_full_info().pss / 2**20)
            except (psutil.Error, OSError):
                continue  # it has just ended
            rss = max([rss, *(int(line.split()[1]) / 1024 for line in status.splitlines() if "VmHWM" in line)])
            time.sleep(0.01)
    return rss, pss


def _timed(commands: list[list[str]]) -> float:
    begun = time.perf_counter()
    for command in commands:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def _ffmpeg(source: Path, target: Path, resampler: str) -> list[list[str]]:
    common = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(source)]
    second = f"{_MIX},aresample={RATE}:resampler={resampler}"
    return [
        [*common, "-af", "volumedetect", "-f", "null", "-"],
        [*common, "-af", second, "-c:a", "pcm_s16le", str(target)],
    ]


def _difference(source: Path, target: Path) -> tuple[float, int, int]:
    """RMS of the difference from the reference in steps of 16 bits; frames; how many there should be."""
    samples, _ = soundfile.read(source)
    with open_audio(source) as audio:
        plan = _plan(source)
        (group,) = plan.groups
        rate = audio.rate
    expected = soxr.resample(samples @ np.array(group.weights) - group.offset, rate, RATE, quality="VHQ")
    heard, _ = soundfile.read(target)
    length = min(len(expected), len(heard))
    error = heard[:length] - expected[:length]
    return float(np.sqrt(np.mean(error**2)) * 32768), len(heard), -(-len(samples) * RATE // rate)


def _plan(source: Path) -> ChannelPlan:
    with open_audio(source) as audio:
        survey = Survey(audio.rate, audio.channels)
        for block in audio.blocks():
            survey.feed(block)
        return survey.plan()


def _in_process(source: Path, minutes: float) -> None:
    """The same code in a transcription, of real time."""
    begun = time.perf_counter()
    plan = _plan(source)
    surveyed = time.perf_counter()
    front = FrontEnd([(Normaliser(group, plan.rate), group.speaker) for group in plan.groups], detectors(), Policy())
    with open_audio(source) as audio:
        windows = sum(len(front.feed(block)) for block in audio.blocks()) + len(front.flush())
    ended = time.perf_counter()
    print(
        f"in a transcription: survey {(surveyed - begun) / minutes / 60:.6f} of real time, decoding to "
        f"{windows} windows {(ended - surveyed) / minutes / 60:.6f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the file (10)")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="st-") as home:
        os.environ["SOTTO_HOME"] = home
        source, target, theirs = (Path(home, name) for name in ("source.wav", "ours.wav", "theirs.wav"))
        _material(source, minutes)
        command = [sys.executable, "-m", "tui", "normalize", str(source), str(target)]
        rss, pss = (max(peaks) for peaks in zip(*(_memory(command) for _ in range(3)), strict=True))
        seconds, rivals = [], []
        for _ in range(_ROUNDS):
            seconds.append(_timed([command]))
            if shutil.which("ffmpeg"):
                rivals.append([_timed(_ffmpeg(source, theirs, name)) for name in _RESAMPLERS])
        error, frames, expected = _difference(source, target)
        print(f"time     {min(seconds):.2f} s, median {np.median(seconds):.2f} s")
        faster = True
        if rivals:
            best = np.min(rivals, axis=0)
            for name, low, half in zip(_RESAMPLERS, best, np.median(rivals, axis=0), strict=True):
                print(f"FFmpeg   {low:.2f} s, median {half:.2f} s ({name})")
            ratio = float(min(seconds) / best.min())
            faster = ratio <= 1.0
            print(f"ratio    {ratio:.2f} of the faster one (goal: at most 1)")
        else:
            print("FFmpeg is not installed: nothing to compare the time with.")
        print(f"memory   RSS {rss:.1f} MB, PSS {pss:.1f} MB, all of the process (goal: under {_MOST_MB:g})")
        print(f"samples  {error:.2f} LSB rms from the reference (goal: within 1)")
        print(f"length   {frames} frames of {expected}")
        _in_process(source, minutes)
    met = faster and max(rss, pss) < _MOST_MB and error <= 1.0 and frames == expected
    print("goals met" if met else "goals missed")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
