"""Readings cut at arbitrary places, and what that does to their words: for the seam test and its benchmark.

What an engine makes of a word depends on where its window begins and ends, so two transcripts of one reading differ
all over. Therefore each count at the seams comes with the same count elsewhere, and a word counts as lost only if it
was said and the transcript of windows cut in silence has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from services.audio.decode import open_audio
from services.audio.normalise import Resampler
from services.audio.vad import RATE, Framer, Samples, detectors
from services.audio.windows import Policy, Window, WindowCutter
from services.transcription.engine import Piece, SpeechEngine
from services.transcription.plausible import believed
from services.transcription.seams import Seams
from tests import speechset

READINGS = (
    "single/librispeech-1688-142285.flac",
    "single/librispeech-2414-128291.flac",
    "single/librispeech-1998-15444.flac",
    "single/librispeech-2033-164914.flac",
    "single/librispeech-2609-156975.flac",
    "single/librivox-austen-0870.wav",
    "single/librivox-austen-0880.wav",
    "single/librivox-austen-0920.wav",
    "single/quilter.wav",
    "long/simulated-meeting-4spk.opus",
)
"""11.6 minutes of people who read aloud."""

_NEAR = 4
"""Words on each side of a seam that count as beside it: at the pace of these readings 1.5 to 2 s."""

_SHARED = 8
"""Words that an overlap of 2 s may hold, and a few more."""

_LONGEST_RUN = 6
"""Words: no overlap holds more that could be told twice."""


@dataclass(frozen=True)
class Reading:
    """Audio without a pause between its recordings.

    Attributes:
        frames: float32 (n, FRAME).
        said: The words.
    """

    frames: Samples
    said: list[str]

    @property
    def seconds(self) -> float:
        return self.frames.size / RATE


@dataclass(frozen=True)
class Told:
    """A transcript.

    Attributes:
        words: All of it.
        seams: Before which of them a window begins that shares audio with the one before, or was cut from it.
        heard: For each seam what the engine gave at the end of one window and at the start of the other.
    """

    words: list[str]
    seams: list[int]
    heard: list[set[str]]


@dataclass(frozen=True)
class Damage:
    """What cutting did.

    Attributes:
        seams: How many there are.
        doubled: Seams at which a run of words stands twice in a row that was not said twice.
        lost: Words beside a seam that were said and that cuts in silence understand, but not these.
        dropped: Those of them that one of both windows had.
        near: Words that stand beside a seam.
        lost_elsewhere: Words lost away from the seams, by their share in all words there.
        errors: Word error rate.
    """

    seams: int
    doubled: int
    lost: int
    dropped: int
    near: int
    lost_elsewhere: float
    errors: float


def reading(root: Path, names: Sequence[str] = READINGS) -> Reading:
    """Join recordings of the speech set."""
    framer, parts, said = Framer(), [], []
    for name in names:
        with open_audio(root / name) as audio:
            resampler = Resampler(audio.rate)
            parts += [framer.feed(resampler.feed(block.mean(axis=1))) for block in audio.blocks()]
            parts.append(framer.feed(resampler.flush()))
        said += speechset.words(speechset.reference(root / name))
    return Reading(np.concatenate([*parts, framer.flush()]), said)


def cut_in_silence(of: Reading, policy: Policy) -> list[Window]:
    """The windows that the real detector gives."""
    cutter = WindowCutter(policy)
    return cutter.feed(of.frames, detectors()().probabilities(of.frames)) + cutter.flush()


def cut_anywhere(of: Reading, policy: Policy, seed: int) -> list[Window]:
    """Windows cut as if nobody ever paused: in the last third of each, wherever chance will have it."""
    cutter = WindowCutter(policy)
    chance = np.random.default_rng(seed).uniform(0.9, 1.0, len(of.frames)).astype(np.float32)
    return cutter.feed(of.frames, chance) + cutter.flush()


def tell(windows: Sequence[Window], engine: SpeechEngine) -> Told:
    """What the engine understands of windows, sewn together."""
    seams, places = Seams(), list[tuple[int, int]]()
    words: list[str] = []
    understood = [believed(engine.transcribe(window.samples, "en"), window.voiced) for window in windows]
    settled = []
    for number, (window, pieces) in enumerate(zip(windows, understood, strict=True)):
        settled += seams.feed(number, "", window, pieces)
    number = -1
    for one in settled + seams.flush():
        if one.number != number and words:
            places.append((len(words), one.number))
        number = one.number
        words += speechset.words(one.piece.text)
    heard = [{*_words(understood[at - 1])[-_SHARED:], *_words(understood[at])[:_SHARED]} for _, at in places]
    return Told(words, [place for place, _ in places], heard)


def _words(pieces: Sequence[Piece]) -> list[str]:
    return [word for piece in pieces for word in speechset.words(piece.text)]


def damage(said: Sequence[str], silence: Sequence[str], told: Told) -> Damage:
    """Compare a transcript of arbitrary windows with one of windows cut in silence.

    Args:
        said: What was said.
        silence: The words as understood in windows cut in silence.
        told: The words as understood in the other windows.
    """
    understood = _found(said, silence)
    place = _places(said, told.words)
    beside: dict[int, set[str]] = {}
    for seam, heard in zip(told.seams, told.heard, strict=True):
        for at in range(max(0, place[seam] - _NEAR), min(len(said), place[seam] + _NEAR)):
            beside.setdefault(at, set()).update(heard)
    gone = [at for at in _left_out(said, told.words) if at in understood and not _as_one(said, at, told.words)]
    lost = [at for at in gone if at in beside]
    doubled = [seam for seam in told.seams if _twice(told.words, seam, said, silence)]
    return Damage(
        seams=len(told.seams),
        doubled=len(doubled),
        lost=len(lost),
        dropped=sum(said[at] in beside[at] for at in lost),
        near=len(beside),
        lost_elsewhere=(len(gone) - len(lost)) / max(1, len(said) - len(beside)),
        errors=speechset.word_errors(said, told.words) / len(said),
    )


def _matches(said: Sequence[str], heard: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, said, heard, autojunk=False).get_opcodes()


def _found(said: Sequence[str], heard: Sequence[str]) -> set[int]:
    """The words that were understood, by their index in `said`."""
    return {at for kind, a, b, _, _ in _matches(said, heard) if kind == "equal" for at in range(a, b)}


def _left_out(said: Sequence[str], heard: Sequence[str]) -> set[int]:
    """The words that have nothing in their place: where three became one, two of the three."""
    return {at for kind, a, b, c, d in _matches(said, heard) if kind != "equal" for at in range(a + d - c, b)}


def _as_one(said: Sequence[str], at: int, heard: Sequence[str]) -> bool:
    """Whether a word is there, written as one with a neighbour: "shopboy" for "shop boy"."""
    return any("".join(said[first : first + 2]) in heard for first in (at - 1, at) if first >= 0)


def _places(said: Sequence[str], heard: Sequence[str]) -> list[int]:
    """For every place between the words of `heard` the one in `said`."""
    places = [0] * (len(heard) + 1)
    for _, a, b, c, d in _matches(said, heard):
        for at in range(c, d + 1):
            places[at] = min(b, a + at - c)
    return places


def _twice(words: Sequence[str], seam: int, *others: Sequence[str]) -> bool:
    """Whether a run of words stands twice around `seam`, and does not in `others`. A cut word on each side, which is
    understood as some other, may stand between two runs of three words or more."""
    for size in range(1, _LONGEST_RUN + 1):
        for between in range(3 if size > 2 else 1):
            length = 2 * size + between
            for begin in range(max(0, seam - length + 1), min(seam, len(words) - length + 1)):
                run = list(words[begin : begin + length])
                if run[:size] == run[-size:] and not any(_holds(other, run) for other in others):
                    return True
    return False


def _holds(words: Sequence[str], run: Sequence[str]) -> bool:
    return any(list(words[at : at + len(run)]) == list(run) for at in range(len(words) - len(run) + 1))
