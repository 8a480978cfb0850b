"""The frame of tokens around a transcript, made with the model's own chat template.

The transcript itself never passes through the template: the template is rendered with a placeholder in its stead, and
what stands before and after becomes tokens. So the transcript's tokens can be counted line by line, and nothing that
somebody said (`<|im_end|>`) can act as a control token.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import Any

from services.summarization.runtime import Model

_log = logging.getLogger(__name__)

_PLACEHOLDER = "@@TRANSCRIPT@@"
_THINK_OPEN, _THINK_SHUT = "<think>", "<think>\n\n</think>\n\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """The tokens before and after the transcript.

    Attributes:
        head: Before it.
        tail: After it.
        templated: Whether the model's own template was used.
    """

    head: list[int]
    tail: list[int]
    templated: bool

    @property
    def size(self) -> int:
        """Tokens of the frame."""
        return len(self.head) + len(self.tail)


class Framer:
    """Builds frames for one model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._bos = model.mark("bos")
        self._template = _template(model.template, self._bos, model.mark("eos"))

    @property
    def templated(self) -> bool:
        """Whether the model brings a chat template that can be used."""
        return self._template is not None

    def frame(self, system: str, above: str, below: str) -> Frame:
        """The frame of one request.

        Args:
            system: Who the model is to be.
            above: The line over the transcript.
            below: What to do with it.
        """
        user = f"{above}\n\n{_PLACEHOLDER}\n\n{below}"
        for messages in (
            [{"role": "system", "content": system}, {"role": "user", "content": user}],
            [{"role": "user", "content": f"{system}\n\n{user}"}],  # for templates that know or keep no system role
        ):
            text = self._render(messages)
            if text is not None and text.count(_PLACEHOLDER) == 1 and system in text and below in text:
                return self._tokens(_without_thinking(text), templated=True)
        return self._tokens(f"{system}\n\n{user}\n\n", templated=False)

    def _render(self, messages: list[dict[str, str]]) -> str | None:
        if self._template is None:
            return None
        try:
            return str(self._template(messages=messages, enable_thinking=False).prompt)
        except Exception as error:  # noqa: BLE001 - a template is a program out of the model file: it may raise anything
            _log.info("the chat template refuses %s messages: %s", len(messages), error)
            return None

    def _tokens(self, text: str, *, templated: bool) -> Frame:
        before, _, after = text.partition(_PLACEHOLDER)
        # A template writes the mark of the beginning itself, or leaves it to whoever makes the tokens.
        marked = bool(self._bos) and before.startswith(self._bos)
        head = self._model.tokenize(before, begin=not marked, special=templated)
        return Frame(head, self._model.tokenize(after, special=templated), templated)


def _template(text: str, bos: str, eos: str) -> Any:
    """The template, compiled; None where there is none or it is broken."""
    if not text:
        return None
    formats = importlib.import_module("llama_cpp.llama_chat_format")
    try:
        return formats.Jinja2ChatFormatter(template=text, eos_token=eos, bos_token=bos)
    except Exception as error:  # noqa: BLE001 - see above
        _log.warning("the model's chat template cannot be used: %s", error)
        return None


def _without_thinking(text: str) -> str:
    """A prompt whose template opens a block for thinking aloud gets it shut: a summary needs none."""
    end = text.rstrip()
    if end.endswith(_THINK_OPEN):
        return end.removesuffix(_THINK_OPEN) + _THINK_SHUT
    return text
