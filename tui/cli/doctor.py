"""`sotto doctor`: what works on this machine, what is missing and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from services import __version__, paths, settings
from services.errors import SottoError, UsageError
from services.memory import probe
from services.models.catalogue import EngineSpec, engines
from services.plans import Written, obstacles, plan_of
from services.recording.client import attach, list_devices
from services.recording.messages import SYSTEM, Device
from services.text import clock, one_line
from tui.cli.output import say, say_json

Verdict = Literal["ok", "note", "missing", "wrong"]

_LOW_DISK_GB = 1.0
"""An hour of recording on two channels takes 0.23 GB before it is packed."""

_LOW_MEMORY_MB = 500.0
"""The built-in engines work in half of this; below it another program will soon be in trouble."""

_NO_DEFAULT = "Choose an input in the sound settings of this machine, or name one: sotto record --source NAME"
_NO_SYSTEM = "That takes PulseAudio or PipeWire; elsewhere name a loopback device: BlackHole, VB-Cable, “Stereo Mix”."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `missing` and `wrong` mean that something a person came for does not work."""

    what: str
    verdict: Verdict
    said: str
    hint: str = ""


def run(arguments: Namespace) -> int:
    # Settings that are wrong are in the way of more than one check.
    findings = list(dict.fromkeys(finding for check in _CHECKS for finding in _safely(check)))
    if arguments.json:
        say_json([asdict(finding) for finding in findings])
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            say(f"{finding.verdict:<7}  {finding.what:<{width}}  {finding.said}")
            if finding.hint:
                say(f"{'':7}  {'':{width}}  {finding.hint}")
    return int(any(finding.verdict in ("missing", "wrong") for finding in findings))


def _safely(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except SottoError as error:
        what = "settings" if isinstance(error, UsageError) else error.title.lower()
        yield Finding(what, "wrong" if isinstance(error, UsageError) else "missing", error.message, error.hint)


def _versions() -> Iterator[Finding]:
    yield Finding("sotto", "ok", f"{__version__}, Python {platform.python_version()}, {platform.system()}")


def _sound() -> Iterator[Finding]:
    devices = list_devices()
    if devices:
        names = ", ".join(device.description for device in devices[:4])
        yield Finding("sound", "ok", f"{len(devices)} input{'s' if len(devices) > 1 else ''}: {names}")
        yield _meant("mic", [device for device in devices if device.default], _NO_DEFAULT)
        yield _meant(SYSTEM, [device for device in devices if device.system], _NO_SYSTEM)
    else:
        yield Finding(
            "sound",
            "missing",
            "no input device",
            "Plug in a microphone or start the sound server. Files can be processed without one.",
        )


def _meant(source: str, devices: Sequence[Device], hint: str) -> Finding:
    if devices:
        return Finding("sound", "ok", f"{source} is {devices[0].description}")
    return Finding("sound", "note", f"{source} is nothing here", hint)


def _recorder() -> Iterator[Finding]:
    client = attach()
    if client is None:
        return
    try:
        status = client.status()
        title = one_line(status.title, 60)
        yield Finding("recorder", "note", f"“{title}” is being recorded, {clock(status.seconds)} so far")
    finally:
        client.close()


def _engines() -> Iterator[Finding]:
    for entry in (*engines("stt"), *engines("summary")):
        what = "speech" if entry.job == "stt" else "summary"
        if entry.installed:
            yield Finding(what, "ok", f"{entry.name} ({entry.licence})")
        else:
            yield Finding(what, "note", f"{entry.name} is not installed", entry.install)


def _models() -> Iterator[Finding]:
    """The chosen ones. What is wrong with the settings is told by `_settings`."""
    plan = plan_of(settings.load())
    missing = obstacles(plan)
    chosen: tuple[tuple[Written, EngineSpec | None], ...] = (
        ("transcript", plan.stt), ("captions", plan.captions), ("summary", plan.summary)
    )  # fmt: skip
    for what, spec in chosen:
        if what in missing:
            yield Finding(what, "missing", missing[what].message, missing[what].hint)
        elif spec is not None:
            yield Finding(what, "ok", spec.label)


def _disk() -> Iterator[Finding]:
    folder = settings.load().folder
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield Finding("recordings", "missing", f"{folder} cannot be written", "Set `folder` in the settings.")
        return
    free = shutil.disk_usage(existing).free / 2**30
    said = f"{folder}, {free:.1f} GB free"
    if free < _LOW_DISK_GB:
        yield Finding("recordings", "missing", said, "Free some space, or set `folder` in the settings.")
    else:
        yield Finding("recordings", "ok", said)


def _memory() -> Iterator[Finding]:
    memory = probe.system()
    limit = ", limited by a container" if memory.container else ""
    said = f"{memory.available:,.0f} MB available of {memory.total:,.0f}{limit}, pressure {memory.pressure().value}"
    if memory.available < _LOW_MEMORY_MB:
        yield Finding("memory", "note", said, "Close something before a long meeting.")
    else:
        yield Finding("memory", "ok", said)
    chosen = settings.load()
    fits = "" if chosen.memory.preset else ", which fits this machine"
    yield Finding("memory", "ok", f"preset {chosen.preset.name}{fits}")


def _terminal() -> Iterator[Finding]:
    if not sys.stdout.isatty():
        return
    size = shutil.get_terminal_size()
    said = f"{os.environ.get('TERM', 'unknown')}, {size.columns}x{size.lines}"
    if size.columns < 60 or size.lines < 20:
        yield Finding("terminal", "note", said, "The app needs 60x20.")
    else:
        yield Finding("terminal", "ok", said)


def _settings() -> Iterator[Finding]:
    chosen = settings.load()
    for problem in chosen.problems:
        yield Finding("settings", "wrong", problem.message, problem.hint)
    plan_of(chosen)  # what is set must exist
    if chosen.problems:
        return
    config = paths.config_file()
    yield Finding("settings", "ok", f"{config}{'' if config.exists() else ' (not there: defaults)'}")


def _logs() -> Iterator[Finding]:
    yield Finding("logs", "ok", str(Path(paths.log_file()).parent))


_CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _versions,
    _sound,
    _recorder,
    _engines,
    _models,
    _disk,
    _memory,
    _terminal,
    _settings,
    _logs,
)
