"""How much memory the process of a model may take: told to the kernel, and recognised when the kernel refuses.

The bound inside is for what grows faster than anybody can look: the system refuses the allocation. What a process holds
is watched from outside, by `services.memory.guard`.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

from services.errors import MemoryLimitError, SottoError

_MB = 1024 * 1024

SLACK_MB = 1024.0
"""What a process may reserve beyond its limit. The kernel counts what could be written to, used or not: thread stacks,
the tables of libraries, heaps that are not full. Measured beyond the PSS, on two cores: Moonshine 60 MB, llama.cpp 64,
Vosk 195, faster-whisper 790."""

_TIGHT_MB = 192.0
"""Of the slack, what no engine was seen to come into."""

_SIGNS = (
    "bad_alloc",
    "bad allocation",
    "memoryerror",
    "out of memory",
    "cannot allocate memory",
    "could not allocate",
    "failed to allocate",
    "unable to allocate",
    "insufficient memory",
    "not enough memory",
    "memory allocation",
    "failed to map segment",
)
"""What libraries say when memory was refused: C++, Python, the kernel, CTranslate2, llama.cpp, onnxruntime, numpy,
OpenBLAS, the loader of libraries."""

_THREAD_SIGNS = ("can't start new thread", "resource temporarily unavailable")
"""A thread that has no room for its stack; without a limit it is more likely that there are too many of them."""


def confine(limit_mb: float, pid: int = 0) -> None:
    """Let the system refuse process `pid` what goes beyond a limit, from now on; it can be changed at any time.

    Counts what the process could write to and nobody shares (RLIMIT_DATA in setrlimit(2), from Linux 4.7 on): a mapped
    model does not count. Where there is nothing like it (macOS counts the heap of old only), nothing happens.

    Args:
        limit_mb: In MB; 0: no limit.
        pid: A child; 0: this process.
    """
    if sys.platform == "linux":
        import resource

        with suppress(OSError, ValueError):  # it has ended, or has a harder limit than this one already
            _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
            soft = int((limit_mb + SLACK_MB) * _MB) if limit_mb else hard
            resource.prlimit(pid, resource.RLIMIT_DATA, (soft, hard))


def is_tight(pid: int, limit_mb: float) -> bool:
    """Whether process `pid` is so close to its limit that whatever fails now fails for want of memory.

    Native code seldom says so: it gives a number that means failure, or reads where nothing is.
    """
    if sys.platform != "linux" or not limit_mb:
        return False
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            pages = int(file.read().split()[5])  # what it could write to, with its stack (proc_pid_statm(5))
    except OSError:
        return False
    return pages * os.sysconf("SC_PAGE_SIZE") / _MB > limit_mb + SLACK_MB - _TIGHT_MB


def confined_to() -> float:
    """The limit of this process in MB; 0: none."""
    if sys.platform != "linux":
        return 0.0
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    return max(0.0, soft / _MB - SLACK_MB) if soft != hard and soft != resource.RLIM_INFINITY else 0.0


def says_refused(words: str, limit_mb: float = 0.0) -> bool:
    """Whether the words of a library tell of memory that it did not get; `limit_mb` is what its process may take."""
    said = words.lower()
    return any(sign in said for sign in ((*_SIGNS, *_THREAD_SIGNS) if limit_mb else _SIGNS))


def is_refusal(error: BaseException | None) -> bool:
    """Whether `error`, or what led to it, is memory that was not to be had in this process.

    Our own errors count by what led to them: their words may hold the name of any file.
    """
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if not isinstance(error, SottoError) and says_refused(str(error), confined_to()):
            return True
        error = error.__cause__ or error.__context__
    return False


def refused(limit_mb: float) -> MemoryLimitError:
    """The error for memory that was not to be had.

    Args:
        limit_mb: What the process may take; 0: as much as there is.
    """
    if limit_mb:
        return MemoryLimitError(
            f"The model needs more than the {limit_mb:.0f} MB that it may take.",
            "Choose a smaller model, or allow it more in the settings.",
        )
    return MemoryLimitError("There is not enough memory for the model.", "Choose a smaller model, or close something.")
