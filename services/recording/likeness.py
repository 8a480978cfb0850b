"""Whether audio that a lossy codec gave back is the audio that was put in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.recording.chunks import Pcm

SPEECH_BAND_HZ = (200.0, 3400.0)
"""Where speech is understood (the telephone's band, ITU-T G.712, down to a deep voice). A codec may change the rumble
below it and the hiss above."""

LEAST_CORRELATION = 0.5
"""Of the waveforms in the speech band, over a second. Measured with Opus at `archive.OPUS_BITS` on two hours of speech
in noise of every kind, down to -60 dB, in two channels: 0.72 and more. Exchanged channels, swapped seconds and shifts
by more than a sample give less than 0.4 in some second of a minute."""

MOST_LEVEL_DB = 6.0
"""Difference in level. Measured likewise: up to 2.2 dB."""

FLOOR_DB = -60.0
"""A block whose speech band is softer than this, in dB of full scale, has no waveform to compare."""

MASKED_DB = 25.0
"""So has one whose speech band is softer by this than all of it: hum, or a tone above the band."""

QUIET_DB = -50.0
"""What such a block may have become at the most, in the speech band."""


def alike(original: Pcm, decoded: Pcm, rate: int) -> bool:
    """Whether `decoded` holds what `original` does: the same words at the same time, in each channel.

    Args:
        original: int16, shape (frames, channels); about a second of it.
        decoded: What came back.
        rate: In Hz.
    """
    if original.shape != decoded.shape:
        return False
    before, after = _spectrum(original), _spectrum(decoded)
    hertz = np.fft.rfftfreq(len(original), 1.0 / rate)
    band = (hertz >= SPEECH_BAND_HZ[0]) & (hertz <= SPEECH_BAND_HZ[1])
    return all(_channel_alike(p, q, band) for p, q in zip(before.T, after.T, strict=True))


def _spectrum(samples: Pcm) -> NDArray[np.complex128]:
    """Scaled so that the sum of its squares is the power, 1 for a full-scale square wave."""
    spectrum: NDArray[np.complex128] = np.fft.rfft(samples / 32768.0, axis=0) * (np.sqrt(2.0) / len(samples))
    return spectrum


def _channel_alike(before: NDArray[np.complex128], after: NDArray[np.complex128], band: NDArray[np.bool_]) -> bool:
    whole = _decibels(before)
    before, after = before[band], after[band]
    was, became = _decibels(before), _decibels(after)
    if was < max(FLOOR_DB, whole - MASKED_DB):
        return became <= max(QUIET_DB, whole - MASKED_DB / 2)
    if abs(became - was) > MOST_LEVEL_DB:
        return False
    correlation = np.vdot(before, after).real / np.sqrt(_power(before) * _power(after))
    return bool(correlation >= LEAST_CORRELATION)


def _power(spectrum: NDArray[np.complex128]) -> float:
    return float(np.vdot(spectrum, spectrum).real)


def _decibels(spectrum: NDArray[np.complex128]) -> float:
    return float(10.0 * np.log10(_power(spectrum) + 1e-20))
