"""Who can own an action item: names that occur in a transcript, and the labels of its speakers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from services.summarization.english import CALENDAR, FIRST_NAMES, STOP_WORDS
from services.summarization.sentences import Sentence

_NOT_NAMES = CALENDAR | frozenset("english german french spanish italian chinese internet web".split())
_CAPITAL = re.compile(r"(?<=[\w,] )([A-Z][a-zà-öø-ÿ]+(?:[A-Z][a-z]+)?)\b")
_WORD = re.compile(r"[^\W\d_]+")
_INTRODUCED = re.compile(
    r"\b(?:my name is|my name's|this is|i'm|i am|thanks|thank you|hi|hello|hey|over to you)[, ]+([A-Za-zÀ-ÿ]{3,})\b",
    re.IGNORECASE,
)
_GENERIC = frozenset({"", "You", "Others"})
_MOST_NAMES = 150


class People:
    """Names and roles of one transcript.

    With capitals, a word that stands capitalised inside a sentence and never in lower case is taken for a name.
    Without capitals, common given names and introductions ("my name is ...") have to do.

    Args:
        sentences: All sentences, tidied.
        cased: Whether the recogniser writes capitals; those at the start of a tidied sentence prove nothing.

    Attributes:
        lower_names: All names, in lower case.
        pattern: A regular expression (no groups) that matches any of them, whatever its case.
    """

    def __init__(self, sentences: Sequence[Sentence], *, cased: bool) -> None:
        capital: Counter[str] = Counter()
        lower: set[str] = set()
        known: set[str] = set()
        for sentence in sentences:
            body = sentence.text
            capital.update(word for word in _CAPITAL.findall(body) if len(word) > 1)
            inside = _WORD.findall(body)
            lower.update(word for word in inside if word.islower())
            known.update(word.lower() for word in inside if word.lower() in FIRST_NAMES)
        self._cased = cased
        names = {word for word in capital if word.lower() not in lower | STOP_WORDS | _NOT_NAMES}
        if self._cased:
            names |= {word.title() for word in known - lower}
        else:
            names |= {word.title() for word in known | _introduced(sentences)}
        self._lower = lower
        self.lower_names = frozenset(name.lower() for name in names)
        self._labels = {s.speaker for s in sentences} - _GENERIC
        common = sorted(names, key=lambda name: (-capital[name], name))[:_MOST_NAMES]
        self._spelling = {name.lower(): name for name in [*common, *self._labels]}
        self.pattern = rf"(?:(?<!\bthe ){_any_of(common)}|(?:the )?{_any_of(self._labels)})"

    def spelled(self, found: str) -> str:
        """The name as it is written; the full label where a speaker is meant."""
        low = found.lower().removeprefix("the ")
        name = self._spelling.get(low, found)
        same = [label for label in self._labels if name.lower() in label.lower().split()]
        return same[0] if len(same) == 1 else name

    def looks_like_name(self, word: str) -> bool:
        """Whether the first word of a sentence may be a name that occurs only there."""
        low = word.lower()
        return (
            self._cased
            and word[:1].isupper()
            and low not in self._lower
            and low not in STOP_WORDS | _NOT_NAMES
            and not low.endswith(("s", "ing", "tion", "ment", "ly"))
        )


def _any_of(names: Iterable[str]) -> str:
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b" if longest_first else r"(?!)"


def _introduced(sentences: Sequence[Sentence]) -> set[str]:
    found: set[str] = set()
    for sentence in sentences:
        for match in _INTRODUCED.finditer(sentence.text):
            word = match[1].lower()
            by_name = match[0].lower().startswith(("my name", "over"))
            if word not in STOP_WORDS and (by_name or word in FIRST_NAMES):
                found.add(word)
    return found
