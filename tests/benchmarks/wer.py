"""Word error rates over the English recordings of the speech set: `sotto process`, beside Moonshine alone.

    python -m tests.benchmarks.wer [PART...]

Both run on the same machine in the same run. The raw engine gets fixed windows of 30 s, channels averaged, resampled,
with its own options as it comes. The real-time factor of `sotto process` holds everything: starting the process,
loading, two passes over the file, unloading.
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


def _raw(engine: Any, path: Path) -> tuple[str, float]:
    with open_audio(path) as audio:
        mono = np.concatenate(list(audio.blocks())).mean(axis=1)
        samples = soxr.resample(mono, audio.rate, 16_000).astype(np.float32)
    texts = []
    for at in range(0, len(samples), _WINDOW):
        transcript = engine.transcribe_without_streaming(samples[at : at + _WINDOW].tolist())
        texts += [line.text for line in transcript.lines]
    return " ".join(texts), len(samples) / 16_000


def _ours(path: Path) -> tuple[str, float]:
    """What `sotto process` hears, and the seconds it took."""
    command = [sys.executable, "-m", "tui", "process", str(path), "--summary", "none", "--json"]
    with tempfile.TemporaryDirectory() as home:
        environ = os.environ | {"SOTTO_HOME": home}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environ)
    result = json.loads(done.stdout)
    return str(result["text"]), float(result["wall_s"])


def main(parts: list[str]) -> int:
    root = speechset.folder()
    if root is None:
        print("The speech set is not there: set SOTTO_SPEECH.")
        return 1
    raw = Transcriber(get_model_path("tiny-en"), ModelArch.TINY)
    for part in parts or ["single", "long"]:
        total = np.zeros(3, int)  # words, errors of ours, errors of the raw engine
        wall = np.zeros(2)
        seconds = 0.0
        print(f"\n{part:44} {'words':>6} {'ours':>7} {'raw':>7}")
        for path in speechset.recordings(root / part):
            said = speechset.words(speechset.reference(path))
            if not said:
                continue
            ours, ours_s = _ours(path)
            begun = time.perf_counter()
            text, length = _raw(raw, path)
            wall += (ours_s, time.perf_counter() - begun)
            seconds += length
            errors = [speechset.word_errors(said, speechset.words(heard)) for heard in (ours, text)]
            total += (len(said), *errors)
            rates = " ".join(f"{error / len(said):7.1%}" for error in errors)
            print(f"{path.name:44} {len(said):6} {rates}")
        print(f"{'word error rate':44} {total[0]:6} {total[1] / total[0]:7.1%} {total[2] / total[0]:7.1%}")
        print(f"{'real-time factor':44} {'':6} {wall[0] / seconds:7.3f} {wall[1] / seconds:7.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
