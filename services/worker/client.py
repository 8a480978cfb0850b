"""The app's side of a worker: start, call, stream, end. Owned by one service thread; others may ask for its memory."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services import paths
from services.childlog import ChildLog
from services.cores import ONE_MATRIX_THREAD
from services.errors import (
    CancelledError,
    MemoryLimitError,
    ModelError,
    SottoError,
    WorkerDiedError,
    WorkerError,
    WorkerKilledError,
    WorkerStalledError,
)
from services.memory.limits import confine, is_tight, refused, says_refused
from services.memory.probe import usage
from services.memory.usage import MemoryUsage
from services.worker import protocol
from services.worker.handler import Json
from services.worker.kinds import KINDS
from services.worker.patience import Patience
from services.worker.process import make_expendable

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 3.0
_CANCEL_SECONDS = 15.0
"""A cancelled call that has not ended by then is ended with its process: somebody waits for it."""

# Linux sends the parent-death signal when the *thread* that started a child ends. So one thread starts them all,
# and lives as long as the program.
_SPAWNER = ThreadPoolExecutor(1, "spawner")


def _ignore_item(_: Json) -> None:
    """For calls that stream nothing."""


def _ignore_progress(_done: float, _total: float, _what: str) -> None:
    """For calls whose progress nobody watches."""


class Worker:
    """A child process of one kind. Started on construction; `close` returns when it is gone.

    Args:
        kind: What it is for: a key of `services.worker.kinds.KINDS`, unless `module` is given.
        log: File for what the child prints (native libraries print a lot); by default the log of its kind.
        module: The module that serves its calls.
        limit_mb: What the child may take before the system refuses it more (`services.memory.limits`); 0: no limit.

    Raises:
        WorkerError: The child did not come up, or is of another version.
        MemoryLimitError: There was not enough memory for it to come up.
        StorageError: Its log cannot be written.
        OSError: The system starts no more processes.
    """

    def __init__(self, kind: str, log: Path | None = None, module: str = "", limit_mb: float = 0.0) -> None:
        self.kind = kind
        self._limit_mb = limit_mb
        self._ended_for: SottoError | None = None
        self._tight = False
        self._log = ChildLog(log or paths.log_file(kind))
        self._numbers = itertools.count(1)
        self._answered = True
        ours, theirs = socket.socketpair()
        with ours, theirs, self._log.opened() as output:
            fd = str(theirs.fileno())
            self._process = _SPAWNER.submit(
                subprocess.Popen,
                [sys.executable, "-P", "-m", "services.worker.host", kind, module or KINDS[kind], fd, str(limit_mb)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env=os.environ | ONE_MATRIX_THREAD,  # the models have libraries of their own
            ).result()
            self._channel = protocol.Channel(ours.dup())
        make_expendable(self.pid)
        try:
            self._greet()
        except SottoError:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def idle(self) -> bool:
        """False while a call is unanswered, also one that its caller has given up."""
        return self._answered

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def memory(self) -> MemoryUsage:
        """What the child holds now; nothing when it is gone."""
        return usage(self.pid) if self.alive else MemoryUsage()

    def confine(self, limit_mb: float) -> None:
        """Let the system refuse the child what goes beyond another limit from now on; 0: no limit."""
        self._limit_mb = limit_mb
        confine(limit_mb, self.pid)

    def end(self, why: SottoError) -> None:
        """End the child at once, from any thread: the call at work, and any that comes later, raises `why`."""
        self._ended_for = why
        self._process.kill()

    def call(
        self,
        method: str,
        args: Json | None = None,
        *,
        on_item: Callable[[Json], None] = _ignore_item,
        on_progress: Callable[[float, float, str], None] = _ignore_progress,
        step_work: float = 0.0,
        cancel: threading.Event | None = None,
    ) -> Json:
        """Run `method` in the child and wait for its result.

        Args:
            method: Name of the method.
            args: Plain data.
            on_item: Takes each piece of the result as it comes, on this thread.
            on_progress: Takes (done, total, what), on this thread.
            step_work: Seconds that one step may honestly take on a slow machine, beyond the usual allowance.
            cancel: Set it, from any thread, to ask the call to end; it is seen within half a second.

        Raises:
            CancelledError: `cancel` was set. Where the child did not heed it within `_CANCEL_SECONDS`, it has been
                killed.
            WorkerDiedError: The child ended; the message has the signal and its last words.
            MemoryLimitError: It ended because memory was refused; likewise.
            WorkerStalledError: It stood still (see `Patience`); it has been killed.
            SottoError: Whatever the method raised, or what `end` was given.
        """
        number = next(self._numbers)
        self._answered = False
        self._send({"id": number, "call": method, "args": args or {}})
        patience = Patience(self.pid, step_work)
        asked_at: float | None = None
        while True:
            if cancel is not None and cancel.is_set():
                asked_at = self._ask_to_end(number, asked_at)
            frame = self._receive(patience)
            if frame is None or frame.get("id") != number:
                continue  # nothing yet, or the last words of a call that was given up
            patience.renew()
            if "item" in frame:
                on_item(frame["item"])
            elif "progress" in frame:
                on_progress(*frame["progress"])
            elif "error" in frame:
                self._answered = True
                raise self._told(SottoError.from_dict(frame["error"]))
            else:
                self._answered = True
                return dict(frame["result"])

    def _ask_to_end(self, number: int, asked_at: float | None) -> float:
        """Ask call `number` to end, once, and end the child when it does not; returns when it was asked."""
        if asked_at is None:
            self._send({"cancel": number})
            return time.monotonic()
        if time.monotonic() - asked_at > _CANCEL_SECONDS:
            self.kill()
            raise CancelledError("It was cancelled.")
        return asked_at

    def _send(self, frame: Json) -> None:
        try:
            self._channel.send(frame)
        except OSError as error:
            raise self.fate() from error

    def _told(self, error: SottoError) -> SottoError:
        """The child's error; one that came of a lack of memory, as such."""
        failed = isinstance(error, ModelError | WorkerError) and not isinstance(error, CancelledError)
        return refused(self._limit_mb) if failed and self._tight else error

    def _receive(self, patience: Patience) -> Json | None:
        """The next frame; None when none has come for a moment."""
        self._tight = self._tight or is_tight(self.pid, self._limit_mb)
        try:
            frame = self._channel.receive(_POLL_SECONDS)
        except TimeoutError:
            if not patience.exhausted():
                return None
            self.kill()
            raise WorkerStalledError(
                f"The {self.kind} process stood still for {patience.waited:.0f} s and was ended.",
                "Try again; what is on disk is kept.",
            ) from None
        if frame is None:
            raise self.fate()
        return frame

    def close(self) -> None:
        """End the child and wait until it is gone: closing the socket asks, SIGKILL insists."""
        self._channel.close()
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the child without asking. Returns when it has been reaped."""
        if self.alive:
            self._process.kill()
        self._process.wait()
        self._channel.close()

    def fate(self) -> SottoError:
        """Why the child has ended, as an error. One that lives on a moment later is ended."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        self.kill()
        if self._ended_for is not None:
            return self._ended_for
        code = self._process.returncode
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
        hint = self._log.hint()
        if code == -signal.SIGKILL:
            return WorkerKilledError(
                f"The {self.kind} process {how}: the system may have been out of memory.",
                f"Choose a smaller model, or close something. {hint}",
            )
        if self._tight or says_refused(hint, self._limit_mb):
            return MemoryLimitError(f"{refused(self._limit_mb).message} Its process {how}.", hint)
        return WorkerDiedError(f"The {self.kind} process {how}.", hint)

    def _greet(self) -> None:
        patience = Patience(self.pid)
        while (frame := self._receive(patience)) is None:
            continue
        hello = frame.get("hello")
        version = hello.get("version") if isinstance(hello, dict) else None
        if version != protocol.VERSION:
            raise WorkerError(
                f"The {self.kind} process speaks version {version}, this sotto {protocol.VERSION}.",
                "Restart sotto: it was updated while it ran.",
            )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
