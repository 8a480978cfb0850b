"""A sound file made from any other, as the speech engines hear it: 16 kHz, mono, 16 bits, brought to one level.

Both passes go block by block: the first one measures, the second one writes. Nothing grows with the length.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from services.audio.decode import AudioFile, open_audio
from services.audio.normalise import ChannelGroup, ChannelPlan, Normaliser, Samples, Survey
from services.audio.vad import RATE
from services.errors import AudioFileError, PathError, StorageError, UsageError
from services.files import disk_error, sync_folder
from services.text import one_line

FORMATS = {".wav": "WAV", ".flac": "FLAC"}

_MOST_WAV_FRAMES = (2**32 - 1024) // 2
"""A WAV file counts its bytes in 32 bits; 16-bit mono reaches that after 37 hours."""

_BLOCK_SECONDS = 0.6
"""At 48 kHz stereo three blocks (the last, this, the survey's own) and the samples as they are read are under 1 MB."""

Step = Callable[[float, float, str], None]
"""Told seconds done, seconds in all (0 where nobody knows), and what is done; may raise to cancel."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of it.

    Attributes:
        frames: Of the new file, at 16 kHz.
        peak: The loudest sample of the file that was read, offsets removed; 1 is full scale.
        gains: The factor that each channel was multiplied with before they were added, turned phases negative.
        warnings: Sentences about damage that was passed over.
    """

    frames: int
    peak: float
    gains: tuple[float, ...]
    warnings: tuple[str, ...]


def convert(source: Path, target: Path, step: Step) -> Converted:
    """Write `target` from `source`. It gets its name only when it is whole, and has mode 0600.

    Two people who were recorded apart, each in a channel, are brought to the same level and mixed.

    Raises:
        UsageError: The target's name ends in neither .wav nor .flac, or it is the source.
        AudioFileError: The source holds no sound that can be read, or changed while it was read.
        StorageError: The target cannot be written, or its folder is not there.
    """
    kind = _kind(source, target)
    target = Path(os.path.realpath(target))  # where it is a link, the file that it leads to is replaced
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with open_audio(source) as audio:
        plan = _measure(audio, step)
        group = _mixed(plan)
        expected = -(-plan.frames * RATE // plan.rate)
        if kind == "WAV" and expected > _MOST_WAV_FRAMES:
            raise UsageError(f"{audio.name} is too long for a WAV file.", "Let the new file's name end in .flac.")
        try:
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                frames = _write(fd, kind, audio, Normaliser(group, plan.rate), plan.seconds, step)
                os.fsync(fd)
                if frames != expected:
                    raise AudioFileError(f"{audio.name} changed while it was read.", "Try again when it is complete.")
                if soundfile.info(os.fsencode(temporary)).frames != frames:
                    raise _refused(target)
            finally:
                os.close(fd)
            os.replace(temporary, target)
            sync_folder(target.parent)
        except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all frames were taken
            raise _refused(target) from error
        except OSError as error:
            raise disk_error(target, error) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        return Converted(frames, plan.peak, group.weights, tuple(audio.warnings))


def _kind(source: Path, target: Path) -> str:
    """libsndfile's name of the format that the target's name asks for."""
    shown = one_line(str(target))
    kind = FORMATS.get(target.suffix.lower())
    if kind is None:
        raise UsageError(f"{shown} ends in neither .wav nor .flac.", "Give the new file a name that does.")
    try:
        parent = Path(os.path.realpath(target)).parent  # no error for a link that leads to itself
        if not parent.is_dir():
            raise PathError(f"There is no folder {one_line(str(parent))}.", "Make it, or choose another one.")
        there = target.exists()
        if there and source.exists() and target.samefile(source):
            raise UsageError(f"{shown} is the file that is read.", "Give the new file another name.")
    except OSError as error:
        raise disk_error(target, error) from error
    if there and not target.is_file():
        raise PathError(f"{shown} is there already, and no file.", "Give the new file another name.")
    return kind


def _measure(audio: AudioFile, step: Step) -> ChannelPlan:
    """The first pass."""
    survey, total = Survey(audio.rate, audio.channels), (audio.frames or 0) / audio.rate
    done = 0
    for block in audio.blocks(_BLOCK_SECONDS):
        step(done / audio.rate, total, "measuring")
        survey.feed(block)
        done += len(block)
    return survey.plan()


def _mixed(plan: ChannelPlan) -> ChannelGroup:
    """One group of all: the mean of what each group is brought to, which has no higher peak than they."""
    weights = np.mean([group.weights for group in plan.groups], axis=0)
    offset = sum(group.offset for group in plan.groups) / len(plan.groups)
    return ChannelGroup(tuple(weights.tolist()), offset)


def _write(fd: int, kind: str, audio: AudioFile, normaliser: Normaliser, total: float, step: Step) -> int:
    """The second pass; returns the frames that were written."""
    done = written = 0
    with soundfile.SoundFile(fd, "w", RATE, 1, "PCM_16", format=kind, closefd=False) as out:
        for block in audio.blocks(_BLOCK_SECONDS):
            step(done / audio.rate, total, "writing")
            samples = normaliser.feed(block)
            out.write(_pcm(samples))
            done, written = done + len(block), written + len(samples)
        tail = normaliser.flush()
        out.write(_pcm(tail))
    return written + len(tail)


def _pcm(samples: Samples) -> NDArray[np.int16]:
    """float32 -1 to 1 as int16, rounded to the nearest."""
    pcm: NDArray[np.int16] = np.minimum(np.rint(samples * np.float32(32768)), np.float32(32767)).astype(np.int16)
    return pcm


def _refused(target: Path) -> StorageError:
    return StorageError(
        f"{one_line(str(target))} cannot be written: the disk took only a part.", "Free some space, then try again."
    )
