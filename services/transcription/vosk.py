"""Vosk (Kaldi): small models for many languages. Writes lower case without punctuation."""

from __future__ import annotations

import ctypes
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import vosk
from numpy.typing import NDArray

from services import paths
from services.audio.vad import RATE
from services.audio.windows import Policy
from services.errors import ModelError
from services.library.segments import Word
from services.models.options import EngineOptions
from services.models.vosk_models import SPEAKER_MODEL
from services.text import one_line
from services.transcription.engine import Piece

_BLOCK = RATE // 5
"""Samples that Vosk works on at a time. It looks for the end of an utterance once for each block that it is given."""

_UNSPACED = {"zh", "ja"}
"""Languages that are written without blanks; Vosk puts one between any two words."""

_UNKNOWN = {"[unk]", "<unk>"}
"""What stands for a word that the model does not know."""

_DOWNLOAD = "Get it again: `sotto models remove` it, then `sotto models pull` it."


class Vosk:
    """Implements `services.transcription.engine.SpeechEngine`.

    A piece is what Vosk takes for an utterance. It begins with a capital, as a sentence does; there is no punctuation,
    and none is made up. Where speakers are told apart and the speaker model lies beside the model or was downloaded,
    a piece has a voice.

    Args:
        model: The folder of a model.
        options: Only `speakers` matters to it: beam and number type are the model's own, and a list of phrases would
            be all that it understands, not what it expects beside the rest.
    """

    def __init__(self, model: str, options: EngineOptions) -> None:
        self._folder = Path(model)
        self._telling_apart = options.speakers
        self._model: Any = None
        self._speakers: Any = None

    @property
    def policy(self) -> Policy:
        return Policy()

    def load(self) -> None:
        self.unload()
        _check(self._folder)
        vosk.SetLogLevel(-1)  # it writes half a page for every model
        model = _open(vosk.Model, self._folder)
        speakers = _speaker_folder(self._folder) if self._telling_apart else None
        self._speakers = _open(vosk.SpkModel, speakers) if speakers else None
        self._model = model

    def unload(self) -> None:
        self._model = self._speakers = None

    def transcribe(self, samples: NDArray[np.float32], language: str) -> list[Piece]:
        if self._model is None:
            raise ModelError("Vosk is not loaded.")
        joint = "" if language in _UNSPACED else " "
        try:
            results = self._results((np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16))
            pieces = [_piece(json.loads(result), joint, len(samples) / RATE) for result in results]
        except Exception as error:  # noqa: BLE001 vosk raises nothing more special
            raise ModelError(
                f"Vosk failed on a window of {len(samples) / RATE:.1f} s.", "The model may be damaged. " + _DOWNLOAD
            ) from error
        return [piece for piece in pieces if piece is not None]

    def _results(self, pcm: NDArray[np.int16]) -> list[str]:
        """What Vosk says of each utterance, as JSON."""
        # A new one for each window: it adapts to what it hears, and a window's words are to depend on nothing else.
        speakers = (self._speakers,) if self._speakers else ()
        recogniser = vosk.KaldiRecognizer(self._model, RATE, *speakers)
        recogniser.SetWords(True)
        ctypes.CDLL(None).srand(1)  # Kaldi adds a little noise to all audio, by the random numbers of libc
        blocks = (pcm[at : at + _BLOCK].tobytes() for at in range(0, len(pcm), _BLOCK))
        results = [recogniser.Result() for block in blocks if recogniser.AcceptWaveform(block)]
        return [*results, recogniser.FinalResult()]


def _piece(result: dict[str, Any], joint: str, longest: float) -> Piece | None:
    """An utterance of Vosk; None where no word was understood.

    Args:
        result: `result`: its words with `start`, `end` in seconds and `word`; `spk`: its vector, where there is one.
        joint: What stands between two words.
        longest: Length of the window in seconds; nothing ends behind it.
    """
    words: list[Word] = []
    for each in result.get("result", ()):
        text = one_line(str(each["word"]))
        if text and text not in _UNKNOWN:
            text = text if words else text[0].upper() + text[1:]
            start = min(float(each["start"]), longest)
            words.append(Word(start, max(start, min(float(each["end"]), longest)), text))
    if not words:
        return None
    voice = tuple(float(value) for value in result.get("spk", ()))
    known = voice if all(math.isfinite(value) for value in voice) else ()
    return Piece(words[0].start, words[-1].end, joint.join(word.text for word in words), tuple(words), voice=known)


def _check(folder: Path) -> None:
    """Raises `ModelError` where `folder` is no model: Vosk itself only says that it failed."""
    name = one_line(str(folder))
    if not folder.is_dir():
        raise ModelError(f"There is no folder {name}.", "Give the folder of an unpacked Vosk model.")
    if _tells_voices(folder):
        raise ModelError(
            f"{name} tells voices apart; it transcribes nothing.", "Choose another model, for example vosk:small-en."
        )
    needed = {
        "am/final.mdl or final.mdl": ("am/final.mdl", "final.mdl"),
        "conf/mfcc.conf or mfcc.conf": ("conf/mfcc.conf", "mfcc.conf"),
        "graph/HCLG.fst, graph/HCLr.fst or HCLr.fst": ("graph/HCLG.fst", "graph/HCLr.fst", "HCLG.fst", "HCLr.fst"),
        "graph/words.txt, graph/Gr.fst or words.txt": ("graph/words.txt", "graph/Gr.fst", "words.txt", "Gr.fst"),
    }
    for what, files in needed.items():
        if not any((folder / file).is_file() and (folder / file).stat().st_size for file in files):
            raise ModelError(f"{name} is no model of Vosk, or not all of one: {what} is missing or empty.", _DOWNLOAD)
    # Kaldi aborts the whole process at the first word where this option is not set.
    conf = folder / "conf/model.conf"
    if (folder / "am/final.mdl").is_file() and b"--endpoint.silence-phones" not in _bytes(conf):
        raise ModelError(f"{name} is damaged: conf/model.conf lacks --endpoint.silence-phones.", _DOWNLOAD)


def _open(kind: Any, folder: Path) -> Any:
    """The model in a folder, a `Model` or `SpkModel` of vosk. Raises `ModelError` where it is damaged."""
    try:
        return kind(str(folder))
    except Exception as error:  # noqa: BLE001 vosk raises nothing more special
        raise ModelError(f"The model in {one_line(str(folder))} did not load: it is damaged.", _DOWNLOAD) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _tells_voices(folder: Path) -> bool:
    return (folder / "final.ext.raw").is_file()


def _speaker_folder(model: Path) -> Path | None:
    """The folder of the speaker model: beside `model`, or where the downloaded one lies."""
    places = (model.parent / SPEAKER_MODEL, paths.models() / "vosk" / SPEAKER_MODEL)
    return next((place for place in places if _tells_voices(place)), None)
