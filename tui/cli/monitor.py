"""`sotto monitor [PID]`: what a running sotto takes of the memory, from another terminal."""

from __future__ import annotations

import sys
import time
from argparse import Namespace

from services.errors import SottoError
from services.memory.components import programs
from services.memory.monitor import MemoryMonitor, look
from services.memory.report import table, to_json
from tui.cli.output import say, say_json

_EVERY_SECONDS = 2.0


class NothingRunsError(SottoError):
    title = "Nothing to show"


def run(arguments: Namespace) -> int:
    pid = arguments.pid if arguments.pid is not None else _ours()
    if arguments.once:
        snapshot = look(pid)
        if arguments.json:
            say_json({"pid": pid} | to_json(snapshot))
        else:
            say(table(snapshot))
        return 0
    monitor = MemoryMonitor(_EVERY_SECONDS, pid)
    look(pid)  # says so when there is no such process
    while (snapshot := monitor.sample()).components and snapshot.total.running:
        if arguments.json:
            say_json({"pid": pid} | to_json(snapshot))
        else:
            _redraw(table(snapshot))
        time.sleep(_EVERY_SECONDS)
    say(f"Process {pid} has ended.")
    return 0


def _ours() -> int:
    found = programs()
    if not found:
        raise NothingRunsError("No sotto is running.", "Start one, or give the number of a process.")
    return found[0]


def _redraw(text: str) -> None:
    """On a terminal the table is written over the last one, without flicker; elsewhere one follows the other."""
    if not sys.stdout.isatty():
        say(text)
        return
    # Home, each line cleared to its end as it is written, then the rest of the screen.
    body = "".join(f"{line}\x1b[K\n" for line in [*text.splitlines(), "", "Ctrl-C ends"])
    sys.stdout.write(f"\x1b[H{body}\x1b[J")
    sys.stdout.flush()
