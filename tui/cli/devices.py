"""`sotto devices`: what can be recorded."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from services.errors import DeviceError
from services.recording.client import list_devices
from services.recording.messages import SYSTEM
from tui.cli.output import say, say_json


def run(arguments: Namespace) -> int:
    devices = list_devices()
    if arguments.json:
        say_json([asdict(device) for device in devices])
        return 0
    if not devices:
        raise DeviceError(
            "This machine has no input device.",
            "Plug in a microphone or start the sound server; `sotto doctor` tells more.",
        )
    width = max(len(device.name) for device in devices)
    for device in devices:
        means = " ".join(name for name, meant in (("mic", device.default), (SYSTEM, device.system)) if meant)
        known_as = "" if device.description == device.name else device.description
        say(f"{means:<6}  {device.name:<{width}}  {device.kind:<10}  {device.via}  {known_as}".rstrip())
    say("\nA part of a name is enough: sotto record --source NAME")
    return 0
