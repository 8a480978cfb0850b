"""Text that nobody said: engines make words of noise, and fall into loops. What is known of the audio tells."""

from __future__ import annotations

import logging
from dataclasses import replace

from services.audio.windows import Window
from services.transcription.engine import Piece

_log = logging.getLogger("sotto.transcription")

_CERTAIN = 0.6
"""Mean probability of speech from which a window is believed. Over the speech set windows of real speech have 0.66 and
more, noise, music and applause 0.59 and less."""

_CERTAIN_PEAK = 0.75
"""Highest probability that a window of speech reaches at least once; hiss and music stay below 0.65."""

_SHORTEST = 0.15
"""Seconds of speech in the shortest word: less is a click or a breath, of which engines make a "Yeah"."""

_LETTERS_PER_SECOND = 30.0
"""Nobody speaks faster: fast English is 20 letters a second."""

_FREE_LETTERS = 15
"""So many letters are let pass whatever the length: the detector may miss most of a short word."""

_LOOPING_WORDS_PER_SECOND = 4.5
"""A phrase three times in a row was said so as long as the pace is that of speech; a loop runs until the engine's limit
(6.5 tokens a second)."""

_LONGEST_PHRASE = 12


def holds_speech(window: Window) -> bool:
    """Whether a window is worth an engine's time: what the detector found in it is speech by all that is known."""
    return window.certainty >= _CERTAIN and window.peak >= _CERTAIN_PEAK and window.voiced >= _SHORTEST


def believable(piece: Piece, voiced: float) -> Piece | None:
    """`piece` with loops taken out; None where it cannot have been said. What goes is in the log.

    Args:
        piece: What the engine understood.
        voiced: Seconds of speech in the window.
    """
    words = piece.text.split()
    if len(words) > _LOOPING_WORDS_PER_SECOND * voiced:
        words = without_loops(words)
    text = " ".join(words)
    if text != piece.text:
        _log.info("a loop of %d words was cut to %d: %s", len(piece.text.split()), len(words), text)
    if len(text) > _FREE_LETTERS + _LETTERS_PER_SECOND * voiced:
        _log.info("%d letters in %.2f s of speech were not believed: %s", len(text), voiced, text)
        return None
    if not any(letter.isalnum() for letter in text):
        return None
    return piece if text == piece.text else replace(piece, text=text, words=())


def without_loops(words: list[str]) -> list[str]:
    """`words` with a phrase that stands three times or more in a row standing once; a cut-off repetition goes too."""
    keys = ["".join(filter(str.isalnum, word)).lower() for word in words]
    out: list[str] = []
    at = 0
    while at < len(words):
        for size in range(1, min(_LONGEST_PHRASE, (len(words) - at) // 3) + 1):
            count = _repetitions(keys, at, size)
            if count >= 3:
                out += words[at : at + size]
                at += size * count
                rest = keys[at:]
                if len(rest) < size and rest == keys[at - size : at - size + len(rest)]:
                    at = len(words)
                break
        else:
            out.append(words[at])
            at += 1
    return out


def _repetitions(keys: list[str], at: int, size: int) -> int:
    """How often the phrase of `size` words at `at` stands there in a row."""
    phrase = keys[at : at + size]
    count = 1
    while keys[at + size * count : at + size * (count + 1)] == phrase:
        count += 1
    return count
