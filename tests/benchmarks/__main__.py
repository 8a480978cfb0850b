"""All benchmarks, one after another: `make bench`, or `python -m tests.benchmarks NAME...`."""

from __future__ import annotations

import subprocess
import sys

ALL = ("screen", "memory", "wer", "summary")


def main(names: list[str]) -> int:
    unknown = set(names) - set(ALL)
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(ALL)}.")
        return 2
    failed = []
    for name in names or ALL:
        print(f"\n=== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
