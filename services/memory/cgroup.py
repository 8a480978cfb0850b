"""The memory limit of the container or service that we run in (control groups, version 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ContainerMemory:
    """What a control group allows and what is taken of it, in MB (2**20 bytes).

    Attributes:
        limit: The most that the group may hold.
        used: What it holds and cannot simply drop: its usage without the inactive page cache, which the kernel gives
            up before the limit hurts.
    """

    limit: float
    used: float

    @property
    def available(self) -> float:
        return max(0.0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class _Files:
    """The names of one version's files, below a group's folder."""

    limit: str
    usage: str
    inactive: str


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


@cache
def groups(proc: Path = Path("/proc/self")) -> tuple[tuple[Path, _Files], ...]:
    """The folders of our control group and of those around it that can have a limit, the innermost first.

    A container often sees its own group as the root of the mount while its path still names the host's: then of that
    path only the mount itself is there.
    """
    try:
        mounts = [line.split() for line in (proc / "mountinfo").read_text().splitlines()]
        paths = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines()]
    except OSError:
        return ()
    found: list[tuple[Path, _Files]] = []
    for _, controllers, path in (entry for entry in paths if len(entry) == 3):
        if not controllers:
            files, wanted = _VERSION_2, None
        elif "memory" in controllers.split(","):
            files, wanted = _VERSION_1, "memory"
        else:
            continue
        for mount in _mount_points(mounts, wanted):
            inner = mount / path.lstrip("/")
            chain = [inner, *(up for up in inner.parents if up.is_relative_to(mount))]
            found.extend((group, files) for group in chain if (group / files.limit).exists())
    return tuple(found)


def _mount_points(mounts: list[list[str]], controller: str | None) -> Iterator[Path]:
    """Mount points of version 1's `controller`, or of version 2 when it is None (see proc_pid_mountinfo(5))."""
    for fields in mounts:
        if "-" not in fields:
            continue
        kind, _source, options = fields[fields.index("-") + 1 :][:3]
        if kind == "cgroup2" if controller is None else kind == "cgroup" and controller in options.split(","):
            yield Path(fields[4])


def container(total_mb: float, proc: Path = Path("/proc/self")) -> ContainerMemory | None:
    """The group around us that leaves the least; None when none has a limit below the machine's `total_mb`."""
    tightest: ContainerMemory | None = None
    for folder, files in groups(proc):
        here = _read(folder, files)
        if here is not None and here.limit < total_mb and (tightest is None or here.available < tightest.available):
            tightest = here
    return tightest


def _read(folder: Path, files: _Files) -> ContainerMemory | None:
    try:
        limit = (folder / files.limit).read_text().strip()
        if limit == "max":
            return None
        used = int((folder / files.usage).read_text())
        stat = dict(line.split(None, 1) for line in (folder / "memory.stat").read_text().splitlines())
        return ContainerMemory(int(limit) / _MB, max(0, used - int(stat.get(files.inactive, 0))) / _MB)
    except (OSError, ValueError):
        # The group went away, or the kernel writes what we do not know: then it limits nothing that we can tell.
        return None
