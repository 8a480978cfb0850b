"""`sotto normalize IN OUT`: any recording as 16 kHz mono, as the speech engines hear it."""

from __future__ import annotations

import math
import os
import threading
from argparse import Namespace
from pathlib import Path

from services.cores import ONE_MATRIX_THREAD
from services.errors import CancelledError
from services.text import clock, one_line
from tui.cli.output import Status, note, say
from tui.cli.signals import interrupted_by


def run(arguments: Namespace) -> int:
    os.environ |= ONE_MATRIX_THREAD
    from services.audio.convert import convert
    from services.audio.vad import RATE

    source, target = Path(arguments.source), Path(arguments.target)
    cancelled = threading.Event()

    def step(done: float, total: float, what: str) -> None:
        if cancelled.is_set():
            raise CancelledError(f"{one_line(target.name)} was not written.", "What was there before is as it was.")
        Status.show(f"{what} {one_line(source.name)}  {clock(done)}" + (f" of {clock(total)}" if total else ""))

    with interrupted_by(cancelled.set):
        result = convert(source, target, step)
    for warning in result.warnings:
        note(f"{one_line(source.name)}: {warning}")
    used = [abs(gain) for gain in result.gains if gain]
    # The gain of a channel is divided by the number of channels that are mixed.
    gain = _decibels(max(used) * len(used)) if result.peak else 0.0
    say(
        f"{one_line(str(target))}  {clock(result.frames / RATE)}  16 kHz mono, "
        + (f"peak was {_decibels(result.peak):.1f} dB, gain {gain:+.1f} dB" if result.peak else "silent")
    )
    return 0


def _decibels(factor: float) -> float:
    return 20 * math.log10(factor)
