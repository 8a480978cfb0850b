"""The others' voices in the microphone: how much of them is written twice, and what of one's own words is lost.

    python -m tests.benchmarks echo [--frames]

Calls are simulated from two readers of the speech set: one talks into the microphone, the other comes out of the
loudspeaker and back through a delay, a room, a gain and noise. They take turns, or each begins two seconds before the
other has ended. For each call: the share of frames with nothing but echo that still count as voice, and of one's own
that do not; with the built-in engine (left out by `--frames`) the words of the others that stand under You as well, in
runs of three and more, and one's own that are missing. Each without the gate and with it. Goals: at most a tenth of
the echo's frames left in every call without much noise, and a hundredth of one's own lost where they take turns; with
an echo fewer words doubled or missing than without the gate.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from services.audio.echo import EchoGate
from services.audio.front import FrontEnd
from services.audio.normalise import Normaliser
from services.audio.vad import FRAME, RATE, VoiceDetector, detectors
from services.models.options import EngineOptions
from services.transcription.moonshine import Moonshine
from services.transcription.plausible import believable, holds_speech
from tests import speechset
from tests.unit.sound_files import survey

Sound = NDArray[np.float32]


_NOISY_DB = -40.0
_MOST_LEFT = 0.1
_READERS = ("librispeech-1688-142285", "librispeech-2414-128291")


@dataclass(frozen=True, slots=True)
class Scene:
    """A way from loudspeaker to microphone.

    Attributes:
        name: What it stands for.
        delay: Seconds.
        gain_db: The echo's level against the near voice.
        room: Seconds in which it dies away by 60 dB.
        noise_db: Level of the microphone's noise.
        drift: Seconds by which the delay grows from the first to the last sample.
    """

    name: str
    delay: float
    gain_db: float
    room: float
    noise_db: float = -60.0
    drift: float = 0.0


SCENES = (
    Scene("headset", 0.0, -99.0, 0.0),
    Scene("laptop near", 0.02, -12.0, 0.2),
    Scene("laptop", 0.08, -6.0, 0.4),
    Scene("loudspeaker", 0.15, 0.0, 0.5),
    Scene("large room", 0.3, -3.0, 0.9, -50.0),
    Scene("faint", 0.12, -20.0, 0.4),
    Scene("noisy", 0.1, -6.0, 0.4, -35.0),
    Scene("drifting", 0.1, -3.0, 0.4, -60.0, 0.1),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one of them says."""

    near: bool
    start: int
    samples: Sound
    text: str


def turns(root: Path, overlap: float, seed: int) -> list[Turn]:
    """Two readers in turn; with `overlap` a turn begins so many seconds before the one before has ended."""
    random = np.random.default_rng(seed)
    readers = []
    for name in _READERS:
        audio, _ = soundfile.read(root / "single" / f"{name}.flac", dtype="float32")
        audio = audio * (0.5 / np.abs(audio).max())
        lines = [line.split(maxsplit=5) for line in (root / "single" / f"{name}.stm").read_text().splitlines()]
        readers.append([(audio[int(float(x[3]) * RATE) : int(float(x[4]) * RATE)], x[5]) for x in lines])
    found: list[Turn] = []
    at = RATE // 2
    for pair in zip(*readers, strict=False):
        for near, (samples, text) in zip((False, True), pair, strict=True):
            found.append(Turn(near, at, samples, text))
            step = len(samples) + (round(-overlap * RATE) if overlap else round(random.uniform(0.3, 1.2) * RATE))
            at += max(step, RATE)
    return found


def call(root: Path, scene: Scene, overlap: float = 0.0, seed: int = 1) -> tuple[Sound, Sound, list[Turn], Sound]:
    """What the microphone has, what the loudspeaker plays, what is said, and the near voice alone."""
    random = np.random.default_rng(seed)
    said = turns(root, overlap, seed)
    length = max(turn.start + len(turn.samples) for turn in said) + RATE
    near, far = np.zeros(length, np.float32), np.zeros(length, np.float32)
    for turn in said:
        (near if turn.near else far)[turn.start : turn.start + len(turn.samples)] += turn.samples
    echo: NDArray[np.float64] = np.zeros(length)
    if scene.gain_db > -90:
        count = max(1, round(scene.room * RATE))
        tail = random.normal(0, 1, count) * 10 ** (-3 * np.arange(count) / count) * 0.5
        tail[0] = 3.0
        tail /= np.sqrt(np.sum(tail**2))
        size = 1 << (length + count).bit_length()
        echo = np.fft.irfft(np.fft.rfft(far, size) * np.fft.rfft(tail, size))[:length]
        places = np.arange(length) - scene.delay * RATE - scene.drift * RATE * np.arange(length) / length
        echo = np.interp(places, np.arange(length), echo, left=0.0)
        echo *= 10 ** (scene.gain_db / 20) * np.sqrt(np.mean(far**2) / np.mean(echo**2))
    mic: NDArray[np.float64] = near + echo + random.normal(0, 10 ** (scene.noise_db / 20), length)
    far += random.normal(0, 1e-4, length).astype(np.float32)
    return mic.astype(np.float32), far, said, near


