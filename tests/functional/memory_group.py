"""A control group of the test's own with a limit on memory, where the machine lets the test make one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_MB = 2**20
_ROOT = Path("/sys/fs/cgroup")
_HOLDER = (
    "import sys, time; held = bytearray(b'x') * (int(sys.argv[1]) * 2**20); print('held', flush=True); time.sleep(3600)"
)


class MemoryGroup:
    """Processes that have so much memory together.

    Args:
        folder: The group, which exists and is empty.
        limit_mb: The limit.
    """

    def __init__(self, folder: Path, limit_mb: int) -> None:
        self._folder = folder
        self._limit = next(
            folder / name for name in ("memory.limit_in_bytes", "memory.max") if (folder / name).exists()
        )
        self._limit.write_text(str(limit_mb * _MB))

    def command(self, *words: str) -> list[str]:
        """What runs Python with these words inside the group."""
        join = f'echo $$ > {self._folder / "cgroup.procs"} && exec "$@"'
        return ["sh", "-c", join, "sh", sys.executable, *words]

    @contextlib.contextmanager
    def holding(self, mb: int) -> Iterator[None]:
        """Have so much memory taken by somebody else in the group."""
        with subprocess.Popen(self.command("-c", _HOLDER, str(mb)), stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            try:
                yield
            finally:
                holder.kill()


@contextlib.contextmanager
def memory_group(limit_mb: int) -> Iterator[MemoryGroup]:
    """A group with a limit; skips the test where none can be made."""
    for parent in (_ROOT / "memory", _ROOT):  # version 1, version 2
        folder = parent / f"sotto-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if any((folder / name).exists() for name in ("memory.limit_in_bytes", "memory.max")):
                yield MemoryGroup(folder, limit_mb)
                return
        finally:
            folder.rmdir()
    pytest.skip("no control group can be made here")
