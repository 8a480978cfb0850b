"""What screens leave behind that were opened and left again and again, and what a long transcript adds.

    python -m tests.benchmarks screens [--times 50] [--lines 10000]

Each screen is opened in an app that has a process of its own. Goals: no widget is left, and less than 3 MB of memory
that is the app's own (that of a screen whose work is done on threads, whose heaps keep pages: 15 MB); 10,000 lines of a
transcript, read through once, add less than 5 MB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.functional.screen_memory import SCREENS, measured

_MOST_MB = 3.0
_MOST_OF_THREADS = {"memory_details": 15.0}
_MOST_OF_LINES_MB = 5.0
_SECONDS = 1800.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks screens")
    parser.add_argument("--times", type=int, default=50, metavar="N", help="that each screen is opened (default: 50)")
    parser.add_argument("--lines", type=int, default=10_000, metavar="N", help="of the transcript (default: 10000)")
    options = parser.parse_args(arguments)
    met = []
    for screens in SCREENS:
        with tempfile.TemporaryDirectory() as home:
            found = measured(Path(home), "open", str(options.times), *screens, seconds=_SECONDS)
        for action, grown in found.items():
            most = _MOST_OF_THREADS.get(action, _MOST_MB)
            met.append(grown["drawn"] <= 0 and grown["mb"] < most)
            said = f"{action:<16}{options.times} times: {grown['mb']:+6.2f} MB, {max(0, grown['drawn'])} widgets left"
            print(f"{said}   goal {most:.0f} MB, 0 {'met' if met[-1] else 'MISSED'}", flush=True)
    with tempfile.TemporaryDirectory() as home:
        grown = measured(Path(home), "transcript", str(options.lines), seconds=_SECONDS)
    met.append(grown["mb"] < _MOST_OF_LINES_MB)
    said = f"{'transcript':<16}{options.lines} lines: {grown['mb']:+.2f} MB"
    print(f"{said}   goal {_MOST_OF_LINES_MB:.0f} MB {'met' if met[-1] else 'MISSED'}")
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
