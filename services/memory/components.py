"""Which processes make up one sotto, and which part each of them is.

A process is recognised by its command line. What it starts in turn counts to it, unless it is a part of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import psutil

from services.text import one_line
from services.worker.kinds import KINDS

UI = "UI"
RECORDER = "Recorder"
STT = "STT"
LLM = "LLM"
OTHER = "Other"
COMPONENTS = (UI, RECORDER, STT, LLM, OTHER)
"""In the order in which they are shown. `Other` is what else the app started, the archiver for one."""

TOTAL = "Total"
"""Everything that is sotto, as if it were a component."""
SYSTEM = "System"
"""The machine, where an alert is about it."""

Parts = dict[str, tuple[int, ...]]
"""The PIDs of each component; a component without a process is not in it."""

_LOOKING_ON = {"monitor", "report"}
_HOSTS = {kind: {"stt": STT, "llm": LLM}.get(kind, OTHER) for kind in KINDS}


def parts(pid: int) -> Parts:
    """The components of the program whose process is `pid`, with everything that it started.

    This process and any other `sotto` is split into its components; of anything else the whole tree is one component
    that bears the name of the process. Empty when there is no such process.
    """
    kind = _component(command_line(pid))
    if pid != os.getpid() and kind != UI:
        name = kind or _name(pid)
        return {name: tuple(found for found, _ in _walk(pid, name))} if name else {}
    found: dict[str, list[int]] = {}
    for member, component in _walk(pid, UI):
        found.setdefault(component, []).append(member)
    return {name: tuple(found[name]) for name in COMPONENTS if name in found}


def _walk(pid: int, component: str) -> Iterator[tuple[int, str]]:
    """`pid` and its descendants, each with its component: its own, or that of the process that started it."""
    yield pid, component
    ours = component in COMPONENTS
    argv = command_line(pid) if ours else []
    for child in children(pid):
        theirs = command_line(child) if ours else []
        if ours and (not theirs or theirs == argv):
            # Between fork and exec a child is a picture of its parent, whose memory would count twice, and then for a
            # moment it is nothing. We never fork without exec.
            continue
        inherited = OTHER if component == UI else component
        yield from _walk(child, _component(theirs) or inherited)


def detached_recorder(pid: int) -> int | None:
    """The recorder that outlived the app which started it and that the app `pid` now controls: one that no app
    started, with the same runtime folder."""
    for other, argv in _mine():
        if _component(argv) == RECORDER and not _has_app_above(other) and _runtime(other) == _runtime(pid):
            return other
    return None


def is_recorder(pid: int) -> bool:
    """Whether process `pid` is a recorder: the number may belong to another program by now."""
    return pid > 0 and _component(command_line(pid)) == RECORDER


def is_app(pid: int) -> bool:
    """Whether process `pid` is an app or a command of sotto."""
    return pid > 0 and _component(command_line(pid)) == UI


def programs() -> list[int]:
    """The PIDs of this user's running apps, commands, and recorders that no app is there for. Neither this process
    nor any that only looks on (`sotto monitor`, `sotto report`) is among them. Those that have this process's folders
    come first."""
    apps, recorders = [], []
    for pid, argv in _mine():
        kind = _component(argv)
        if kind == RECORDER and not _has_app_above(pid):
            recorders.append(pid)
        elif kind == UI and not _LOOKING_ON & {*_program(argv)[1:2]} and pid != os.getpid():
            apps.append(pid)
    served, here = {_runtime(pid) for pid in apps}, _runtime(os.getpid())
    found = apps + [pid for pid in recorders if _runtime(pid) not in served]
    return sorted(found, key=lambda pid: _runtime(pid) != here)


def command_line(pid: int) -> list[str]:
    """The arguments of process `pid`; empty when it is gone, a zombie or not ours to read."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [os.fsdecode(part) for part in file.read().split(b"\0")[:-1]]
    except OSError:
        try:
            return psutil.Process(pid).cmdline()
        except psutil.Error:
            return []


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that live; empty when it is gone."""
    if not _kernel_lists_children():
        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found.extend(map(int, file.read().split()))
    except OSError:
        # It, or the thread, ended while we looked. What the thread had started is another thread's now, and comes
        # with the next look.
        return found
    return found


@cache
def _kernel_lists_children() -> bool:
    """Linux offers it nearly always (CONFIG_PROC_CHILDREN); a look through all processes costs a hundred times more."""
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _component(argv: Sequence[str]) -> str:
    match _program(argv):
        case ["services.recording.recorder", *_]:
            return RECORDER
        case ["services.worker.host", kind, *_]:
            return _HOSTS.get(kind, OTHER)
        case ["tui" | "tui.__main__" | "sotto", *_]:
            return UI
    return ""


def _program(argv: Sequence[str]) -> list[str]:
    """What a Python runs: its module's name, or its script's without the folder; then the arguments. Empty for
    anything else."""
    if not argv or not os.path.basename(argv[0]).lower().startswith("python"):
        return []
    rest = iter(argv[1:])
    for option in rest:
        if option == "-m":
            return list(rest)
        if option == "-c":
            return []
        if option in ("-X", "-W"):
            next(rest, None)
        elif not option.startswith("-"):
            return [os.path.basename(option), *rest]
    return []


def _mine() -> Iterator[tuple[int, list[str]]]:
    for process in psutil.process_iter(["uids", "cmdline"]):
        if process.info["uids"] and process.info["uids"].real == os.getuid():
            yield process.pid, process.info["cmdline"] or []


def _has_app_above(pid: int) -> bool:
    try:
        return any(_component(command_line(parent.pid)) == UI for parent in psutil.Process(pid).parents())
    except psutil.Error:
        return False


def _runtime(pid: int) -> str:
    """What decides where a program's sockets are (see `services.paths.runtime`)."""
    try:
        variables = os.environ if pid == os.getpid() else psutil.Process(pid).environ()
    except psutil.Error:
        return ""
    return variables.get("SOTTO_HOME") or "XDG_RUNTIME_DIR=" + variables.get("XDG_RUNTIME_DIR", "")


def _name(pid: int) -> str:
    try:
        return one_line(psutil.Process(pid).name(), 30)
    except psutil.Error:
        return ""
