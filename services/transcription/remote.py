"""An OpenAI-compatible server (`POST URL/audio/transcriptions`): windows go there one by one."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.audio.vad import RATE
from services.audio.windows import Policy
from services.endpoint import KEPT, Answer, Endpoint, Heed
from services.errors import ModelError, RemoteError
from services.models.options import EngineOptions
from services.text import one_line
from services.transcription.answer import read_answer
from services.transcription.engine import Piece
from services.transcription.vocabulary import prompt_of

_POLICY = Policy(longest=30.0, pause=3.0, target=20.0, short_pause=0.3, pad=0.3)
"""Whisper, which answers behind most such addresses, was trained on 30 s and costs the same for less. So windows are
filled well, and a pause ends one early only where the silence would be worth a request of its own."""

_FORMATS: Sequence[dict[str, str | list[str]]] = (
    {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]},
    {"response_format": "verbose_json"},
    {"response_format": "json"},
    {"response_format": "text"},
)
"""What is asked for, the best first. Which of them a server takes depends on it and on the model."""

_REFUSED_FORM = (400, 415, 422)


class Remote:
    """Implements `services.transcription.engine.SpeechEngine` and `Attending`.

    Args:
        model: The model's name, as the server knows it.
        options: `url`, `api_key` and `vocabulary` matter.
    """

    def __init__(self, model: str, options: EngineOptions) -> None:
        self._model = model
        self._options = options
        self._endpoint: Endpoint | None = None
        self._format = 0
        self._settled = False
        self._heed: Heed = _nobody

    @property
    def policy(self) -> Policy:
        return _POLICY

    def load(self) -> None:
        """Get ready; nothing is sent yet.

        Raises:
            ModelError: No address is set.
            UsageError: The address or the key cannot be one.
        """
        if not self._options.url:
            raise ModelError("No server is set for the engine openai.", "Set SOTTO_TRANSCRIPTION_URL.")
        self._endpoint = Endpoint(self._options.url, self._options.api_key)

    def unload(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.close()

    def attend(self, heed: Heed) -> None:
        self._heed = heed

    def transcribe(self, samples: NDArray[np.float32], language: str) -> list[Piece]:
        """See `SpeechEngine`. An empty `language` leaves it to the server to find out.

        Raises:
            RemoteError: The server does not answer, refuses, or answers what is none.
        """
        if self._endpoint is None:
            raise ModelError("The engine openai is not loaded.")
        answer = self._ask(self._endpoint, _wav(samples), language)
        try:
            return read_answer(answer, len(samples) / RATE)
        except ValueError as error:
            raise RemoteError(
                f"{self._endpoint.host} answered with what is no transcript: {error}.",
                f"Look whether `transcription.url` is the address of a speech server, up to and with /v1. {KEPT}",
            ) from error

    def _ask(self, endpoint: Endpoint, sound: bytes, language: str) -> Answer:
        """Send a window; while the server refuses what it is asked for, ask for less.

        Raises:
            RemoteError
        """
        refusal: Answer | None = None
        for number in range(self._format, len(_FORMATS)):
            form = self._form(language) | _FORMATS[number]
            answer = endpoint.post("audio/transcriptions", form, ("window.wav", sound, "audio/wav"), self._heed)
            if 200 <= answer.status < 300:
                self._format, self._settled = number, True
                return answer
            refusal = refusal or answer  # the first one was about the whole of the request
            if answer.status not in _REFUSED_FORM or self._settled:
                break
        assert refusal is not None
        raise _refused(endpoint, refusal, self._model)

    def _form(self, language: str) -> dict[str, str | list[str]]:
        form: dict[str, str | list[str]] = {"model": self._model}
        if language:
            form["language"] = language
        if prompt := prompt_of(self._options.vocabulary):
            form["prompt"] = prompt
        return form


def _nobody(_: str) -> None:
    """Nobody waits along."""


def _wav(samples: NDArray[np.float32]) -> bytes:
    """A window as a WAV file, 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _refused(endpoint: Endpoint, answer: Answer, model: str) -> RemoteError:
    """The sentence for an answer that is none."""
    host, said = endpoint.host, _said(endpoint, answer)
    name = one_line(model)
    if answer.status in (401, 403):
        return RemoteError(
            f"{host} does not accept the key ({answer.status}){said}.", f"Set SOTTO_TRANSCRIPTION_API_KEY. {KEPT}"
        )
    if answer.status == 404:
        return RemoteError(
            f"{host} knows no such address, or no model {name} (404){said}.",
            "Look at `transcription.url`, which goes up to and with /v1, and name one of its models:"
            f" `--stt openai:MODEL`. {KEPT}",
        )
    if answer.status == 413:
        return RemoteError(
            f"{host} does not take so much at once (413){said}.",
            f"It has to take 1 MB: half a minute of sound. Its operator can change that. {KEPT}",
        )
    if 300 <= answer.status < 400:
        return RemoteError(
            f"{host} sends us on to {endpoint.redact(answer.moved) or 'another address'}, where nothing was sent.",
            f"If that is right, set `transcription.url` to it, without /audio/transcriptions. {KEPT}",
        )
    return RemoteError(f"{host} refuses ({answer.status}){said}.", f"Look at its model and settings. {KEPT}")


def _said(endpoint: Endpoint, answer: Answer) -> str:
    """The server's own words for a refusal, with a colon before them; nothing where it has none that people read."""
    if "html" in answer.kind:
        return ""
    text = answer.body[:10_000].decode("utf-8", "replace")
    try:
        told = json.loads(text)
        error = told.get("error", told)
        text = str(error.get("message") or error.get("detail") or "") if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError, RecursionError):
        pass  # then it is plain text
    line = endpoint.redact(text).rstrip(".")
    return f": {line}" if line else ""
