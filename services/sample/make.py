"""Speak the sample meeting: `python -m services.sample.make`. Needs flite; the app never imports this.

The same script gives the same sound, so that the recording can be made again whenever the script changes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from services.sample import MEETING
from services.sample.script import Script, Voice, read

RATE = 16_000
"""What flite's voices have, in Hz."""

_LOUDNESS = 10 ** (-22 / 20)
"""Root mean square of a turn, full scale being 1: about what a headset gives."""
_PEAK = 0.9
_TAIL_SECONDS = 1.0
_SENTENCE_PAUSE_SECONDS = 0.35
_COMPRESSION = 0.96
"""On libsndfile's scale from 0 (256 kbit/s a channel) to 1 (6): 16 kbit/s a channel."""

_Samples = NDArray[np.float32]


def speak(text: str, voice: Voice) -> _Samples:
    """`text` as float32 mono at `RATE`, shape (frames,), sentence by sentence, all equally loud.

    Raises:
        FileNotFoundError: flite is not installed.
        subprocess.CalledProcessError: flite does not know the voice.
    """
    pause = np.zeros(round(_SENTENCE_PAUSE_SECONDS * RATE), np.float32)
    parts: list[_Samples] = []
    for sentence in re.split(r"(?<=[.?!]) ", text):
        parts += [_sentence(sentence, voice), pause]
    return np.concatenate(parts[:-1])


def _sentence(text: str, voice: Voice) -> _Samples:
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder) / "spoken.wav"
        stretch = f"duration_stretch={voice.stretch}"
        subprocess.run(["flite", "-voice", voice.flite, "--setf", stretch, "-t", text, "-o", spoken], check=True)
        samples, rate = soundfile.read(spoken, dtype="float32")
    if rate != RATE:
        raise ValueError(f"{voice.flite} speaks at {rate} Hz instead of {RATE}")
    gain = _LOUDNESS / float(np.sqrt(np.mean(samples**2)))
    return np.asarray(samples * min(gain, _PEAK / float(np.abs(samples).max())), np.float32)


def perform(script: Script) -> _Samples:
    """The whole meeting: float32, shape (frames, 2)."""
    placed: list[tuple[int, int, _Samples]] = []
    end = 0
    for turn in script.turns:
        voice = script.voices[turn.speaker]
        samples = speak(turn.text, voice)
        start = end + round(turn.pause * RATE)
        end = start + len(samples)
        placed.append((start, voice.channel - 1, samples))
    meeting = np.zeros((end + round(_TAIL_SECONDS * RATE), 2), np.float32)
    for start, channel, samples in placed:
        meeting[start : start + len(samples), channel] += samples
    return np.clip(meeting, -1.0, 1.0)


def write(path: Path, meeting: _Samples) -> None:
    """Write Ogg Opus, two channels at `RATE`."""
    with soundfile.SoundFile(path, "w", RATE, 2, subtype="OPUS", format="OGG", compression_level=_COMPRESSION) as file:
        file.write(meeting)


def main() -> int:
    try:
        meeting = perform(read())
    except FileNotFoundError:
        print("flite is missing: apt-get install flite", file=sys.stderr)
        return 1
    write(MEETING, meeting)
    print(f"{MEETING}: {len(meeting) / RATE:.1f} s, {MEETING.stat().st_size / 1024:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
