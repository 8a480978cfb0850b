"""Whose turn it is in a window, and what the voice is like: by two networks in the wheel of moonshine-voice.

Its library holds the weights of pyannote's `speaker-diarization-community-1` (CC BY 4.0) as exported data: one network
hears up to three people in ten seconds (Plaquet and Bredin 2023), the other, a WeSpeaker ResNet34, makes a vector of a
voice (Wang et al. 2023). Run by the library itself they take longer than the audio on two cores, run like this a small
part of it.
"""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.audio.vad import RATE, onnx_session
from services.errors import ModelError
from services.transcription.voices import Turn, alike

Samples = NDArray[np.float32]

_NAMESPACE = "_ZN9cppannote19embedded_community1"
"""Of the exported data in C++'s spelling; behind it the length of a name, the name, and an E."""

_CHUNK = 10 * RATE
"""Samples that the first network takes, always."""

_STEP = 0.016875
"""Seconds from one of its answers to the next."""

_SHORTEST_TURN = 0.5
"""Seconds. A shorter one is a listener's "mhm", or a mistake: it belongs to the turn around it."""

_ONE_TURN = 0.6
"""Cosine from which two turns in a row are one: the network sees ten seconds, and begins anew behind them."""

_HEARD = 5 * RATE
"""So many samples of a turn are enough for its vector: more changes nothing but the time that it takes."""

_FRAME, _HOP, _FFT, _BANDS = 400, 160, 512, 80
"""The second network's features: 25 ms every 10 ms, on the mel scale, as Kaldi computes them."""


class VoicePrints:
    """Finds the turns in windows. Takes about 100 MB and 0.03 to 0.04 of the time of the audio on one core.

    Raises:
        ModelError: The installed moonshine-voice does not have the networks, or onnxruntime is missing.
    """

    def __init__(self) -> None:
        library = _library()
        self._for_turns = _data(library, "segmentation_ort_data")
        self._for_voices = _data(library, "embedding_ort_data")
        self._mel = _mel_bands()

    # Loaded when there is something to tell apart: a recording of two channels never asks.
    @cached_property
    def _turns(self) -> Any:
        return onnx_session(self._for_turns.raw)

    @cached_property
    def _voices(self) -> Any:
        return onnx_session(self._for_voices.raw)

    def turns(self, samples: Samples) -> list[Turn]:
        """Who speaks when: without gaps from the first sample to the last.

        Args:
            samples: float32 (n,), 16 kHz mono, a window that holds speech.
        """
        count = max(1, -(-len(samples) // _CHUNK))
        edges = [len(samples) * i // count for i in range(count + 1)]
        turns: list[Turn] = []
        for begin, end in zip(edges, edges[1:], strict=False):
            for start, stop in self._runs(samples[begin:end]):
                turn = self._turn(samples, begin + start, begin + stop)
                if turns and alike(turns[-1].voice, turn.voice) >= _ONE_TURN:
                    turn = turns.pop().and_then(turn)
                turns.append(turn)
        return turns

    def _turn(self, samples: Samples, start: int, stop: int) -> Turn:
        features = self._features(samples[start : min(stop, start + _HEARD)])
        inputs = {"fbank": features[None], "weights": np.ones((1, len(features)), np.float32)}
        voice = np.asarray(self._voices.run(None, inputs)[0][0], np.float32)
        return Turn(start / RATE, stop / RATE, voice / max(float(np.linalg.norm(voice)), 1e-9))

    def _runs(self, samples: Samples) -> list[tuple[int, int]]:
        """Stretches of one voice each, in samples, without gaps."""
        chunk = np.zeros(_CHUNK, np.float32)
        chunk[: len(samples)] = samples
        active = np.asarray(self._turns.run(None, {"waveforms": chunk[None, None]})[0][0])
        active = active[: max(1, round(len(samples) / RATE / _STEP))]
        speaking = np.flatnonzero(active.any(axis=1))
        if not len(speaking):
            return [(0, len(samples))]
        # Silence belongs to whoever is nearest in time.
        frames = np.arange(len(active))
        right = np.clip(np.searchsorted(speaking, frames), 0, len(speaking) - 1)
        left = np.maximum(right - 1, 0)
        nearer = frames - speaking[left] <= speaking[right] - frames
        who = active.argmax(axis=1)[np.where(nearer, speaking[left], speaking[right])]
        lengths = _long_enough([(voice, len(list(run))) for voice, run in groupby(who.tolist())])
        ends = np.minimum(np.cumsum(lengths) * _STEP * RATE, len(samples)).astype(int).tolist()
        ends[-1] = len(samples)
        return list(zip([0, *ends], ends, strict=False))

    def _features(self, samples: Samples) -> Samples:
        """Kaldi's log mel energies, without their mean: float32 (frames, 80)."""
        padded = np.pad(samples, (0, max(0, _FRAME - len(samples))))
        frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP] * np.float32(32768)
        frames = frames - frames.mean(axis=1, keepdims=True)
        frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
        power = np.square(np.abs(np.fft.rfft(frames * np.hamming(_FRAME), _FFT)))[:, : _FFT // 2]
        energies = np.log(np.maximum(power @ self._mel, np.finfo(np.float32).eps))
        result: Samples = (energies - energies.mean(axis=0)).astype(np.float32)
        return result


def _long_enough(runs: list[tuple[int, int]]) -> list[int]:
    """The lengths of `runs` (voice, frames) once the short ones went over to their longer neighbours."""
    while len(runs) > 1:
        short = min(range(len(runs)), key=lambda i: runs[i][1])
        if runs[short][1] * _STEP >= _SHORTEST_TURN:
            break
        heir = max((i for i in (short - 1, short + 1) if 0 <= i < len(runs)), key=lambda i: runs[i][1])
        runs[short] = (runs[heir][0], runs[short][1])
        runs = [(voice, sum(length for _, length in group)) for voice, group in groupby(runs, itemgetter(0))]
    return [length for _, length in runs]


def _mel_bands() -> NDArray[np.float64]:
    """Weights of the FFT's bins in each of 80 bands from 20 Hz to 8 kHz: float64 (256, 80)."""

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1127.0 * np.log1p(hertz / 700.0)

    low, high = mel(np.array([20.0, RATE / 2]))
    edges = np.linspace(low, high, _BANDS + 2)
    bins = mel(np.arange(_FFT // 2) * RATE / _FFT)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    result: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return result


def _library() -> ctypes.CDLL:
    """The library of moonshine-voice; the package is not imported."""
    spec = importlib.util.find_spec("moonshine_voice")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("libmoonshine.*")):
            try:
                return ctypes.CDLL(str(file))
            except OSError as error:
                raise _absent() from error
    raise _absent()


def _data(library: ctypes.CDLL, name: str) -> ctypes.Array[ctypes.c_char]:
    """A network, where it lies in the library: a copy that stays would be 30 MB."""
    try:
        size = ctypes.c_size_t.in_dll(library, f"{_NAMESPACE}{len(name) + 5}{name}_sizeE").value
        return (ctypes.c_char * size).in_dll(library, f"{_NAMESPACE}{len(name)}{name}E")
    except ValueError as error:
        raise _absent() from error


def _absent() -> ModelError:
    return ModelError(
        "Speakers cannot be told apart: the installed moonshine-voice does not have the networks for it.",
        "Install moonshine-voice==0.0.73, or leave `transcription.speakers` off.",
    )
