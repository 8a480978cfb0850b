"""Who looks after the devices of a recording: one thread that hears what the sound server tells."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from services.recording.pulse import PulseSource, Server, ServerError, Tap, View

_log = logging.getLogger("sotto.keeper")

TICK_SECONDS = 1.0
"""So often a device is looked at when nothing is told of it."""

_CALM_SECONDS = 0.2
"""The server is asked no more often than this, however much it tells: each step of a volume is told."""


class Kept(Protocol):
    """What is looked after."""

    def mark(self) -> None:
        """The server is about to be asked: what has come until now is covered by what it says."""

    def tend(self, view: View | None, trouble: str) -> float:
        """Look whether all is well, and do what is to be done; must not wait.

        Args:
            view: The sound server now; None without one.
            trouble: Why there is none, for a person.

        Returns:
            Seconds until it wants to be looked at again, if nothing happens.
        """


class Keeper:
    """Tends devices at each change that the sound server tells, and each second.

    Args:
        server: A connected sound server; None where there is none. From `add` on it belongs to the thread.
    """

    def __init__(self, server: Server | None) -> None:
        self._server = server
        self._kept: tuple[Kept, ...] = ()
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._view: View | None = None
        self._trouble = ""
        self._stale = True
        self._looked = 0.0

    def add(self, kept: Kept) -> None:
        """Tend it from now on."""
        with self._gate:
            self._kept = (*self._kept, kept)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
                self._thread.start()
        self._wake()

    def remove(self, kept: Kept) -> None:
        """Tend it no more. The last one ends the thread."""
        with self._gate:
            self._kept = tuple(each for each in self._kept if each is not kept)
            if self._kept:
                return
        self.close()

    def close(self) -> None:
        """Nothing is to be looked after any more."""
        self._over.set()
        self._wake()
        if self._thread is None and self._server is not None:
            self._server.close()

    def settled(self, strict: bool) -> bool:
        """Whether everything that the server has told has been acted upon. Any thread.

        Args:
            strict: What is to be said while the server tells nothing at all: False for no.
        """
        if self._server is None or self._view is None:
            return not strict
        return self._server.settled

    def ask(self) -> None:
        """Look at the server at the next tick, also when it tells nothing. From `tend` only."""
        self._stale = True

    def move(self, tap: Tap, source: PulseSource) -> None:
        """Attach a stream to another source. From `tend` only.

        Raises:
            ServerError: That does not work.
        """
        assert self._server is not None
        self._stale = True
        self._server.move(tap, source)

    def _wake(self) -> None:
        if self._server is not None:
            self._server.wake()

    def _run(self) -> None:
        while not self._over.is_set():
            self._look()
            waits = [TICK_SECONDS]
            for kept in self._kept:
                try:
                    waits.append(kept.tend(self._view, self._trouble))
                except Exception:  # noqa: BLE001 - a defect here must not end the care for the other device
                    _log.exception("a device could not be looked after")
            self._rest(min(waits))
        if self._server is not None:
            self._server.close()

    def _look(self) -> None:
        if self._server is None:
            return
        try:
            if not self._server.connected:
                self._server.connect()
                _log.info("connected to the sound server")
                self._stale = True
            if self._stale or self._view is None:
                self._stale = False
                self._looked = time.monotonic()
                for kept in self._kept:
                    kept.mark()
                self._view, self._trouble = self._server.view(), ""
        except ServerError as error:
            self._lost(error)

    def _rest(self, seconds: float) -> None:
        if self._server is None or not self._server.connected:
            self._over.wait(seconds)
            return
        try:
            if self._server.listen(seconds):
                self._stale = True
                self._over.wait(max(0.0, self._looked + _CALM_SECONDS - time.monotonic()))
        except ServerError as error:
            self._lost(error)

    def _lost(self, error: ServerError) -> None:
        if self._trouble != str(error):
            _log.warning("%s", error)
        self._view, self._trouble = None, str(error)
