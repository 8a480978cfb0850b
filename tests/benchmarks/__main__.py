"""All benchmarks, one after another: `make bench`, or `python -m tests.benchmarks [NAME...] [OPTION...]`.

Options go to the benchmark that is named: `python -m tests.benchmarks capture --minutes 60`.
"""

from __future__ import annotations

import subprocess
import sys

ALL = (
    "screen",
    "screens",
    "memory",
    "monitor",
    "wer",
    "summary",
    "capture",
    "archive",
    "captions",
    "normalise",
    "transcription",
    "seams",
    "echo",
)


def main(arguments: list[str]) -> int:
    at = next((at for at, argument in enumerate(arguments) if argument.startswith("-")), len(arguments))
    names, options = arguments[:at], arguments[at:]
    if options and len(names) != 1:
        print("Options are for one benchmark: name it.")
        return 2
    unknown = set(names) - set(ALL)
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(ALL)}.")
        return 2
    failed = []
    for name in names or ALL:
        print(f"\n=== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", *options], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
