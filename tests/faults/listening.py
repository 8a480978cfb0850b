"""Playing a sound while something goes wrong, and a second pair of ears that tells what was really to be heard when."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.faults.sound import RATE, Beacon, Signal, found
from tests.functional.pulse import MICROPHONE, MOUTH
from tests.functional.waiting import until


@contextmanager
def playing(beacon: Beacon, sink: str = MOUTH) -> Iterator[subprocess.Popen[bytes]]:
    """A beacon that is being played into `sink` meanwhile; `wait` for the player to hear it out."""
    with tempfile.TemporaryDirectory(prefix="beacon-") as folder:
        file = beacon.save(Path(folder) / "beacon.wav")
        player = subprocess.Popen(
            ["paplay", f"--device={sink}", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield player
        finally:
            player.kill()
            player.wait()


class Witness:
    """Listens to a source, and notes when it heard what. It ends with the sound server that it listens to.

    Args:
        source: The source's name on the sound server.
    """

    def __init__(self, source: str = MICROPHONE) -> None:
        self._process = subprocess.Popen(
            ["parec", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=1", "--latency-msec=20"]
            + [f"--device={source}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._lock = threading.Lock()
        self._data = bytearray()
        self._began = float("inf")
        self._thread = threading.Thread(target=self._listen, name="witness")
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(65536):  # type: ignore[attr-defined]
            now = time.monotonic()
            with self._lock:
                self._data += data
                # Every piece came too late by what it was held up: the least of it is nearest to the truth.
                self._began = min(self._began, now - len(self._data) / 2 / RATE)

    @property
    def heard(self) -> Signal:
        """Everything until now."""
        with self._lock:
            data = bytes(self._data[: len(self._data) // 2 * 2])
        return np.frombuffer(data, "<i2").astype(np.float64) / 32768

    def place(self, beacon: Beacon) -> float:
        """How much of `beacon` has been heard, in seconds; 0 where nothing has."""
        stretches = found(self.heard, beacon)
        return stretches[-1].of_end if stretches else 0.0

    def began(self, beacon: Beacon) -> float:
        """When the beginning of `beacon` was heard (`time.monotonic`)."""
        stretches = found(self.heard, beacon)
        assert stretches, "the witness has heard nothing of it"
        return self._began + stretches[0].shift

    def wait_for(self, beacon: Beacon, seconds: float) -> None:
        """Wait until so much of `beacon` has been heard."""
        until(lambda: self.place(beacon) > 0)
        begins = found(self.heard, beacon)[0].shift
        until(lambda: len(self.heard) / RATE >= begins + seconds)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Witness:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
