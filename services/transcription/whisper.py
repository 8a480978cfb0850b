"""Whisper by faster-whisper and CTranslate2, window by window."""

from __future__ import annotations

import importlib
import logging
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.audio.vad import RATE
from services.audio.windows import Policy
from services.cores import cores, wait_asleep
from services.errors import MemoryLimitError, ModelError
from services.library.segments import Word
from services.memory.limits import is_refusal
from services.models.options import EngineOptions
from services.text import clean, one_line
from services.transcription.engine import Piece

_log = logging.getLogger("sotto.transcription")

_POLICY = Policy(longest=29.9, pause=6.0, target=29.9, short_pause=0.13, overlap=2.0)
"""The encoder costs the same for a second as for its 30, so windows are filled and cut in their last short silence. A
frame more than 30 s would be worked on as a second window. Longer silences are left out: words are made up in them."""

_SHORTEST = RATE // 2
"""Samples. Shorter windows get silence behind them: of less than half a second the model makes anything."""

_FILES = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")

_MOST_THREADS = 8
"""More bring nothing for one window."""

_VOCABULARY_TOKENS = 160
"""Room for names and terms in the prompt, which Whisper gives 224 tokens. All of it is read for every window."""

_COMPRESSION = 2.4
"""Text that zlib shortens more than this repeats itself (the threshold of OpenAI's implementation)."""

_PHRASE = 4
"""So many tokens may not come again where a window is decoded anew because it looped."""

_UNSPACED = ("zh", "ja", "th", "lo", "my", "yue")
"""Languages whose words faster-whisper does not tell apart: each letter has its time."""

_REST_SECONDS = 1.0
"""A rest of a window that is shorter than this holds no word that was not heard."""

_MOST_PASSES = 4
"""So often a window is worked on, from where the model stopped before its end the time before."""


class _EnoughError(Exception):
    """What is wanted of a window has been decoded."""


class _Decoding(threading.local):
    """How far a thread is with its window.

    Attributes:
        enough: Nothing is left that would be worth another pass.
    """

    enough = False


