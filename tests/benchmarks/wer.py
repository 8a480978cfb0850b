"""Word error rates over the English recordings of the speech set: `sotto process` beside Moonshine alone.

    python -m tests.benchmarks.wer [PART...]

Both run on the same machine, one after the other. The raw engine gets fixed windows of 30 s, channels averaged,
resampled, with its own options as it comes. Ours is the command, with its processes and files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from moonshine_voice.moonshine_api import ModelArch
from moonshine_voice.transcriber import Transcriber
from moonshine_voice.utils import get_model_path

from services.audio.decode import open_audio
from tests import speechset

_WINDOW = 30 * 16_000


def _ours(paths: list[Path]) -> list[dict[str, Any]]:
    """What `sotto process` prints for each file."""
    with tempfile.TemporaryDirectory(prefix="st-") as home:
        command = [sys.executable, "-m", "tui", "process", *map(str, paths), "--summary", "none", "--json"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"SOTTO_HOME": home}, check=True
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _raw(engine: Any, path: Path) -> tuple[str, float]:
    """What the engine writes by itself, and how long it took in seconds."""
    begun = time.perf_counter()
    with open_audio(path) as audio:
        mono = np.concatenate(list(audio.blocks())).mean(axis=1)
        samples = soxr.resample(mono, audio.rate, 16_000).astype(np.float32)
    texts = []
    for at in range(0, len(samples), _WINDOW):
        transcript = engine.transcribe_without_streaming(samples[at : at + _WINDOW].tolist())
        texts += [line.text for line in transcript.lines]
    return " ".join(texts), time.perf_counter() - begun


def _compare(engine: Any, part: Path) -> None:
    paths = [path for path in speechset.recordings(part) if speechset.words(speechset.reference(path))]
    total = np.zeros(3, int)  # words, errors of ours, errors of the raw engine
    seconds = np.zeros(3)  # audio, ours, raw
    print(f"\n{part.name:44} {'words':>6} {'ours':>7} {'raw':>7}")
    for path, ours in zip(paths, _ours(paths), strict=True):
        said = speechset.words(speechset.reference(path))
        text, took = _raw(engine, path)
        errors = [speechset.word_errors(said, speechset.words(heard)) for heard in (ours["text"], text)]
        total += (len(said), *errors)
        seconds += (ours["duration_s"], ours["wall_s"], took)
        print(f"{path.name:44} {len(said):6} " + " ".join(f"{error / len(said):7.1%}" for error in errors))
    print(f"{'word error rate':44} {total[0]:6} {total[1] / total[0]:7.1%} {total[2] / total[0]:7.1%}")
    print(f"{'real-time factor':44} {'':6} {seconds[1] / seconds[0]:7.3f} {seconds[2] / seconds[0]:7.3f}")


def main(parts: list[str]) -> int:
    root = speechset.folder()
    if root is None:
        print("The speech set is not there: set SOTTO_SPEECH.")
        return 1
    engine = Transcriber(get_model_path("tiny-en"), ModelArch.TINY)
    for part in parts or ["single", "long"]:
        _compare(engine, root / part)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
