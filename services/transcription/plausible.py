"""Text that nobody said: engines make words of noise, and fall into loops. What is known of the audio tells."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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

_SHORTEST_UNSPACED = 4
"""Without blanks each letter counts as a word: fewer of them three times in a row are a laugh or a number."""

_REPEATED_WORDS = 8
"""Pieces that say the same three times and come to so many words are a loop; "I know. I know. I know." is not."""

_NO_SPEECH = 0.6
_UNSURE = -1.0
"""An engine that holds it for likely that nobody speaks and is not sure of its words heard silence (the thresholds of
OpenAI's Whisper)."""

_GUESSED = -2.0
"""Words that an engine itself gives one chance in seven each were not heard but made up."""


def holds_speech(window: Window) -> bool:
    """Whether a window is worth an engine's time: what the detector found in it is speech by all that is known."""
    return window.certainty >= _CERTAIN and window.peak >= _CERTAIN_PEAK and window.voiced >= _SHORTEST


def believed(pieces: Iterable[Piece], voiced: float) -> list[Piece]:
    """What can have been said of what an engine understood of one window, loops taken out. What goes is in the log.

    Args:
        pieces: In order of time.
        voiced: Seconds of speech in the window.
    """
    left = [found for piece in pieces if (found := believable(piece, voiced)) is not None]
    keys = [_key(piece.text) for piece in left]
    out: list[Piece] = []
    at = 0
    while at < len(left):
        count = _repetitions(keys, at, 1)
        out.append(left[at])
        if count >= 3 and count * len(left[at].text.split()) >= _REPEATED_WORDS:
            _log.info("the same was said %d times at %.1f s of a window: %s", count, left[at].start, left[at].text)
            at += count
        else:
            at += 1
    return out


def believable(piece: Piece, voiced: float) -> Piece | None:
    """`piece` with loops taken out; None where it cannot have been said. What goes is in the log.

    Args:
        piece: What the engine understood.
        voiced: Seconds of speech in the window.
    """
    if (doubt := _doubt(piece)) is not None:
        _log.info("%s was not believed: %s", doubt, piece.text)
        return None
    words = _Words.of(piece)
    if len(words.texts) > _LOOPING_WORDS_PER_SECOND * voiced:
        kept = _looped_once(words.texts, words.shortest)
        if len(kept) < len(words.texts):
            cut = words.only(kept)
            _log.info("a loop of %d words was cut to %d: %s", len(words.texts), len(kept), cut.text)
            piece = cut
    if len(piece.text) > _FREE_LETTERS + _LETTERS_PER_SECOND * voiced:
        _log.info("%d letters in %.2f s of speech were not believed: %s", len(piece.text), voiced, piece.text)
        return None
    return piece if any(letter.isalnum() for letter in piece.text) else None


def _doubt(piece: Piece) -> str | None:
    """Why the engine itself does not believe in `piece`; None where it does, or does not tell."""
    sure = piece.log_probability
    if sure is None:
        return None
    if sure < _GUESSED:
        return f"a guess (log probability {sure:.2f})"
    if sure < _UNSURE and piece.no_speech is not None and piece.no_speech > _NO_SPEECH:
        return f"silence (no speech {piece.no_speech:.2f}, log probability {sure:.2f})"
    return None


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a piece and what belongs to them.

    Attributes:
        piece: The piece.
        texts: Its words.
        joint: What stands between two of them.
        timed: Whether the piece has a time for each.
    """

    piece: Piece
    texts: list[str]
    joint: str
    timed: bool

    @staticmethod
    def of(piece: Piece) -> _Words:
        texts, timed = piece.text.split(), [word.text for word in piece.words]
        if timed and timed != texts and "".join(timed) == "".join(texts):
            return _Words(piece, timed, "", True)  # a script without blanks
        return _Words(piece, texts, " ", timed == texts and bool(timed))

    @property
    def shortest(self) -> int:
        """Words in the shortest phrase that may loop."""
        return 1 if self.joint else _SHORTEST_UNSPACED

    def only(self, kept: Sequence[int]) -> Piece:
        """The piece with these words of it, at least one, and with their times."""
        text = self.joint.join(self.texts[at] for at in kept)
        if not self.timed:
            return replace(self.piece, text=text, words=())
        words = tuple(self.piece.words[at] for at in kept)
        return replace(self.piece, text=text, words=words, end=max(self.piece.start, words[-1].end))


def _looped_once(words: Sequence[str], shortest: int) -> list[int]:
    """The places of the words that are left when a phrase of `shortest` words or more that stands three times or more
    in a row stands once; a cut-off repetition goes too."""
    keys = [_key(word) for word in words]
    out: list[int] = []
    at = 0
    while at < len(words):
        for size in range(shortest, min(_LONGEST_PHRASE, (len(words) - at) // 3) + 1):
            count = _repetitions(keys, at, size)
            if count >= 3:
                out += range(at, at + size)
                at += size * count
                rest = keys[at:]
                if len(rest) < size and rest == keys[at - size : at - size + len(rest)]:
                    at = len(words)
                break
        else:
            out.append(at)
            at += 1
    return out


def _key(text: str) -> str:
    """What two words are compared by: letters and digits, without case."""
    return "".join(filter(str.isalnum, text)).lower()


def _repetitions(keys: list[str], at: int, size: int) -> int:
    """How often the phrase of `size` words at `at` stands there in a row."""
    phrase = keys[at : at + size]
    count = 1
    while keys[at + size * count : at + size * (count + 1)] == phrase:
        count += 1
    return count
