"""A terminal of the app's own, so that nothing but the app draws on it.

Native libraries and child processes write to file descriptors 1 and 2, which is where Textual draws, too. `prepare`
gives Textual a private copy and sends 1 and 2 to the log. It has to run before textual is imported: textual reads its
environment and takes hold of the standard streams at import.
"""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType

from services import paths
from services.errors import UsageError
from services.text import clean

_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
_PATIENCE_SECONDS = 2.0
"""So long a terminal that takes nothing may hold up the end."""

TRUE_COLOURS = 1 << 24


class PrivateScreen(io.TextIOBase):
    """The terminal as a file that never fails and can be given up.

    Textual writes from a thread and waits for that thread when 30 frames are due. A terminal that stands still (a
    dead line) would so hold the event loop for ever, signals and all; a terminal that is gone would end the thread,
    with the same effect. Here a write waits for the terminal or for `give_up`, whichever comes first.

    Args:
        fd: Descriptor of the terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = _own_description(fd)
        self._wake_read, self._wake_write = os.pipe()
        self._given_up = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        data = memoryview(text.encode("utf-8", "replace"))
        while data and not self._given_up:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                select.select([self._wake_read], [self._fd], [])
            except OSError:
                self._given_up = True
        return len(text)

    def give_up(self) -> None:
        """Whatever is still written goes nowhere. May be called from any thread."""
        self._given_up = True
        os.write(self._wake_write, b"x")

    def close(self) -> None:
        if not self.closed:
            super().close()
            for fd in (self._fd, self._wake_read, self._wake_write):
                os.close(fd)


def _own_description(fd: int) -> int:
    """The terminal behind `fd`, opened anew, so that not to wait is a property of ours and not of the shell's, too.

    Where it cannot be opened by its name (a container may not see it), the descriptor is duplicated, and waits.
    """
    try:
        return os.open(os.ttyname(fd), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return os.dup(fd)


class Terminal:
    """What was changed about the process, and what it takes to undo it.

    Args:
        screen: Descriptor of the terminal.
        log: Descriptor that takes what is written to 1 and 2 from now on.
    """

    def __init__(self, screen: int, log: int) -> None:
        self._saved = (os.dup(1), os.dup(2))
        self._streams = (sys.__stdout__, sys.__stderr__)
        self._handlers: dict[int, object] = {}
        self.screen = PrivateScreen(screen)
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(log, 1)
        os.dup2(log, 2)
        # Textual draws on __stderr__ and asks __stdout__ for the size.
        sys.__stdout__ = sys.__stderr__ = self.screen  # type: ignore[misc, assignment]

    def watch(self, leave: Callable[[int], None]) -> None:
        """Call `leave` in the running event loop when a signal asks us to go.

        Handlers of the event loop would not be called while the loop waits for the terminal; these are.
        """
        loop = asyncio.get_running_loop()

        def receive(number: int, _: FrameType | None) -> None:
            if number == signal.SIGHUP:
                self.screen.give_up()
            impatience = threading.Timer(_PATIENCE_SECONDS, self.screen.give_up)
            impatience.daemon = True
            impatience.start()
            loop.call_soon_threadsafe(leave, number)

        for number in _SIGNALS:
            self._handlers[number] = signal.signal(number, receive)

    def gone(self) -> bool:
        """Whether the line is broken. Without a controlling terminal no signal tells."""
        poll = select.poll()
        poll.register(0, 0)
        if not poll.poll(0):
            return False
        self.screen.give_up()
        return True

    def unwatch(self) -> None:
        """Signals do again what they did before."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._handlers.clear()

    def restore(self, farewell: str = "") -> None:
        """Give descriptors 1 and 2 back, and say a last line on the terminal."""
        sys.stdout.flush()
        sys.stderr.flush()
        sys.__stdout__, sys.__stderr__ = self._streams  # type: ignore[misc]
        for fd, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, fd)
            os.close(saved)
        if farewell:
            self.screen.write(f"{clean(farewell)}\n")
        # A timer of `watch` may still want to give the screen up: it is not closed before the process ends.


_terminal: Terminal | None = None


def prepare() -> None:
    """Take the terminal. Call it once, before textual is imported; `restore` undoes it.

    Raises:
        UsageError: There is no terminal.
        StorageError: The log's folder cannot be made.
    """
    global _terminal
    # Imports and the first picture make many objects and no garbage: looking for some takes a tenth of the start.
    gc.disable()
    if "textual" in sys.modules:
        raise RuntimeError("textual was imported before the terminal was prepared")
    screen = next((fd for fd in (2, 1, 0) if os.isatty(fd)), None)
    if screen is None or not os.isatty(0):
        raise UsageError("The app needs a terminal.", "Without one, try `sotto demo` or `sotto process FILE`.")
    _set_environment(colours(screen, os.environ))
    log = os.open(paths.log_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _terminal = Terminal(screen, log)
    os.close(log)


def painted() -> None:
    """The first picture is on the screen: garbage is collected again, what was made until now not counted."""
    if _terminal is not None:
        gc.freeze()
        gc.enable()


def watch_signals(leave: Callable[[int], None]) -> None:
    """Call `leave` with the number of a SIGHUP, SIGTERM or SIGINT. Needs a running event loop.

    Nothing happens where `prepare` has not run: under a test runner signals are not ours.
    """
    if _terminal is not None:
        _terminal.watch(leave)


def gone() -> bool:
    """Whether there was a terminal and it is not there any more."""
    return _terminal is not None and _terminal.gone()


def unwatch_signals() -> None:
    """The event loop has ended: signals do again what they did before."""
    if _terminal is not None:
        _terminal.unwatch()


def restore(farewell: str = "") -> None:
    """Give the terminal back; nothing happens where `prepare` has not run."""
    global _terminal
    if _terminal is not None:
        _terminal.restore(farewell)
        _terminal = None


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
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    os.environ.setdefault("TEXTUAL_FPS", "30")
