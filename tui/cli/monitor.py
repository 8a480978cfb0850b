"""`sotto monitor [PID]`: what a running sotto takes of the memory, from another terminal."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from typing import Any

from services import settings
from services.errors import SottoError
from services.memory.components import programs
from services.memory.monitor import MemoryMonitor, look
from services.memory.published import Published, published
from services.memory.report import alert_lines, table, to_json
from services.memory.snapshot import MemorySnapshot
from services.settings import MemorySettings
from services.text import clean, one_line
from tui.cli.output import say, say_json

_EVERY_SECONDS = 2.0


class NothingRunsError(SottoError):
    title = "Nothing to show"


def run(arguments: Namespace) -> int:
    pid = arguments.pid if arguments.pid is not None else running()
    if arguments.once:
        snapshot = look(pid, rules(pid))
        _show(pid, snapshot, arguments.json, redraw=False)
        return 0
    monitor = MemoryMonitor(_EVERY_SECONDS, pid)
    look(pid)  # says so when there is no such process
    while True:
        monitor.configure(rules(pid))  # they may change while it runs
        snapshot = monitor.sample()
        if not snapshot.components or not snapshot.total.running:
            break
        _show(pid, snapshot, arguments.json, redraw=True)
        time.sleep(_EVERY_SECONDS)
    say(f"Process {pid} has ended.")
    return 0


def running() -> int:
    """The process of the sotto that runs.

    Raises:
        NothingRunsError: None does.
    """
    found = programs()
    if not found:
        raise NothingRunsError("No sotto is running.", "Start one, or give the number of a process.")
    return found[0]


def rules(pid: int) -> MemorySettings:
    """The limits and thresholds by which to look at a process: its own, where it tells them, else this user's.

    Raises:
        SettingsError: These are wrong.
    """
    told = published(pid)
    return told.settings if told is not None else settings.load().memory


def _show(pid: int, snapshot: MemorySnapshot, as_json: bool, redraw: bool) -> None:
    told = published(pid)
    if as_json:
        say_json({"pid": pid} | to_json(snapshot) | {"models": _models(told)})
        return
    lines = [table(snapshot), *_model_lines(told), *alert_lines(snapshot)]
    if redraw:
        _redraw("\n".join(lines))
    else:
        say("\n".join(lines))


def _models(told: Published | None) -> list[dict[str, Any]]:
    found = told.report.get("models") if told is not None else None
    return [model for model in found if isinstance(model, dict)] if isinstance(found, list) else []


def _model_lines(told: Published | None) -> list[str]:
    """What the models are at, where the program tells it."""
    lines = []
    for model in _models(told):
        freed = model.get("freed_mb")
        back = f", gave back {freed:.0f} MB" if freed and model.get("state") == "Unloaded" else ""
        lines.append(
            one_line(f"{str(model.get('model')).upper()}: {model.get('state')} {model.get('engine', '')}{back}")
        )
    return lines


def _redraw(text: str) -> None:
    """On a terminal the table is written over the last one, without flicker; elsewhere one follows the other."""
    if not sys.stdout.isatty():
        say(text)
        return
    width = os.get_terminal_size(sys.stdout.fileno()).columns
    # Home, each line cleared to its end as it is written, then the rest of the screen. A line that is too long would
    # take two, and the table would wander.
    lines = [line[:width] for line in [*clean(text).splitlines(), "", "Ctrl-C ends"]]
    sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
    sys.stdout.flush()
