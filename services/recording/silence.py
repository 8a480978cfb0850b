"""Which channels are without signal, and when that is worth a word.

Measured by level, because dead inputs do not deliver zeros: an open or unplugged one gives -96 to -80 dB of full scale
(its converter's last bits, some hum), a quiet room through a microphone that works -65 to -45, speech -40 to -6. The
border is -70 dB in a tenth of a second; crackle that is shorter than two such blocks is no signal.

An alarm that cries wolf is ignored, so it depends on what the channel is when that is alarming:

- A microphone that is open never is below the border. Without signal from the start, it is muted, not plugged in or the
  wrong one: a warning at once. When it had signal before, it may have been muted on purpose, or have a noise gate that
  delivers digital silence while its owner listens: a line on the screen at once, a warning only when that lasts.
- What loudspeakers play is silent whenever nobody speaks there, and so is a file. Before the first sound a line on the
  screen says so, because somebody may have chosen the wrong output; later only long silence is worth one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.recording.hearing import span_of
from services.recording.messages import Alert, is_file
from services.text import one_line

_SIGNAL_SPAN = span_of(-70)
_SIGNAL_SECONDS = 0.2
"""Signal is what lasts so long. A plug, a switch or a loose contact crackles for less, a syllable does not."""

_TOLD_SECONDS = 4.0
"""With the tenth of a second between two looks, and the fifth between two status lines, a person knows within five."""

_PAUSE_SECONDS = 30.0
"""One of two channels is dead, and not the whole recording, as long as the other one pauses for less. When all are
silent for longer, nobody just thinks: a gate that has closed opens again, an open microphone is never silent."""

_MUTED_SECONDS = 60.0
"""A microphone that had signal, and has none while the other side speaks, is warned of after so long."""

_LONG_SECONDS = 300.0
"""The same for one that has come back by itself before, so it has a gate or a person who mutes it; and so long the far
end must be silent, while this side speaks, until somebody may have moved it to another output."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A channel of the recording.

    Attributes:
        label: Its source as the user named it.
        monitor: It is what loudspeakers play: silent while nobody speaks there.
    """

    label: str
    monitor: bool = False


class _Channel:
    """What is known of the signal of one channel.

    Attributes:
        number: Its number.
        name: For sentences.
        file: It is read from a file, which nobody can unplug or mute.
        calm: Its silence is nothing unusual.
        had: It has had signal in this recording.
        returned: It has come back by itself after it was silent for long enough to be told.
        absent: Its device is not there.
    """

    def __init__(self, number: int, watched: Watched, rate: int) -> None:
        self.number = number
        self.file = is_file(watched.label)
        self.name = one_line(watched.label.rpartition("/")[2] if self.file else watched.label, 40)
        self.calm = watched.monitor or self.file
        self.had = self.returned = self.absent = False
        self._rate = rate
        self._frames = self._run = 0

    @property
    def quiet(self) -> float:
        """Seconds since it had signal."""
        return self._frames / self._rate

    def feed(self, frames: int, span: int) -> None:
        self._frames += frames
        self._run = self._run + frames if span >= _SIGNAL_SPAN else 0
        if self._run >= _SIGNAL_SECONDS * self._rate:
            self.returned |= self.had and self.quiet >= _TOLD_SECONDS
            self.had = True
            self._frames = 0

    def forget(self) -> None:
        """Nobody knows now whether it has signal."""
        self._frames = self._run = 0


class Silence:
    """Listens to all channels.

    Args:
        channels: The recording's channels.
        rate: Its sample rate in Hz.
    """

    def __init__(self, channels: Sequence[Watched], rate: int) -> None:
        self._channels = [_Channel(number, channel, rate) for number, channel in enumerate(channels)]

    def feed(self, frames: int, spans: Sequence[int], absent: Collection[int]) -> None:
        """So much has come.

        Args:
            frames: How many, maybe none.
            spans: From the lowest to the highest sample of each channel.
            absent: Numbers of the channels whose device is away. What comes from them is none of theirs.
        """
        for channel, span in zip(self._channels, spans, strict=True):
            channel.absent = channel.number in absent
            if channel.absent:
                channel.forget()
            elif frames:
                channel.feed(frames, span)

    def forget(self) -> None:
        """Nothing comes any more, because the recording pauses: nobody knows who has signal."""
        for channel in self._channels:
            channel.forget()

    def alerts(self, devices: Sequence[str]) -> list[Alert]:
        """What is to be told now. `devices`: for each channel the name that people know its device by, may be empty."""
        present = [channel for channel in self._channels if not channel.absent]
        dead = [alert for channel in present if (alert := self._dead(channel, devices)) is not None]
        quiet = min((channel.quiet for channel in present), default=0.0)
        had = any(channel.had for channel in present)
        told, warned = _patience(all(channel.calm for channel in present), had)
        if dead or quiet < told:
            return dead
        names = " and ".join(dict.fromkeys(channel.name for channel in present))
        return [
            Alert(
                "no_signal",
                f"Nothing is heard from {names} any more." if had else f"No sound comes from {names}.",
                _advice(present, devices),
                "warning" if quiet >= warned else "info",
                present[0].number if len(self._channels) == 1 else None,
            )
        ]

    def _dead(self, channel: _Channel, devices: Sequence[str]) -> Alert | None:
        """That it is silent and the other one is not."""
        others = [other for other in self._channels if other is not channel and other.had and not other.absent]
        if channel.file or not others:
            return None
        other = min(others, key=lambda other: other.quiet)
        told = _LONG_SECONDS if channel.calm and channel.had else _TOLD_SECONDS
        if channel.quiet < told or channel.quiet - other.quiet < _TOLD_SECONDS or other.quiet >= _PAUSE_SECONDS:
            return None
        warned = 0.0 if not channel.had else _LONG_SECONDS if channel.returned else _MUTED_SECONDS
        message = f"Nothing is heard from {channel.name}" + (" any more" if channel.had else "")
        return Alert(
            "dead_channel",
            f"{message}: fine while nobody speaks there." if channel.calm else f"{message}, only from {other.name}.",
            _advice([channel], devices),
            "warning" if channel.quiet >= warned and not channel.calm else "info",
            channel.number,
        )


def _patience(calm: bool, had: bool) -> tuple[float, float]:
    """Seconds of silence on all channels until it is told, and until it is a warning.

    Args:
        calm: No microphone is among them.
        had: One of them has had signal before.
    """
    if calm and had:
        return _MUTED_SECONDS, _LONG_SECONDS
    return _TOLD_SECONDS, _PAUSE_SECONDS if calm or had else _TOLD_SECONDS


def _advice(channels: Sequence[_Channel], devices: Sequence[str]) -> str:
    for channel in channels:
        if not channel.calm:
            name = one_line(devices[channel.number], 60) if channel.number < len(devices) else ""
            return f"Is {name or 'the microphone'} muted, or the wrong one? `sotto devices` lists what there is."
    if channels[0].file:
        return ""
    return "If somebody speaks there, it plays on another output: `sotto devices` lists them."
