"""Whisper on the graphics processor of a Mac with Apple silicon, by mlx-whisper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_whisper import transcribe
from mlx_whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim
from mlx_whisper.transcribe import ModelHolder
from numpy.typing import NDArray

from services.audio.vad import RATE
from services.audio.windows import Policy
from services.errors import ModelError
from services.models.options import EngineOptions
from services.text import one_line
from services.transcription.answer import pieces_of
from services.transcription.engine import Piece
from services.transcription.vocabulary import prompt_of

_POLICY = Policy(longest=30.0, pause=3.0, target=20.0, short_pause=0.3, pad=0.3)
"""Whisper works on 30 s at a time, and costs the same for less."""

_SEED = 1
"""Where Whisper is unsure it draws lots; a window gives the same words whenever it is done."""


class MlxWhisper:
    """Implements `services.transcription.engine.SpeechEngine` and `LanguageDetector`.

    Args:
        model: The folder of a Whisper model in MLX's form: config.json, and weights.safetensors or weights.npz.
        options: `vocabulary` matters. The weights have their number type, and the library knows no beam search.
    """

    def __init__(self, model: str, options: EngineOptions) -> None:
        self._folder = Path(model)
        self._dtype = mx.float16
        self._prompt = prompt_of(options.vocabulary)

    @property
    def policy(self) -> Policy:
        return _POLICY

    def load(self) -> None:
        if not (self._folder / "config.json").is_file():  # given anything else, the library would go and download it
            raise ModelError(
                f"{one_line(str(self._folder))} is no folder of a Whisper model for MLX: it has no config.json.",
                "Name the folder of one: mlx-whisper:/PATH/MODEL",
            )
        try:
            model = ModelHolder.get_model(str(self._folder), self._dtype)
            self._dtype = model.encoder.conv1.weight.dtype  # the library refuses to work in another one
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise ModelError(
                f"{one_line(self._folder.name)} does not load: {one_line(str(error))}.",
                "It may be damaged: get it again.",
            ) from error

    def unload(self) -> None:
        ModelHolder.model = ModelHolder.model_path = None
        mx.clear_cache()

    def transcribe(self, samples: NDArray[np.float32], language: str) -> list[Piece]:
        self._loaded()
        mx.random.seed(_SEED)
        said = transcribe(
            samples,
            path_or_hf_repo=str(self._folder),
            fp16=self._dtype == mx.float16,
            language=language or None,
            initial_prompt=self._prompt or None,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        return pieces_of(said, len(samples) / RATE)

    def detect(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        model = self._loaded()
        mel = log_mel_spectrogram(samples, n_mels=model.dims.n_mels, padding=N_SAMPLES)
        _, probabilities = model.detect_language(pad_or_trim(mel, N_FRAMES, axis=-2).astype(self._dtype))
        language = max(probabilities, key=probabilities.__getitem__)
        return language, float(probabilities[language])

    def _loaded(self) -> Any:
        """The model.

        Raises:
            ModelError: It is not loaded.
        """
        if ModelHolder.model is None:
            raise ModelError("mlx-whisper is not loaded.")
        return ModelHolder.model
