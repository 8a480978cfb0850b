"""What commands print: results on stdout, everything about their making on stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from services.errors import SottoError
from services.text import clean, one_line


def fail(error: SottoError) -> int:
    """Say what went wrong and what to do next; returns the exit code."""
    note(f"{error.title}: {error.message}")
    if error.hint:
        note(f"  {error.hint}")
    return error.exit_code


def note(text: str) -> None:
    """A line on stderr."""
    Status.clear()
    print(clean(text), file=sys.stderr)


def say(text: str = "") -> None:
    """A line on stdout."""
    Status.clear()
    print(clean(text), flush=True)


def say_json(data: Mapping[str, Any] | list[Any]) -> None:
    """One JSON object on one line of stdout."""
    Status.clear()
    print(json.dumps(data, ensure_ascii=False), flush=True)


class Status:
    """One line on stderr that is written over, on a terminal only: scripts and logs get none of it."""

    _shown = ""

    @classmethod
    def show(cls, text: str) -> None:
        line = one_line(text, shutil.get_terminal_size().columns - 1)
        if sys.stderr.isatty() and line != cls._shown:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            cls._shown = line

    @classmethod
    def clear(cls) -> None:
        if cls._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            cls._shown = ""
