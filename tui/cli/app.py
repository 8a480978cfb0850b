"""`sotto`: the app."""

from __future__ import annotations

import sys
from argparse import Namespace

from services import settings
from services.errors import UsageError


def run(arguments: Namespace) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("The app needs a terminal.", "Without one, try `sotto demo` or `sotto process FILE`.")
    # What is wrong in config.toml is told on the screen.
    chosen = settings.load({"memory": {"preset": arguments.preset}} if arguments.preset else None)
    # First the private terminal, then textual: it takes hold of the terminal when it is imported.
    from tui import terminal

    terminal.prepare()
    try:
        from tui.app import run as run_app

        return run_app(chosen)
    finally:
        terminal.restore()  # whatever happened: what is said next is for the person
