"""What the name of a device means on a sound server, as things are: `mic` and `system` follow a person's choice."""

from __future__ import annotations

import os

from services.recording.devices import PULSE_SOURCE, Input
from services.recording.messages import SYSTEM
from services.recording.pulse import PulseSource, View


class Target:
    """The device behind a source's name.

    Args:
        label: The source as the user named it.
        found: The device that it means at first.

    Attributes:
        name: The name that people know by what is recorded now.
        source: The sound server's name for it; empty without a server.
        monitor: It is what loudspeakers play.
    """

    def __init__(self, label: str, found: Input) -> None:
        self.name = found.device.description
        self.source = found.pulse_source
        self.monitor = found.device.kind == "monitor"
        self._label = label
        self._follows_microphone = label == "mic" and not os.environ.get(PULSE_SOURCE)
        self._takes_monitors = self.monitor

    def wanted(self, view: View) -> PulseSource | None:
        """What is to be recorded; None while it is not there."""
        if self._label == SYSTEM:
            return view.system
        if self._follows_microphone:
            chosen = view.microphone
            if chosen is not None and (self._takes_monitors or not chosen.monitor_of):
                return chosen
            # Without a microphone, a server falls back to what the loudspeakers play.
        return view.named(self.source)

    def become(self, wanted: PulseSource) -> None:
        """This is recorded from now on."""
        self.name = wanted.description
        self.source = wanted.name
        self.monitor = bool(wanted.monitor_of)
