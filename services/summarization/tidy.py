"""Spoken English made readable: no fillers, no stutter, no false starts. Nothing is rephrased."""

from __future__ import annotations

import re

_FILLER = re.compile(
    r"(?<![\w'-])(?:u+h+m*|u+m+|e+r+m*|a+h+|h+m+|m+h*m+|mm-hmm|uh-huh)(?![\w'-])(?:\s*,)?", re.IGNORECASE
)
_HEDGE = re.compile(
    r"(?:^|(?<=,)|(?<=\s))\s*\b(?:you know|i mean|you see|sort of like|kind of like),(?=\s|$)", re.IGNORECASE
)
_BROKEN = re.compile(r"(?<![\w-])[^\W\d_]{1,7}-(?=[\s,.;?!]|$)")
_TWICE = re.compile(r"\b([a-z']+(?:\s[a-z']+){0,3})(?:[\s,]+\1\b)+", re.IGNORECASE)
_CUT_PRONOUN = re.compile(r"\b(i|we|you|he|she|it|they|that|there|what|let)\s+(?=\1'[a-z]+)", re.IGNORECASE)
_COUNTS = frozenset("zero one two three four five six seven eight nine ten oh double triple o".split())
_OPENER = re.compile(
    r"^(?:(?:okay|ok|'?kay|alright|all right|yeah|yep|yes|and|but|anyway|basically|also|oh|hey|because|'cause|or|mm|"
    r"well(?! known| done)|so(?! far| that| much| many| long| on)|now(?! that)|then(?! again))(?:\s*[,;.]+\s*|\s+)|"
    r"(?:right|actually|i mean|you know|you see|like|good|great|fine|cool|sure|excellent|perfect)\s*[,;.]+\s*)+",
    re.IGNORECASE,
)
_LONE_I = re.compile(r"\bi(?=\b(?!\.))(?!-)")
_SPACE_BEFORE = re.compile(r"\s+([,.;:?!…])")
_COMMAS = re.compile(r",(?:\s*,)+")
_COMMA_END = re.compile(r",\s*([.?!;:])")


def _once(match: re.Match[str]) -> str:
    """A repetition said once, unless it is a number being spelled."""
    words = match[1].lower().split()
    return match[0] if all(word in _COUNTS for word in words) else match[1]


def without_disfluency(text: str) -> str:
    """`text` without fillers, stutter and words that were broken off."""
    text = _FILLER.sub(" ", text)
    text = _BROKEN.sub(" ", text)
    text = " ".join(text.split())
    text = _HEDGE.sub("", text)
    text = _TWICE.sub(_once, text)
    text = _CUT_PRONOUN.sub("", text)
    return _punctuation(text)


def without_opener(text: str) -> str:
    """`text` without the words that only take the floor (`Okay, so`, `Yeah but`)."""
    match = _OPENER.match(text)
    rest = text[match.end() :] if match else text
    return rest if len(rest.split()) >= 2 else text


def as_sentence(text: str) -> str:
    """`text` with a capital at its start, `I` in capitals and a mark at its end."""
    text = _LONE_I.sub("I", text.strip(" ,;-"))
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!…。？！؟۔।" else text + "."


def _punctuation(text: str) -> str:
    text = _SPACE_BEFORE.sub(r"\1", " ".join(text.split()))
    text = _COMMA_END.sub(r"\1", _COMMAS.sub(",", text))
    return text.lstrip(" ,.;:")
