"""Processor cores, and how libraries that compute on several of them are to wait."""

from __future__ import annotations

import os

ONE_MATRIX_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Of the environment, before numpy is imported. Its matrix library keeps threads spinning between the small products
that our front end makes: a seventh of the processor time of `sotto normalize`."""


def cores() -> int:
    """Physical processor cores that this process may use: what arithmetic can keep busy."""
    import psutil  # here, since commands that ask for no cores are not to pay for it

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or 1, allowed or 1))


def wait_asleep() -> None:
    """Let the threads of OpenMP libraries that are imported from now on sleep while they wait for each other.

    Where they spin and somebody else needs a core, most of the time is spent spinning (llama.cpp on two cores, one of
    them busy: 1 token a second instead of 64).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
