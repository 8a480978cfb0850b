"""Running the real command line in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def argv(*arguments: object) -> list[str]:
    return [sys.executable, "-P", "-m", "tui", *map(str, arguments)]


def sotto(*arguments: object) -> Done:
    """Run `sotto` with these arguments, to its end, without a terminal."""
    done = subprocess.run(argv(*arguments), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def start(arguments: Sequence[object]) -> subprocess.Popen[str]:
    """Start `sotto` and leave it running."""
    return subprocess.Popen(
        argv(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
