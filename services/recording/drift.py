"""The clocks of devices: how far each is from the computer's, and by how much its sound is bent to fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drift:
    """What is known of the clock of a device.

    Attributes:
        channel: Number of the channel.
        label: Its source, as the user named it.
        ppm: How much faster than the computer's clock it runs, in millionths.
        corrected_ms: By how much its sound was made shorter, in all, to stay beside the other's; negative: longer.
    """

    channel: int
    label: str
    ppm: float
    corrected_ms: float
