"""`sotto process FILE...`: transcripts and summaries of files, one after another."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from services.errors import CancelledError
from services.text import one_line
from tui.cli.output import say
from tui.cli.work import Work, settings_for


def run(arguments: Namespace) -> int:
    """A file that fails does not stop the others; the code is 1 then."""
    work = Work(settings_for(arguments), arguments.json)
    work.check(map(Path, arguments.files))
    failed = False
    for number, name in enumerate(arguments.files):
        if len(arguments.files) > 1 and not arguments.json:
            say(f"{'' if number == 0 else chr(10)}== {one_line(name)}")
        outcome = work.process(Path(name))
        failed |= not outcome.ok
        if any(isinstance(error, CancelledError) for error in outcome.errors):
            break
    return int(failed)
