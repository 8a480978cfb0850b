"""What a model writes, on its way to a screen: whole characters, no control codes, no thinking aloud, no circles."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from services.text import clean

_OPEN, _CLOSE = "<think>", "</think>"
_STOPS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<|endoftext|>", "<end_of_turn>", "</s>", "<|im_start|>")
"""Marks that some converted models write out as text instead of ending."""

_HELD = max(map(len, (*_STOPS, _CLOSE))) - 1
_ESCAPE_HELD = 64
_SHORTEST_PERIOD, _LOOP_PERIOD = 6, 80
_LOOP_TIMES = 4
_SAME_LINES = 4


class Answer:
    """Collects the bytes of an answer and passes on what may be shown.

    Args:
        on_text: Takes each new piece of the visible text.

    Attributes:
        text: All visible text so far.
        done: True when the model has said an end mark or goes round in a circle: nothing more will be taken.
        thought: Whether it thought aloud.
    """

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self.text = ""
        self.done = False
        self.thought = False
        self._on_text = on_text
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._raw = ""
        self._thinking = False

    def feed(self, piece: bytes) -> None:
        """Take the bytes of one token; a character may be spread over several."""
        if not self.done:
            self._raw += self._decoder.decode(piece)
            self._advance(final=False)

    def close(self) -> None:
        """The model has ended: give out what was held back."""
        if not self.done:
            self._raw += self._decoder.decode(b"", final=True)
            self._advance(final=True)

    def _advance(self, *, final: bool) -> None:
        while not self.done:
            mark = _CLOSE if self._thinking else _OPEN
            at = self._raw.find(mark)
            if self._thinking:
                if at < 0:
                    self._raw = "" if final else self._raw[-_HELD:]
                    return
                self._raw = self._raw[at + len(mark) :]
                self._thinking = False
                continue
            stop = min((found for end in _STOPS if (found := self._raw.find(end)) >= 0), default=-1)
            if stop >= 0 and (at < 0 or stop < at):
                self._show(self._raw[:stop])
                self.done = True
                return
            if at >= 0:
                self._show(self._raw[:at])
                self._raw = self._raw[at + len(mark) :]
                self._thinking = self.thought = True
                continue
            lone = self._raw.find(_CLOSE)
            if lone >= 0:
                # The template opened the block: all that was said so far was thought, not meant.
                self._raw = self._raw[lone + len(_CLOSE) :]
                self.text = ""
                self.thought = True
                continue
            ready = len(self._raw) if final else _ready(self._raw)
            self._show(self._raw[:ready])
            self._raw = self._raw[ready:]
            return

    def _show(self, raw: str) -> None:
        shown = clean(raw.replace("\r\n", "\n"))
        if not self.text:
            shown = shown.lstrip()
        if not shown:
            return
        self.text += shown
        self._on_text(shown)
        trimmed = without_loop(self.text)
        if trimmed is not None:
            self.text = trimmed
            self.done = True


def _ready(raw: str) -> int:
    """How much of `raw` cannot be the beginning of a mark or of an escape sequence."""
    escape = raw.rfind("\x1b", max(0, len(raw) - _ESCAPE_HELD))
    mark = raw.rfind("<", max(0, len(raw) - _HELD))
    return min(at for at in (escape, mark, len(raw)) if at >= 0)


def without_loop(text: str) -> str | None:
    """`text` up to where it began to go round in a circle; None where it does not.

    A circle is a stretch of up to 80 characters four times over, or the same line four times in a row.
    """
    for period in range(_SHORTEST_PERIOD, min(_LOOP_PERIOD, len(text) // _LOOP_TIMES) + 1):
        stretch = text[-period:]
        if text.endswith(stretch * _LOOP_TIMES) and any(character.isalnum() for character in stretch):
            return text[: len(text) - period * (_LOOP_TIMES - 1)].rstrip() + "\n"
    if text.endswith("\n"):
        lines = [line for line in text.splitlines() if line.strip()][-_SAME_LINES:]
        if len(lines) == _SAME_LINES and len(set(lines)) == 1:
            return _without_last_lines(text, lines[0])
    return None


def _without_last_lines(text: str, line: str) -> str:
    """`text` with the repetitions of `line` at its end said once."""
    kept = text.rstrip().splitlines()
    while len(kept) > 1 and kept[-1] in ("", line) and line in kept[:-1]:
        kept.pop()
    return "\n".join(kept) + "\n"
