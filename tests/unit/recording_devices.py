"""Devices of the tests' own for the mixer: clocks that are off, deliveries in bursts, losses; time is simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from services.errors import SottoError
from services.recording.chunks import Pcm
from services.recording.mixer import Mixer
from services.recording.ring import Ring

Moments = NDArray[np.float64]
Signal = Callable[[Moments], Moments]
"""What can be heard at some moments, in seconds."""


class World:
    """The time, for devices and mixer."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Device:
    """A device that hears a signal, with a clock of its own, and delivers when it is told to.

    Args:
        world: The time.
        label: Its name.
        rate: Its sample rate.
        ppm: How much too fast its clock is.
        signal: What it hears.
    """

    live = True
    channels = 1
    ended = False
    error: SottoError | None = None

    def __init__(self, world: World, label: str, rate: int, signal: Signal, ppm: float = 0.0) -> None:
        self.label = label
        self.rate = rate
        self.ring = Ring(10 * rate, 1, world)
        self.began: float | None = None
        self.absent = ""
        self.monitor = False
        self.device = label
        self.overruns = 0
        self._world = world
        self._signal = signal
        self._real_rate = rate * (1 + ppm / 1e6)
        self._start = world.now
        self._heard = 0

    @property
    def lost(self) -> int:
        return self.ring.overflows + self.overruns

    def deliver(self, until: float) -> tuple[int, int]:
        """Everything that it has heard until the moment `until`, and not delivered yet.

        Returns the numbers of its first sample and of the one behind its last, since the device was there.
        """
        count = int((until - self._start) * self._real_rate + 1e-6) - self._heard
        if count <= 0:
            return self._heard, self._heard
        moments = self._start + (self._heard + np.arange(count)) / self._real_rate
        if self.began is None:
            self.began = self._world.now - count / self.rate
        self.ring.write(self._signal(moments).astype(np.float32)[:, None])
        self._heard += count
        return self._heard - count, self._heard

    def lose(self, until: float) -> None:
        """Everything that it has heard until the moment `until`, and not delivered yet, is gone."""
        self._heard = max(self._heard, int((until - self._start) * self._real_rate + 1e-6))

    def start(self) -> None: ...
    def stop(self) -> None:
        self.ended = True

    def consumed(self) -> None: ...


class Recorder:
    """Pulls in ticks, as the recorder does."""

    def __init__(self, world: World, devices: Sequence[Device], rate: int) -> None:
        self.world = world
        self.mixer = Mixer(devices, rate, world)
        self.blocks: list[Pcm] = []
        self._devices = devices

    def tick(self, seconds: float) -> None:
        """Pull; `seconds` have passed since the last time."""
        self.blocks.append(self.mixer.pull(seconds))

    def all(self) -> Pcm:
        for device in self._devices:
            device.stop()
        return np.concatenate([*self.blocks, self.mixer.finish()])
