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
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.errors import DeviceError, SottoError
from services.recording.messages import Device
from services.text import one_line

_log = logging.getLogger("sotto.devices")

_BRIDGE = "pulse"
"""The ALSA device behind which PulseAudio is found (package libasound2-plugins)."""

PULSE_SOURCE = "PULSE_SOURCE"
"""The environment variable that names the source which `pulse` opens."""

_DUMMY = "auto_null"
"""PulseAudio's name for the sink, and its monitor, that it makes when there is no sound hardware."""

_PACTL_SECONDS = 10.0
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


def find_inputs() -> list[Input]:
    """Everything that can be recorded here.

    Raises:
        DeviceError: PortAudio is not installed, or does not start.
    """
    audio = portaudio()
    apis = [str(api["name"]) for api in audio.query_hostapis()]
    found = [(number, info) for number, info in enumerate(audio.query_devices()) if info["max_input_channels"] > 0]
    bridge = next((number for number, info in found if info["name"] == _BRIDGE), None)
    pulse = _pulse_inputs(bridge) if bridge is not None else []
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


def _pulse_inputs(bridge: int) -> list[Input]:
    """The sources of the PulseAudio server; none when there is no server, or no `pactl` to ask it with."""
    listing = _pactl("--format=json", "list", "sources")
    if listing is None:
        return []
    # PulseAudio's own variable comes before the server's default, as in every other client.
    default = os.environ.get(PULSE_SOURCE) or (_pactl("get-default-source") or "").strip()
    try:
        sources = [source for source in json.loads(listing) if not source["name"].startswith(_DUMMY)]
        return [_pulse_input(source, bridge, default) for source in sources]
    except (KeyError, TypeError, ValueError, IndexError):
        _log.exception("pactl's list of sources is not understood")
        return []


def _pulse_input(source: dict[str, Any], bridge: int, default: str) -> Input:
    name = str(source["name"])
    _, channels, rate = str(source["sample_specification"]).split()  # "s16le 2ch 48000Hz"
    monitor = bool(source.get("monitor_source")) or name.endswith(".monitor")
    device = Device(
        name=one_line(name),
        description=one_line(str(source["description"])),
        kind="monitor" if monitor else "microphone",
        via="PulseAudio",
        channels=int(channels.removesuffix("ch")),
        rate=int(rate.removesuffix("Hz")),
        default=name == default,
    )
    return Input(device, bridge, name)


def _pactl(*arguments: str) -> str | None:
    program = shutil.which("pactl")
    if program is None:
        return None
    try:
        # In the C locale numbers have a point, which JSON needs; names stay UTF-8.
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PACTL_SECONDS,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("pactl: %s", error)
        return None
    if done.returncode:
        _log.info("pactl: %s", done.stderr.strip())
        return None
    return done.stdout


def choose(source: str, inputs: Sequence[Input]) -> Input:
    """The input that `source` means: `mic` for the default one, else a name or description, or a part of one.

    Raises:
        DeviceError: None fits, or more than one; the hint lists what exists.
    """
    if source == "mic":
        found = [each for each in inputs if each.device.default]
        if not found:
            raise DeviceError("This machine has no microphone that is in use by default.", _existing(inputs))
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
        reply: dict[str, Any] = {"devices": [asdict(each.device) for each in find_inputs()]}
    except SottoError as error:
        reply = {"error": error.to_dict()}
    with open(answer, "w", encoding="utf-8") as out:
        json.dump(reply, out, ensure_ascii=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
