"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"), F1.

Lower case, letters and digits only, no stemming, no stop-word list; ROUGE-L over the whole texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Rouge:
    """F1 of unigrams, bigrams and the longest common subsequence, each from 0 to 1."""

    one: float
    two: float
    longest: float


def rouge(candidate: str, reference: str) -> Rouge:
    """The three scores of `candidate` against one `reference`."""
    ours, theirs = _WORD.findall(candidate.lower()), _WORD.findall(reference.lower())
    return Rouge(
        _f1(_overlap(ours, theirs, 1), len(ours), len(theirs)),
        _f1(_overlap(ours, theirs, 2), len(ours) - 1, len(theirs) - 1),
        _f1(_common(ours, theirs), len(ours), len(theirs)),
    )


def recall(candidate: Sequence[str], reference: Sequence[str], enough: float = 0.5) -> float:
    """The share of reference items that some candidate item covers: `enough` of the item's words are in it.

    Words of up to three letters do not count, so that articles and auxiliaries prove nothing.
    """
    sets = [_weighty(item) for item in candidate]
    hits = 0
    for item in reference:
        wanted = _weighty(item)
        hits += any(len(wanted & found) >= enough * len(wanted) for found in sets)
    return hits / len(reference) if reference else 1.0


def mean(scores: Sequence[Rouge]) -> Rouge:
    count = max(1, len(scores))
    return Rouge(
        sum(score.one for score in scores) / count,
        sum(score.two for score in scores) / count,
        sum(score.longest for score in scores) / count,
    )


def _weighty(text: str) -> set[str]:
    return {word.rstrip("s") for word in _WORD.findall(text.lower()) if len(word) > 3}


def _overlap(ours: Sequence[str], theirs: Sequence[str], n: int) -> int:
    def grams(words: Sequence[str]) -> Counter[tuple[str, ...]]:
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    return (grams(ours) & grams(theirs)).total()


def _common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Length of the longest common subsequence, in one row of memory."""
    row = [0] * (len(theirs) + 1)
    for word in ours:
        diagonal = 0
        for j, other in enumerate(theirs, start=1):
            above = row[j]
            row[j] = diagonal + 1 if word == other else max(above, row[j - 1])
            diagonal = above
    return row[-1]


def _f1(hits: int, ours: int, theirs: int) -> float:
    return 2 * hits / (ours + theirs) if hits > 0 else 0.0
