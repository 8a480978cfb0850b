"""What commands print: results on stdout, everything about their making on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from services.errors import CancelledError, SottoError, StorageError
from services.text import clean, one_line


class OutputClosedError(CancelledError):
    """Whoever read stdout has gone, as `head` does when it has enough."""


def fail(error: SottoError) -> int:
    """Say what went wrong and what to do next; returns the exit code."""
    note(f"{error.title}: {error.message}")
    if error.hint:
        note(f"  {error.hint}")
    return error.exit_code


def note(text: str) -> None:
    """A line on stderr. When nobody can hear it, it is lost: the work matters more."""
    Status.clear()
    try:
        print(clean(text), file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)


def say(text: str = "") -> None:
    """A line on stdout.

    Raises:
        OutputClosedError: Nobody reads it any more.
        StorageError: It goes to a file, and the disk is full.
    """
    _print(clean(text))


def say_json(data: Mapping[str, Any] | list[Any]) -> None:
    """One JSON object on one line of stdout, in ASCII: so no control character of a name or a text reaches a terminal.

    Raises:
        OutputClosedError, StorageError: Like `say`.
    """
    _print(json.dumps(data))


def _print(line: str) -> None:
    Status.clear()
    try:
        print(line, flush=True)
    except BrokenPipeError as error:
        _silence(sys.stdout)
        raise OutputClosedError("Nobody reads the output any more.") from error
    except OSError as error:
        _silence(sys.stdout)
        raise StorageError(f"The output cannot be written: {error.strerror}.", "Free some space.") from error


def _silence(stream: TextIO) -> None:
    """Lead a stream that broke into nothing: what it still holds would fail again at the end of the program."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


class Status:
    """One line on stderr that is written over, on a terminal only: scripts and logs get none of it."""

    _shown = ""

    @classmethod
    def show(cls, text: str) -> None:
        line = one_line(text, shutil.get_terminal_size().columns - 1)
        if sys.stderr.isatty() and line != cls._shown:
            cls._write(f"\r\x1b[K{line}")
            cls._shown = line

    @classmethod
    def clear(cls) -> None:
        if cls._shown:
            cls._write("\r\x1b[K")
            cls._shown = ""

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            _silence(sys.stderr)  # the terminal is gone
