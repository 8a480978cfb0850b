"""How loud it is: peak and root mean square of the latest samples, in decibels of full scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.recording.chunks import Pcm
from services.recording.messages import SILENCE_DB, ChannelLevel

LEVEL_SECONDS = 0.1

_FULL_SCALE = 32768.0


def measure(block: Pcm, rate: int, channels: Sequence[ChannelLevel]) -> tuple[ChannelLevel, ...]:
    """`channels` with the levels of the last tenth of a second in `block`; of all of it, when it is shorter.

    Args:
        block: int16 (frames, channels), at least one frame.
        rate: Sample rate in Hz.
        channels: The channels as they were.
    """
    window = block[-max(1, round(LEVEL_SECONDS * rate)) :].astype(np.float64) / _FULL_SCALE
    peaks = np.abs(window).max(axis=0)
    powers = np.square(window).mean(axis=0)
    return tuple(
        replace(channel, peak_db=_db(float(peak)), rms_db=_db(float(power) ** 0.5))
        for channel, peak, power in zip(channels, peaks, powers, strict=True)
    )


def _db(amplitude: float) -> float:
    return round(max(SILENCE_DB, 20 * float(np.log10(amplitude))), 1) if amplitude > 0 else SILENCE_DB
