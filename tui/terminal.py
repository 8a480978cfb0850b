"""A terminal of the app's own, so that nothing but the app draws on it.

Native libraries and child processes write to file descriptors 1 and 2, which is where Textual draws, too. `prepare`
gives Textual a private copy and sends 1 and 2 to the log. It has to run before textual is imported: textual reads its
environment and takes hold of the standard streams at import.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from services import paths
from services.errors import UsageError
from services.text import clean

_MAX_LOG_BYTES = 2_000_000
_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)

TRUE_COLOURS = 1 << 24


class Terminal:
    """The private copy, and what it takes to undo it.

    Args:
        screen: Descriptor of the terminal. It is duplicated; the copy is not inherited by children.
        log: Descriptor that takes what is written to 1 and 2 from now on.
    """

    def __init__(self, screen: int, log: int) -> None:
        self._saved = (os.dup(1), os.dup(2))
        self._streams = (sys.__stdout__, sys.__stderr__)
        private = open(os.dup(screen), "w", encoding="utf-8", errors="replace")  # noqa: SIM115
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(log, 1)
        os.dup2(log, 2)
        # Textual draws on __stderr__ and asks __stdout__ for the size.
        sys.__stdout__ = sys.__stderr__ = private  # type: ignore[misc]
        self._private: TextIO = private

    def hang_up(self) -> None:
        """The line is gone: whatever is still drawn goes nowhere, instead of failing or waiting for ever."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, self._private.fileno(), inheritable=False)
        for fd in self._saved:
            os.dup2(nowhere, fd, inheritable=False)
        os.close(nowhere)

    def restore(self, farewell: str = "") -> None:
        """Give descriptors 1 and 2 back, and say a last line on the terminal."""
        sys.stdout.flush()
        sys.stderr.flush()
        sys.__stdout__, sys.__stderr__ = self._streams  # type: ignore[misc]
        for fd, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, fd)
            os.close(saved)
        if farewell:
            self._private.write(f"{clean(farewell)}\n")
        self._private.close()


_terminal: Terminal | None = None


def prepare() -> None:
    """Take the terminal. Call it once, before textual is imported; `restore` undoes it.

    Raises:
        UsageError: There is no terminal.
        StorageError: The log's folder cannot be made.
    """
    global _terminal
    if "textual" in sys.modules:
        raise RuntimeError("textual was imported before the terminal was prepared")
    screen = next((fd for fd in (2, 1, 0) if os.isatty(fd)), None)
    if screen is None or not os.isatty(0):
        raise UsageError("The app needs a terminal.", "Without one, try `sotto demo` or `sotto process FILE`.")
    _set_environment(colours(screen, os.environ))
    log = _open_log()
    _terminal = Terminal(screen, log)
    os.close(log)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def restore(farewell: str = "") -> None:
    """Give the terminal back; nothing happens where `prepare` has not run."""
    global _terminal
    if _terminal is not None:
        _terminal.restore(farewell)
        _terminal = None


def watch_signals(leave: Callable[[int], None]) -> None:
    """Call `leave` with the signal's number on SIGHUP, SIGTERM and SIGINT. Needs a running event loop.

    Nothing happens where `prepare` has not run: under a test runner signals are not ours.
    """
    terminal = _terminal
    if terminal is None:
        return

    def receive(number: int) -> None:
        if number == signal.SIGHUP:
            terminal.hang_up()
        leave(number)

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, receive, int(number))


def colours(screen: int, environ: Mapping[str, str]) -> int:
    """How many colours the terminal shows, as far as it tells: 8, 16, 256 or `TRUE_COLOURS`."""
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return TRUE_COLOURS
    term = environ.get("TERM", "")
    try:
        import curses

        curses.setupterm(term, screen)
        told = curses.tigetnum("colors")
    except (ImportError, OSError) as error:
        logging.getLogger(__name__).info("no terminfo: %s", error)
        told = -1
    except curses.error:  # an unknown terminal
        told = -1
    if told >= TRUE_COLOURS:
        return TRUE_COLOURS
    return max(told, 256 if "256" in term else 16)


def _set_environment(count: int) -> None:
    """What textual reads at import. A value that the user has set stays."""
    system = "truecolor" if count >= TRUE_COLOURS else "256" if count >= 256 else "standard"
    os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", system)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    os.environ.setdefault("TEXTUAL_FPS", "30")


def _open_log() -> int:
    path = paths.log_file()
    if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
        os.replace(path, path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
