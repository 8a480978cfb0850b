"""What an OpenAI-compatible server says about a window: checked, cleaned, and brought into our form. Nothing in it is
believed: not that it is JSON, not its times, not its texts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from services.endpoint import Answer
from services.library.segments import Word
from services.text import clean
from services.transcription.engine import Piece


def read_answer(answer: Answer, seconds: float) -> list[Piece]:
    """The pieces in an answer that was given for a window.

    Args:
        answer: `verbose_json`, `json` or plain text, whichever the server made of the request.
        seconds: Length of the window. No time is outside of it, and times never decrease.

    Raises:
        ValueError: It is none of them.
    """
    if answer.kind in ("text/html", "application/xhtml+xml"):
        raise ValueError("a web page")
    body = answer.body.decode("utf-8", "replace")
    if answer.kind == "text/plain" and not body.lstrip().startswith("{"):
        return _whole(_line(body), [], seconds)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("no JSON") from error
    told = said if isinstance(said, dict) else {"text": said}
    if isinstance(told.get("text"), str) or isinstance(told.get("segments"), list):
        return pieces_of(told, seconds)
    raise ValueError("JSON without a text")


def pieces_of(said: Mapping[str, Any], seconds: float) -> list[Piece]:
    """The pieces in what Whisper tells as `verbose_json`, which its own libraries give as plain data.

    Args:
        said: `text`, `segments` and `words` are read, as far as they are there.
        seconds: Length of the window.
    """
    heard = _words(said.get("words"), seconds)
    pieces: list[Piece] = []
    floor = 0.0
    for segment in _dicts(said.get("segments")):
        text = _line(segment.get("text"))
        if not text:
            continue
        start = _within(segment.get("start"), floor, seconds, floor)
        end = _within(segment.get("end"), start, seconds, seconds)
        words = _times_of(text.split(), _words(segment.get("words"), seconds))
        pieces.append(
            Piece(start, end, text, words, _number(segment, "avg_logprob"), _number(segment, "no_speech_prob"))
        )
        floor = start
    if not pieces:
        return _whole(_line(said.get("text")), heard, seconds)
    return pieces if any(piece.words for piece in pieces) else _with_words(pieces, heard)


def _whole(text: str, heard: list[Word], seconds: float) -> list[Piece]:
    """One piece for all of the window."""
    if not text:
        return []
    words = _times_of(text.split(), heard)
    start, end = (words[0].start, words[-1].end) if words else (0.0, seconds)
    return [Piece(start, end, text, words)]


def _with_words(pieces: list[Piece], heard: list[Word]) -> list[Piece]:
    """`pieces` with the words that were told beside them, where these are the same words."""
    words = list(_times_of([token for piece in pieces for token in piece.text.split()], heard))
    if not words:
        return pieces
    full: list[Piece] = []
    for piece in pieces:
        count = len(piece.text.split())
        own, words = tuple(words[:count]), words[count:]
        full.append(Piece(piece.start, piece.end, piece.text, own, piece.log_probability, piece.no_speech))
    return full


def _times_of(tokens: list[str], heard: list[Word]) -> tuple[Word, ...]:
    """The words of a text as they are written there, with the times of those that were told; none where they differ.

    Servers tell words without punctuation, or cut "twenty-five" in two: letters and digits decide which is which.
    """
    owners = [word for word in heard for _ in _key(word.text)]
    if "".join(map(_key, tokens)) != "".join(_key(word.text) for word in heard) or not owners:
        return ()
    words: list[Word] = []
    at = 0
    for token in tokens:
        size = len(_key(token))
        first, last = owners[min(at, len(owners) - 1)], owners[max(at + size - 1, 0)]
        start = max(first.start if size else last.end, words[-1].start if words else 0.0)
        words.append(Word(start, max(start, last.end), token))
        at += size
    return tuple(words)


def _key(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _words(told: object, seconds: float) -> list[Word]:
    words: list[Word] = []
    floor = 0.0
    for each in _dicts(told):
        text = _line(each.get("word"))
        if text:
            start = _within(each.get("start"), floor, seconds, floor)
            words.append(Word(start, _within(each.get("end"), start, seconds, start), text))
            floor = start
    return words


def _dicts(told: object) -> Iterable[Mapping[str, Any]]:
    return (each for each in told if isinstance(each, dict)) if isinstance(told, list) else ()


def _within(told: object, low: float, high: float, otherwise: float) -> float:
    """A time as it was told, inside of what can be; `otherwise` where it is no time."""
    number = _finite(told)
    return min(max(otherwise if number is None else number, low), high)


def _number(segment: Mapping[str, Any], name: str) -> float | None:
    return _finite(segment.get(name))


def _finite(told: object) -> float | None:
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    try:
        return float(told) if math.isfinite(told) else None
    except OverflowError:
        return None


def _line(told: object) -> str:
    return " ".join(clean(told).split()) if isinstance(told, str) else ""
