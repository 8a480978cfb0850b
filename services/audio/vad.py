"""Where somebody speaks: a probability for every 32 ms, from a stream.

The detector is Silero VAD v6 (MIT), the ONNX file that faster-whisper ships; it is found without importing that
package. Where the file or onnxruntime is absent, a gate on the level above the noise takes its place.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 16_000
"""Sample rate in Hz of everything behind the normaliser."""

FRAME = 512
"""Samples that one probability stands for (32 ms): the frame that Silero v5 and v6 were trained on at 16 kHz."""

_CONTEXT = 64
"""Samples of the frame before that Silero sees with each frame."""

_STATE = (1, 1, 128)
"""Shape of the two states of Silero's LSTM."""

_log = logging.getLogger("sotto.audio")


class VoiceDetector(Protocol):
    """Follows one stream of frames."""

    def probabilities(self, frames: Samples) -> Samples:
        """The probability of speech in each of the next frames.

        Args:
            frames: float32 (k, FRAME) at `RATE`; they follow the ones of the call before.

        Returns:
            float32 (k,), 0 to 1.
        """


class Framer:
    """Cuts a stream that comes in any lengths into frames."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: Samples) -> Samples:
        """Take in float32 (n,); returns float32 (k, FRAME), the frames that are complete by now."""
        stream = np.concatenate([self._rest, samples])
        whole = len(stream) // FRAME * FRAME
        self._rest = stream[whole:].copy()
        return stream[:whole].reshape(-1, FRAME)

    def flush(self) -> Samples:
        """What is left as a last frame, with silence behind it; float32 (0 or 1, FRAME)."""
        return self.feed(np.zeros(-len(self._rest) % FRAME, np.float32))


def detectors() -> Callable[[], VoiceDetector]:
    """A maker of detectors, each for a stream of its own; they share one model."""
    model = _silero_file()
    if model is None or importlib.util.find_spec("onnxruntime") is None:
        _log.warning("Silero VAD is not installed: a level gate decides where speech is.")
        return LevelGate
    session = onnx_session(model)
    return lambda: Silero(session)


def _silero_file() -> Path | None:
    spec = importlib.util.find_spec("faster_whisper")  # a top-level name: the package is not imported
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = sorted(Path(folder, "assets").glob("silero_vad_v*.onnx"))
        if found:
            return found[-1]
    return None


def onnx_session(model: Path | bytes) -> Any:
    """A session of onnxruntime, for a small model in a file or in memory."""
    import onnxruntime  # here, so that a process without it can still use the gate

    options = onnxruntime.SessionOptions()
    # The model is small: more threads cost more than they bring, and an arena would keep what one big call needed.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    what = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(what, sess_options=options, providers=["CPUExecutionProvider"])


class Silero:
    """Silero VAD with its state carried from call to call: cutting the stream elsewhere changes nothing.

    Args:
        session: An onnxruntime session of the model; several streams may share it.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._hidden = np.zeros(_STATE, np.float32)
        self._cell = np.zeros(_STATE, np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)

    def probabilities(self, frames: Samples) -> Samples:
        if not len(frames):
            return np.zeros(0, np.float32)
        before = np.concatenate([self._context[None], frames[:-1, -_CONTEXT:]])
        self._context = frames[-1, -_CONTEXT:].copy()
        inputs = {"input": np.concatenate([before, frames], axis=1), "h": self._hidden, "c": self._cell}
        said, self._hidden, self._cell = self._session.run(None, inputs)
        result: Samples = np.asarray(said, np.float32).reshape(-1)
        return result


class LevelGate:
    """Takes for speech what stands out of the noise.

    The noise level falls at once with the signal and rises slowly (3 dB a second), so speech does not lift it. A
    frame 6 dB above it has probability 0, 18 dB above it 1; frames below -60 dBFS never count.
    """

    _RISE_DB = 3.0 * FRAME / RATE
    _SILENCE_DB = -60.0

    def __init__(self) -> None:
        self._noise_db: float | None = None

    def probabilities(self, frames: Samples) -> Samples:
        levels = 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-12)
        out = np.zeros(len(frames), np.float32)
        for i, level in enumerate(levels.tolist()):
            floor = max(level, self._SILENCE_DB)
            self._noise_db = floor if self._noise_db is None else min(floor, self._noise_db + self._RISE_DB)
            if level > self._SILENCE_DB:
                out[i] = min(1.0, max(0.0, (level - self._noise_db - 6.0) / 12.0))
        return out
