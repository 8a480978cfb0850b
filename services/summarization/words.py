"""Words of any script, their stems, and whether a text is English."""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.summarization.english import FUNCTION_WORDS, STOP_WORDS

# Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_UNSPACED}]+|(?:[^\W_{_UNSPACED}]+(?:['-][^\W_{_UNSPACED}]+)*)")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_ENGLISH_SHARE = 0.25


def tokens(text: str) -> list[str]:
    """The words of `text` in lower case. A run of an unspaced script gives its pairs of characters instead:
    pairs of Han characters are about as good as words for telling what a text is about."""
    found: list[str] = []
    for match in _TOKEN.finditer(text.lower().replace("’", "'")):
        word = match[0]
        if len(word) > 1 and _IS_UNSPACED.match(word):
            found.extend(word[i : i + 2] for i in range(len(word) - 1))
        else:
            found.append(word)
    return found


def unspaced(text: str) -> bool:
    """Whether `text` is mostly in a script without spaces between words."""
    return 2 * len(_IS_UNSPACED.findall(text)) > sum(character.isalnum() for character in text)


def is_english(words: Iterable[str]) -> bool:
    """Whether words of a text look like English: by the share of its function words.

    About 45% of the words of English talk are function words; French, Spanish, German or Dutch texts share
    so few of them (`in`, `was`, `me`) that they stay below 10%.
    """
    total = hits = 0
    for word in words:
        total += 1
        hits += word in FUNCTION_WORDS
    return total == 0 or hits / total >= _ENGLISH_SHARE


def stem(word: str) -> str:
    """`word` without the commonest English endings, so that `battery`, `batteries` count as one."""
    if len(word) > 3 and word.endswith("'s"):
        word = word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            word = word[: -len(ending)]
            return word[:-1] if word[-1] == word[-2] and word[-1] not in "lsz" else word
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def content(words: Iterable[str], *, english: bool) -> list[str]:
    """The words that carry meaning, stemmed where the text is English."""
    if not english:
        return [word for word in words if len(word) > 1]
    return [stem(word) for word in words if word not in STOP_WORDS and (len(word) > 1 or word.isdigit())]
