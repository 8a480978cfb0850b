"""A device as a source: it may be unplugged, moved, replaced, hang and come back; its ring stays the same.

`mic` follows the default source and `system` the default sink's monitor when a person changes them; a device that was
named does not follow. Where a device goes, the source is `absent` and tries until it is back (`tending`).
"""

from __future__ import annotations

import time

from services.errors import SottoError
from services.recording.devices import Input, choose, find_inputs
from services.recording.keeper import Keeper
from services.recording.messages import SYSTEM
from services.recording.pulse import connect, view_of
from services.recording.ring import Ring
from services.recording.tending import Tending

_RING_SECONDS = 10.0
"""So long may the disk keep the writer waiting before a frame is lost."""

_SEAL_SECONDS = 0.3
"""So long the end of a recording waits until it is known whether what came last is what it should be."""


class DeviceSource:
    """A device. Opened on construction.

    Args:
        label: The source as the user named it.
        found: The device.
        keeper: Who looks after it.

    Raises:
        DeviceError: It cannot be opened.
    """

    live = True

    def __init__(self, label: str, found: Input, keeper: Keeper) -> None:
        self.label = label
        self.rate = found.device.rate
        # A sound server mixes to one channel better than we would; a bare device may have its signal on either side.
        self.channels = 1 if found.pulse_source else min(2, found.device.channels)
        proof = self._proven if found.pulse_source else None
        self.ring = Ring(int(self.rate * _RING_SECONDS), self.channels, proof=proof)
        self.began: float | None = None
        self.overrun = 0
        self._keeper = keeper
        self._stopped = False
        self._sealed = False
        self._tending = Tending(self, found, keeper)

    def start(self) -> None:
        self._tending.begin()

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self._tending.end()
        deadline = time.monotonic() + _SEAL_SECONDS
        while not self._settled and time.monotonic() < deadline:
            time.sleep(0.01)
        self._sealed = self._settled
        self._keeper.remove(self._tending)

    @property
    def ended(self) -> bool:
        return self._stopped

    @property
    def lost(self) -> int:
        return self.ring.overflows + self.overrun

    @property
    def error(self) -> SottoError | None:
        return None

    @property
    def absent(self) -> str:
        return self._tending.absent

    @property
    def monitor(self) -> bool:
        return self._tending.target.monitor

    @property
    def device(self) -> str:
        return "" if self.absent or self._stopped else self._tending.target.name

    def consumed(self) -> None:
        """A device waits for nobody."""

    @property
    def _settled(self) -> bool:
        # In this order: what the keeper has acted upon, it has said here before.
        return self._keeper.settled(strict=self.label == SYSTEM) and not self._tending.tainted

    def _proven(self) -> bool:
        """Whether what is in the ring is what it should be (see `Ring`)."""
        return self._sealed if self._stopped else self._settled


class Devices:
    """The devices of one recording, and who looks after them.

    Raises:
        DeviceError: PortAudio is not installed, or does not start.
    """

    def __init__(self) -> None:
        server = connect()
        view = view_of(server)
        self._keeper = Keeper(server if view is not None else None)
        self._inputs = find_inputs(view)

    def open(self, label: str) -> DeviceSource:
        """The device that `label` means.

        Raises:
            DeviceError: There is none, or it cannot be opened.
        """
        return DeviceSource(label, choose(label, self._inputs), self._keeper)

    def close(self) -> None:
        """No device was opened, or all have been stopped."""
        self._keeper.close()
