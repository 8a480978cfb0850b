"""What can be recorded on this machine. Runs in a child: PortAudio prints on fd 2 and stays in memory.

`python -P -m services.recording.devices` writes one JSON object to its standard output, {"devices": [...]} or
{"error": {...}}; `services.recording.client.list_devices` is the way to it.

Where a PulseAudio server runs (PipeWire offers one, too), its sources are what people know by name, so they come first.
PortAudio reaches them through the ALSA device `pulse`, with the source's name in the environment.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.errors import DeviceError, SottoError
from services.recording.messages import SYSTEM, Device
from services.recording.pulse import PulseSource, View, connect, view_of
from services.text import one_line

_log = logging.getLogger("sotto.devices")

_BRIDGE = "pulse"
"""The ALSA device behind which PulseAudio is found (package libasound2-plugins)."""

PULSE_SOURCE = "PULSE_SOURCE"
"""The environment variable that names the source which `pulse` opens."""

_NO_DEVICE = "Plug in a microphone, start the sound server, or write up a file: `o` in the app, `sotto process FILE`."


@dataclass(frozen=True, slots=True)
class Input:
    """A device and the way to open it.

    Attributes:
        device: What a person sees of it.
        index: PortAudio's number of the device to open.
        pulse_source: The PulseAudio source behind it; empty for a device of PortAudio's own.
    """

    device: Device
    index: int
    pulse_source: str = ""


def portaudio() -> Any:
    """The module `sounddevice`, with PortAudio ready for use.

    Raises:
        DeviceError: PortAudio is not installed, or does not start.
    """
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError(
            f"Sound cannot be recorded: {error}.",
            "Install PortAudio: sudo apt install libportaudio2. Files can be processed without it.",
        ) from error
    except Exception as error:  # noqa: BLE001 - sounddevice starts PortAudio when imported; its own error is not there yet
        raise DeviceError(f"Sound cannot be recorded: {one_line(str(error))}.", _NO_DEVICE) from error
    return sounddevice


def find_inputs(view: View | None) -> list[Input]:
    """Everything that can be recorded here.

    Args:
        view: What the sound server offers; None without one.

    Raises:
        DeviceError: PortAudio is not installed, or does not start.
    """
    audio = portaudio()
    apis = [str(api["name"]) for api in audio.query_hostapis()]
    found = [(number, info) for number, info in enumerate(audio.query_devices()) if info["max_input_channels"] > 0]
    bridge = next((number for number, info in found if info["name"] == _BRIDGE), None)
    if view is not None and bridge is None:
        _log.warning("ALSA has no device %s: the sound server's sources cannot be opened", _BRIDGE)
    pulse = [_pulse_input(each, bridge, view) for each in view.sources] if view and bridge is not None else []
    default = audio.default.device[0]
    own = [
        Input(
            Device(
                name=one_line(info["name"]),
                description=one_line(info["name"]),
                kind="microphone",
                via=apis[info["hostapi"]],
                channels=int(info["max_input_channels"]),
                rate=int(info["default_samplerate"]),
                default=number == default and not pulse,
            ),
            number,
        )
        for number, info in found
        # Beside PulseAudio only hardware is of interest; ALSA's other names are ways to the same sources.
        if not pulse or "(hw:" in info["name"]
    ]
    return pulse + own


def _pulse_input(source: PulseSource, bridge: int, view: View) -> Input:
    device = Device(
        name=one_line(source.name),
        description=source.description,
        kind="monitor" if source.monitor_of else "microphone",
        via="PulseAudio",
        channels=source.channels,
        rate=source.rate,
        # PulseAudio's own variable comes before the server's default, as in every other client.
        default=source.name == (os.environ.get(PULSE_SOURCE) or view.default_source),
        system=source == view.system,
    )
    return Input(device, bridge, source.name)


def choose(source: str, inputs: Sequence[Input]) -> Input:
    """The input that `source` means.

    `mic` is the default one, `system` the monitor of the loudspeakers in use, else it is a name or description, or a
    part of one.

    Raises:
        DeviceError: None fits, or more than one; the hint lists what exists.
    """
    if source == "mic":
        found = [each for each in inputs if each.device.default]
        if not found:
            raise DeviceError("This machine has no microphone that is in use by default.", _existing(inputs))
        return found[0]
    if source == SYSTEM:
        found = [each for each in inputs if each.device.system]
        if not found:
            raise DeviceError("What the loudspeakers play cannot be recorded here.", _no_system(inputs))
        return found[0]
    wanted = source.casefold()
    names = [(each, each.device.name.casefold(), each.device.description.casefold()) for each in inputs]
    found = [each for each, *known in names if wanted in known]
    found = found or [each for each, *known in names if any(wanted in name for name in known)]
    if not found:
        raise DeviceError(f"There is no device “{one_line(source)}”.", _existing(inputs))
    if len(found) > 1:
        raise DeviceError(
            f"“{one_line(source)}” fits more than one device.", f"Give more of the name. {_existing(found)}"
        )
    return found[0]


def _no_system(inputs: Sequence[Input]) -> str:
    if any(each.pulse_source for each in inputs):
        return f"The sound server has no loudspeakers in use. {_existing(inputs)}"
    return (
        "That takes a sound server (PulseAudio or PipeWire). Without one, name a loopback device instead: "
        f"BlackHole on macOS, VB-Cable or “Stereo Mix” on Windows. {_existing(inputs)}"
    )


def _existing(inputs: Sequence[Input]) -> str:
    if not inputs:
        return f"There is no device at all. {_NO_DEVICE}"
    return f"There are: {', '.join(_described(each.device) for each in inputs)}."


def _described(device: Device) -> str:
    return device.name if device.description == device.name else f"{device.name} ({device.description})"


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s devices %(levelname)s %(message)s")
    # Native libraries print on fd 1, too: the answer goes where fd 1 pointed, everything else to the log.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        server = connect()
        found = find_inputs(view_of(server))
        reply: dict[str, Any] = {"devices": [asdict(each.device) for each in found]}
    except SottoError as error:
        reply = {"error": error.to_dict()}
    with open(answer, "w", encoding="utf-8") as out:
        json.dump(reply, out, ensure_ascii=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
