"""A pseudo-terminal with the app in it, which answers as a usual terminal does."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
APP = ("-m", "tui")
_LONGEST = 60.0
_SYNC_QUERY = b"\x1b[?2026$p"
_SYNC_ANSWER = b"\x1b[?2026;2$y"


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Screen:
    """A terminal and a Python in it.

    Args:
        columns: Its width.
        rows: Its height.
        environ: Variables of the program, besides ours.
        arguments: Of Python.
        controlling: It is the controlling terminal, as it is for what a shell starts: who hangs up sends a SIGHUP.
    """

    def __init__(
        self,
        columns: int,
        rows: int,
        environ: Mapping[str, str],
        arguments: Sequence[str] = APP,
        controlling: bool = True,
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.attributes = termios.tcgetattr(slave)
        others = ("COLORTERM", "NO_COLOR", "COLUMNS", "LINES")
        inherited = {name: value for name, value in os.environ.items() if name not in others}
        self.seen = b""
        self.begun = time.monotonic()
        self.app = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={**inherited, **environ},
            start_new_session=True,
            preexec_fn=_take_terminal if controlling else None,
        )
        os.close(slave)

    def read(self, seconds: float) -> int:
        """Read for so long; returns the number of bytes that came."""
        until, count = time.monotonic() + seconds, 0
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            try:
                block = os.read(self.master, 65536)
            except OSError:  # nobody has the other end any more
                break
            count += len(block)
            self.seen += block
            if _SYNC_QUERY in block:
                os.write(self.master, _SYNC_ANSWER)
        return count

    def wait_for(self, text: str) -> float:
        """Read until `text` has been drawn; returns the seconds since the start or the last key.

        Raises:
            TimeoutError: It was not drawn within a minute.
        """
        while text.encode() not in self.seen:
            if not self.read(0.005) and time.monotonic() - self.begun > _LONGEST:
                raise TimeoutError(f"{text!r} has not been drawn; the last bytes: {self.seen[-2000:]!r}")
        return time.monotonic() - self.begun

    def press(self, keys: str) -> None:
        self.seen, self.begun = b"", time.monotonic()
        os.write(self.master, keys.encode())

    def settle(self) -> None:
        """Wait until nothing has come for two seconds."""
        while self.read(2.0):
            pass

    def wait(self) -> int:
        """Read until the program has ended; returns its exit code."""
        while self.app.poll() is None:
            self.read(0.05)
        self.read(0.05)
        return self.app.returncode

    def hang_up(self) -> None:
        """Break the line."""
        os.close(self.master)
        self.master = os.open(os.devnull, os.O_RDONLY)

    def close(self) -> None:
        """End the program if it has not ended, and the terminal."""
        if self.app.poll() is None:
            self.app.send_signal(signal.SIGTERM)
            self.wait()
        os.close(self.master)
