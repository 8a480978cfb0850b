"""`sotto demo`: the sample meeting, played through everything that a real one goes through."""

from __future__ import annotations

import shutil
from argparse import Namespace
from dataclasses import replace

from services import paths, sample
from services.memory.monitor import MemoryMonitor
from services.memory.report import table
from services.plans import request_of
from services.text import clock
from tui.cli import chosen
from tui.cli.output import note, say
from tui.cli.record import record
from tui.cli.work import Work

_SAMPLE_SECONDS = 0.25


def run(arguments: Namespace) -> int:
    """The folder of the last demo is replaced: a demo is no meeting to keep."""
    settings = chosen.load()
    folder = paths.cache() / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    work = Work(settings, as_json=False)
    work.plan = replace(work.plan, folder=folder)
    memory = MemoryMonitor(_SAMPLE_SECONDS)
    memory.start()
    try:
        note(f"Recording the sample meeting, {arguments.speed:g} times as fast as it was held ...")
        request = request_of(settings, (f"file:{sample.MEETING}",), sample.TITLE)
        status = record(replace(request, folder=folder, speed=arguments.speed))
        if status.meeting is None or status.error is not None:
            raise status.error or RuntimeError("a recording without a folder")
        note(f"Recorded {clock(status.seconds)}. Writing it up ...")
        outcome = work.process(status.meeting)
    finally:
        memory.close()
    if memory.latest is not None:
        say(table(memory.latest))
    return int(not outcome.ok)
