"""What the screen costs: time to the first picture, bytes to the terminal, memory of the process tree.

Run: python -m tests.benchmarks.screen

The app runs in a pseudo-terminal that answers as a usual one does. Goals: first picture 0.6 s after the command (warm),
no byte at rest, under 2 KB/s while recording without captions, 70 MB PSS at rest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from services.memory.monitor import look
from tests.functional.pty_screen import ROOT, Screen

_SAMPLE = ROOT / "services" / "sample" / "meeting.opus"
_SCREENS = (("80x24", 80, 24), ("120x40", 120, 40))
_COLOURS = (("256", "xterm-256color"), ("16", "xterm"))
_QUIET_SECONDS = 15.0
_RECORDING_SECONDS = 20.0


@contextmanager
def started(columns: int, rows: int, term: str) -> Iterator[Screen]:
    with tempfile.TemporaryDirectory() as home:
        environ = {
            "TERM": term,
            "SOTTO_HOME": home,
            "SOTTO_RECORDING_SOURCES": f'["file:{_SAMPLE}"]',
            "SOTTO_RECORDING_CAPTIONS": "false",
        }
        screen = Screen(columns, rows, environ)
        try:
            yield screen
        finally:
            screen.close()


def measure(columns: int, rows: int, term: str) -> tuple[float, float, float, float]:
    """Seconds to the first picture, bytes a second at rest and while recording, MB of PSS at rest."""
    with started(columns, rows, term) as screen:
        first = screen.wait_for("Not recording")
        screen.settle()
        at_rest = screen.read(_QUIET_SECONDS) / _QUIET_SECONDS
        memory = look(screen.app.pid).total.usage.pss
        screen.press("r")
        screen.wait_for("REC")
        screen.read(2.0)
        recording = screen.read(_RECORDING_SECONDS) / _RECORDING_SECONDS
        screen.press("r")
        screen.wait_for("Not recording")
    return first, at_rest, recording, memory


def main() -> None:
    with started(80, 24, "xterm-256color") as screen:  # warms the page cache and the bytecode
        screen.wait_for("Not recording")
    print(f"{'screen':<8}{'colours':>8}{'first picture':>15}{'at rest':>12}{'recording':>14}{'PSS at rest':>13}")
    for name, columns, rows in _SCREENS:
        for colours, term in _COLOURS:
            first, rest, recording, memory = measure(columns, rows, term)
            row = f"{name:<8}{colours:>8}{first:>13.2f} s{rest:>8.0f} B/s{recording:>10.0f} B/s{memory:>10.1f} MB"
            print(row, flush=True)


if __name__ == "__main__":
    main()
