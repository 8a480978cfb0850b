"""Moonshine tiny (English), from the weights that its wheel carries: the engine that is always there."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from moonshine_voice.errors import MoonshineError
from moonshine_voice.moonshine_api import ModelArch, TranscriptC
from moonshine_voice.transcriber import Transcriber
from moonshine_voice.utils import get_model_path
from numpy.typing import NDArray

from services.audio.vad import FRAME, RATE
from services.audio.windows import Policy
from services.errors import ModelError
from services.models.options import EngineOptions
from services.text import clean, one_line
from services.transcription.engine import Piece

_SHORTEST = 8 * FRAME
"""Samples (256 ms). The encoder refuses less than about 70 ms; shorter windows get silence behind them."""

_OPTIONS = {
    # 0 takes all of a window for speech: our front end has found it already, and this keeps the window in one piece.
    "vad_threshold": "0",
    "vad_max_segment_duration": "3600",
    "vad_hop_size": str(FRAME),
    "vad_look_behind_sample_count": str(FRAME),
    "return_audio_data": "false",
    "identify_speakers": "false",
    # Times of words need a decoder that gives out its attention, and the wheel carries none: asked for, the library
    # warns and gives no words.
    "word_timestamps": "false",
}


_POLICY = Policy(longest=15.0, pause=1.5, target=8.0, short_pause=0.25, pad=0.3)
"""The fewest word errors over the speech set (tests/benchmarks/wer.py). The model was trained on utterances: windows of
8 to 15 s do better than 30 s, and than single short sentences. They also take less: the encoder's memory grows with the
square of a window, and 30 s take 60 MB more than 15 s."""


class Moonshine:
    """Implements `services.transcription.engine.SpeechEngine`.

    Args:
        model: Name of the folder of weights in the wheel.
        options: None of them matters to it.
    """

    def __init__(self, model: str, options: EngineOptions) -> None:
        self._model = model
        self._transcriber: Any = None

    @property
    def policy(self) -> Policy:
        return _POLICY

    def load(self) -> None:
        folder = get_model_path(self._model)
        if not folder.is_dir():
            raise ModelError(
                f"The weights {self._model} are not in the installed moonshine-voice.",
                "Install the version that carries them: `pip install moonshine-voice==0.0.73`.",
            )
        try:
            self._transcriber = Transcriber(folder, ModelArch.TINY, options=_OPTIONS)
        except MoonshineError as error:
            raise ModelError(f"Moonshine did not load: {one_line(str(error))}.", "The log has the details.") from error

    def unload(self) -> None:
        if self._transcriber is not None:
            self._transcriber.close()
            self._transcriber = None

    def transcribe(self, samples: NDArray[np.float32], language: str) -> list[Piece]:
        if self._transcriber is None:
            raise ModelError("Moonshine is not loaded.")
        # The native code takes whole hops only and leaves the rest unheard.
        length = max(_SHORTEST, -(-len(samples) // FRAME) * FRAME)
        padded = np.zeros(length, np.float32)
        padded[: len(samples)] = samples
        text = " ".join(clean(line) for line in _lines(self._transcriber, padded))
        text = " ".join(text.split())
        return [Piece(0.0, len(samples) / RATE, text)] if text else []


def _lines(transcriber: Any, samples: NDArray[np.float32]) -> list[str]:
    """The texts of `Transcriber.transcribe_without_streaming`, without its Python lists.

    That method copies every sample into a Python float and back (66 bytes each, 31 MB for 30 s); this passes
    the array's own memory to the same native function.

    Args:
        transcriber: A loaded `moonshine_voice.transcriber.Transcriber`.
        samples: float32 (n,), 16 kHz, contiguous.
    """
    out = ctypes.POINTER(TranscriptC)()
    code = transcriber._lib.moonshine_transcribe_without_streaming(
        transcriber._handle,
        samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
        len(samples),
        RATE,
        0,
        ctypes.byref(out),
    )
    if code != 0:
        raise ModelError(f"Moonshine failed on a window of {len(samples) / RATE:.1f} s (code {code}).")
    if not out:
        return []
    lines = out.contents.lines[: out.contents.line_count]
    return [ctypes.string_at(line.text).decode("utf-8", "replace") for line in lines if line.text]
