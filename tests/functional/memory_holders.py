"""Real processes that hold memory, under the names that our own bear. For tests of the memory monitor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLD = """
import os, sys
block = bytearray({mb} << 20)
block[::4096] = b"x" * len(block[::4096])
print("ready", os.getpid(), flush=True)
sys.stdin.read()
"""
"""Holds so many MB until its standard input is closed."""

_STARTER = """
import os, subprocess, sys
python, hold = sys.executable, {hold!r}
children = []
for arguments in {children!r}:
    child = subprocess.Popen([python, *arguments], stdin={stdin}, stdout=subprocess.PIPE, text=True)
    children.append((child, int(child.stdout.readline().split()[1])))
print("ready", os.getpid(), *(pid for _, pid in children), flush=True)
{then}
"""
_WAIT = "sys.stdin.read()\nfor child, _ in children:\n    child.stdin.close()\n    child.wait()\n"
_LEAVE = "os._exit(0)\n"


@contextmanager
def holder(mb: int) -> Iterator[subprocess.Popen[str]]:
    """A process that holds `mb` MB of its own; it has ended when the block is left."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", HOLD.format(mb=mb)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        yield process
        assert process.stdin is not None
        process.stdin.close()


FORK = """
import os, sys
child = os.fork()
if child:
    print("ready", os.getpid(), child, flush=True)
sys.stdin.read()
if child:
    os.waitpid(child, 0)
"""
"""Two processes with one command line."""


def write_modules(folder: Path, modules: dict[str, int]) -> Path:
    """Packages in which the modules named hold so many MB: `python -m NAME` then has the command line of ours."""
    for name, mb in modules.items():
        file = folder.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        for package in file.parents:
            if package == folder:
                break
            (package / "__init__.py").touch()
        file.write_text(HOLD.format(mb=mb))
    return folder


@contextmanager
def program(
    folder: Path,
    children: list[list[str]],
    *,
    home: Path,
    leave: bool = False,
    name: str = "sotto",
    arguments: tuple[str, ...] = (),
) -> Iterator[list[int]]:
    """A script `name` that starts Pythons with `children` as their arguments. Gives all PIDs, the script's first.

    With `leave` it ends at once; its children live on until the block is left.
    """
    then = _LEAVE if leave else _WAIT
    text = _STARTER.format(hold=HOLD, children=children, then=then, stdin=None if leave else -1)
    with run_script(folder / name, text, *arguments, PYTHONPATH=str(folder), SOTTO_HOME=str(home)) as (process, pids):
        if leave:
            process.wait()
        yield pids


@contextmanager
def run_script(
    script: Path, text: str, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Run `text` as the Python script `script`. Gives it and the PIDs that it prints after a first word; its standard
    input is closed at the end of the block."""
    script.write_text(text)
    with subprocess.Popen(
        [sys.executable, str(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process, [int(word) for word in process.stdout.readline().split()[1:]]
        process.stdin.close()