def cut_frames(sound: Sound) -> Sound:
    whole = len(sound) // FRAME * FRAME
    return (sound[:whole] * np.float32(0.9 / np.abs(sound).max())).reshape(-1, FRAME)


def judge_frames(
    root: Path, scene: Scene, overlap: float, detector: Callable[[], VoiceDetector]
) -> tuple[float, float]:
    """The shares of echo frames that still count as voice, and of near voice that no longer does."""
    mic, far, _, near = call(root, scene, overlap)
    frames = [cut_frames(sound) for sound in (mic, far)]
    said = [detector().probabilities(part) for part in frames]
    own = detector().probabilities(cut_frames(near))
    gate = EchoGate(160)
    parts = [gate.feed(frames, said), gate.flush()]
    left = np.concatenate([kept[0] for _, kept in parts]) > 0.4
    around = np.convolve(own, np.ones(9), "same")
    echo, voice = (said[0] > 0.4) & (around < 0.5), (own > 0.5) & (said[0] > 0.4)
    return float(left[echo].mean()) if echo.any() and scene.gain_db > -90 else 0.0, 1.0 - float(left[voice].mean())


def written(mic: Sound, far: Sound, engine: Moonshine, detector: Callable[[], VoiceDetector], gate: bool) -> list[str]:
    """The words under You."""
    audio = np.stack([mic, far], axis=1)
    blocks = [audio[at : at + RATE] for at in range(0, len(audio), RATE)]
    plan = survey(blocks, RATE, 2).plan(apart=("You", "Others"))
    front = FrontEnd([(Normaliser(g, RATE), g.speaker) for g in plan.groups], detector, engine.policy)
    if not gate:
        front._echoes = None
    heard = [heard for block in blocks for heard in front.feed(block)] + front.flush()
    words: list[str] = []
    for each in heard:
        if each.speaker == "You" and holds_speech(each.window):
            pieces = [believable(piece, each.window.voiced) for piece in engine.transcribe(each.window.samples, "en")]
            words += speechset.words(" ".join(piece.text for piece in pieces if piece is not None))
    return words


def doubled_and_lost(said: list[Turn], heard: list[str]) -> tuple[int, int]:
    """Words of the others under You, in runs of three and more; one's own that are not there."""
    near, far = (speechset.words(" ".join(turn.text for turn in said if turn.near is own)) for own in (True, False))
    match = difflib.SequenceMatcher(None, far, heard, autojunk=False)
    doubled = sum(block.size for block in match.get_matching_blocks() if block.size >= 3)
    own = difflib.SequenceMatcher(None, near, heard, autojunk=False)
    return doubled, len(near) - sum(block.size for block in own.get_matching_blocks())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", action="store_true", help="judge frames only")
    frames_only = parser.parse_args().frames
    root = speechset.folder()
    if root is None:
        print("The speech set is not there: set SOTTO_SPEECH.")
        return 1
    detector, engine = detectors(), Moonshine("tiny-en", EngineOptions())
    engine.load()
    met = True
    print(
        f"{'call':14} {'turns':10} {'echo left':>9} {'own lost':>8}   doubled, lost words without the gate -> with it"
    )
    for scene in SCENES:
        for overlap in (0.0, 2.0):
            left, lost = judge_frames(root, scene, overlap, detector)
            met &= (left <= _MOST_LEFT or scene.noise_db > _NOISY_DB) and (lost < 0.01 or overlap > 0)
            line = f"{scene.name:14} {'interrupt' if overlap else 'in turn':10} {left:9.1%} {lost:8.1%}"
            if not frames_only:
                mic, far, said, _ = call(root, scene, overlap)
                before, after = (
                    doubled_and_lost(said, written(mic, far, engine, detector, gate)) for gate in (False, True)
                )
                met &= sum(after) < sum(before) or scene.gain_db < -90
                line += f"   {before[0]:4} {before[1]:4} -> {after[0]:4} {after[1]:4}"
            print(line, flush=True)
    print("goals met" if met else "goals missed")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