class Whisper:
    """Implements `services.transcription.engine.SpeechEngine` and `LanguageDetector`.

    A window is decoded with beam search, without chance: the same window gives the same words each time, which sampling
    at higher temperatures would not. One that loops is decoded once more with phrases forbidden to come again.

    Args:
        model: Folder of a model that was converted for CTranslate2.
        options: `compute`, `beam`, `batch`, `threads` and `vocabulary` count.
    """

    def __init__(self, model: str, options: EngineOptions) -> None:
        self._folder = Path(model)
        self._options = options
        self._model: Any = None
        self._hotwords: str | None = None
        self._decoding = _Decoding()

    @property
    def policy(self) -> Policy:
        return _POLICY

    @property
    def at_once(self) -> int:
        """So many threads may be in `transcribe` at the same time."""
        return max(1, self._options.batch)

    def load(self) -> None:
        _check_files(self._folder)
        device = "cuda" if _library("ctranslate2").get_cuda_device_count() else "cpu"
        compute = _compute_type(self._options.compute, device)
        threads = min(_MOST_THREADS, cores())
        try:
            self._model = _library("faster_whisper").WhisperModel(
                str(self._folder),
                device=device,
                compute_type=compute,
                cpu_threads=max(1, threads // self.at_once),
                num_workers=self.at_once,
                local_files_only=True,
            )
        except Exception as error:  # noqa: BLE001 - what the tokenizer's library raises has no class of its own
            raise _load_error(self._folder, error) from error
        bands = self._model.model.n_mels
        if len(self._model.feature_extractor.mel_filters) != bands:  # its preprocessor_config.json is missing
            features = _library("faster_whisper.feature_extractor")
            self._model.feature_extractor = features.FeatureExtractor(feature_size=bands)
        self._stop_before_passes(self._model)
        self._hotwords = self._prompt(self._options.vocabulary)

    def unload(self) -> None:
        if self._model is not None:
            self._model.model.unload_model()
            self._model = None

    def detect(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        model = self._loaded()
        if not model.model.is_multilingual:
            return "en", 1.0
        try:
            language, probability, _ = model.detect_language(audio=_padded(samples))
        except (RuntimeError, ValueError, MemoryError) as error:
            raise _work_error(error) from error
        return str(language), float(probability)

    def transcribe(self, samples: NDArray[np.float32], language: str) -> list[Piece]:
        self._loaded()
        padded = _padded(samples)
        try:
            segments = self._decode(padded, language, repeat=True)
            if any(segment.compression_ratio > _COMPRESSION for segment in segments):
                segments = self._decode(padded, language, repeat=False)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise _work_error(error) from error
        length = len(samples) / RATE
        spaced = language not in _UNSPACED
        return [piece for segment in segments if (piece := _piece(segment, length, spaced)).text]

    def _decode(self, samples: NDArray[np.float32], language: str, repeat: bool) -> list[Any]:
        """The segments of faster-whisper for one window."""
        found, _ = self._loaded().transcribe(
            samples,
            language=language,
            beam_size=self._options.beam,
            temperature=0.0,
            condition_on_previous_text=False,
            # What is silence or a guess is decided, and told, by `services.transcription.plausible`.
            no_speech_threshold=None,
            no_repeat_ngram_size=0 if repeat else _PHRASE,
            word_timestamps=True,
            vad_filter=False,
            hotwords=self._hotwords,
        )
        segments: list[Any] = []
        passes: set[int] = set()
        end = len(samples) / RATE - _REST_SECONDS
        try:
            with suppress(_EnoughError):
                for segment in found:
                    passes.add(segment.seek)
                    segments.append(segment)
                    # In another pass it would work through the silence behind the last word.
                    self._decoding.enough = segment.end >= end or len(passes) >= _MOST_PASSES
        finally:
            self._decoding.enough = False
        return segments

    def _stop_before_passes(self, model: Any) -> None:
        """Let faster-whisper begin no pass over a window of which there is enough.

        It gives out the segments of a pass one by one, and does not say which one is the last: who stops asking at one
        that reaches the end loses those behind it, who goes on pays for another pass. Each begins with `encode`.
        """
        encode = model.encode

        def wanted(features: Any) -> Any:
            if self._decoding.enough:
                raise _EnoughError
            return encode(features)

        model.encode = wanted

    def _prompt(self, vocabulary: tuple[str, ...]) -> str | None:
        """The terms that there is room for, in their order."""
        prompt = ""
        for at, term in enumerate(vocabulary):
            longer = f"{prompt}, {term}" if prompt else term
            if len(self._loaded().hf_tokenizer.encode(" " + longer, add_special_tokens=False).ids) > _VOCABULARY_TOKENS:
                _log.info("the vocabulary has no room for %d of its %d terms", len(vocabulary) - at, len(vocabulary))
                break
            prompt = longer
        return prompt or None

    def _loaded(self) -> Any:
        if self._model is None:
            raise ModelError("Whisper is not loaded.")
        return self._model


@cache
def _library(name: str) -> Any:
    wait_asleep()
    return importlib.import_module(name)


def _padded(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(samples, (0, max(0, _SHORTEST - len(samples))))


def _piece(segment: Any, length: float, spaced: bool) -> Piece:
    """A segment of faster-whisper as ours, within the window.

    Args:
        segment: With words; each begins with a blank where one stands before it.
        length: Of the window, in seconds.
        spaced: Whether the language is written with blanks between words.
    """
    words: list[Word] = []
    for word in segment.words or ():
        texts = clean(word.word).split()
        start = min(length, max(words[-1].end if words else 0.0, float(word.start)))
        end = min(length, max(start, float(word.end)))
        if texts and words and spaced and not word.word[:1].isspace():  # "50" and "%", "well" and "-known"
            words[-1] = Word(words[-1].start, end, words[-1].text + texts.pop(0))
        words += [Word(start, end, text) for text in texts]
    start = min(length, max(0.0, float(segment.start)))
    return Piece(
        start,
        min(length, max(start, float(segment.end))),
        " ".join(clean(segment.text).split()),
        tuple(words),
        float(segment.avg_logprob),
        float(segment.no_speech_prob),
    )


def _check_files(folder: Path) -> None:
    """Raise `ModelError` where files are missing: faster-whisper would look for them on the network."""
    name = one_line(folder.name)
    if not folder.is_dir():
        raise ModelError(
            f"There is no folder of a Whisper model {one_line(str(folder))!r}.",
            "Give the folder that holds model.bin, as converted for CTranslate2.",
        )
    missing = [file for file in _FILES if not (folder / file).is_file()]
    if not any((folder / file).is_file() for file in _VOCABULARIES):
        missing.append(_VOCABULARIES[0])
    if missing:
        raise ModelError(
            f"The Whisper model {name} is not whole: {', '.join(missing)} missing.",
            "Download it again, or convert it with `ct2-transformers-converter --copy_files tokenizer.json"
            " preprocessor_config.json`.",
        )


def _compute_type(wanted: str, device: str) -> str:
    """The number type to compute in.

    Raises:
        ModelError: The device cannot do what is wanted.
    """
    able = _library("ctranslate2").get_supported_compute_types(device)
    if wanted == "auto":
        order = ("float16", "float32") if device == "cuda" else ("int8", "float32")
        return next(kind for kind in order if kind in able)
    if wanted not in able:
        choices = ", ".join(kind for kind in ("int8", "float16", "float32") if kind in able)
        raise ModelError(
            f"This machine's {'graphics card' if device == 'cuda' else 'processor'} cannot compute in {wanted}.",
            f"Set `transcription.compute` to auto, or to one of: {choices}.",
        )
    return wanted


def _load_error(folder: Path, error: BaseException) -> ModelError:
    if _is_memory(error):
        return _no_memory()
    return ModelError(
        f"The Whisper model {one_line(folder.name)} did not load: {one_line(str(error))}.",
        "Its files are damaged or of another kind. Download it again.",
    )


def _work_error(error: BaseException) -> ModelError:
    return _no_memory() if _is_memory(error) else ModelError(f"Whisper failed: {one_line(str(error))}.")


def _is_memory(error: BaseException) -> bool:
    return is_refusal(error) or "alloc" in str(error).lower()  # MKL and CUDA have words of their own


def _no_memory() -> ModelError:
    return MemoryLimitError(
        "There is not enough memory for this Whisper model.",
        "Choose a smaller one, or `transcription.compute` int8, or close something.",
    )
