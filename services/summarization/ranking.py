"""Which sentences stand for the whole.

A summary should cover the concepts that a meeting keeps coming back to, and each of them once. Concepts are content
words and pairs of neighbouring ones, weighted by the logarithm of the number of sentences that use them (Gillick and
Favre 2009, "A Scalable Global Model for Summarization"). Sentences are taken greedily by newly covered weight against
the square root of their length (Lin and Bilmes 2010, "Multi-document Summarization via Budgeted Maximization of
Submodular Functions"); gains only shrink, so a heap that is refreshed at its top suffices (Minoux 1978). Each sentence
is looked at a few times: the cost grows with the length of the meeting, not with its square.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.summarization import tidy, words
from services.summarization.sentences import Sentence

_PAIR = 1.5
"""A pair of words says more than either: it weighs so much more."""

_COVERED = 0.3
"""What a concept is still worth each time that it comes again."""

_EDGE = 0.05
"""Openings state the purpose and endings sum up: sentences within this share of either end weigh up to twice."""

_TURN = 0.2
"""Who holds the floor is explaining something: the weight of the logarithm of the sentences in a turn."""

_DANGLING = re.compile(
    r"^(?:it|that|this|they|them|these|those|he|she|which|there|because|'cause|if|or|than|not)\b", re.IGNORECASE
)
_DANGLING_WORTH = 0.7
_QUESTION_WORTH = 0.5
_SHORTEST, _LONGEST = 6, 45
_FEWEST_CONTENT = 3

Concept = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Candidate:
    concepts: frozenset[Concept]
    size: int
    factor: float


def budget(spoken: int) -> int:
    """Words that a summary of `spoken` words may have: 60 for a minute and a half, 150 for half an hour, and 65 more
    for every tenfold length."""
    return max(25, round(65 * math.log10(max(10, spoken)) - 90))


def choose(
    sentences: Sequence[Sentence],
    limit: int,
    *,
    english: bool,
    worth: Callable[[int], float],
    check: Callable[[], None],
) -> list[int]:
    """The indices of the sentences that cover most, in the order of the meeting.

    Args:
        sentences: All sentences, in order.
        limit: Words to choose, overdrawn by 15% at the most.
        english: Whether English stop words apply.
        worth: A factor for a sentence's index; 0 excludes it.
        check: Called now and then; raises to stop.
    """
    turns = _turn_lengths(sentences)
    bags: dict[int, _Candidate] = {}
    frequency: Counter[Concept] = Counter()
    for index, sentence in enumerate(sentences):
        if index % 200 == 0:
            check()
        spoken = words.tokens(tidy.without_opener(sentence.text) if english else sentence.text)
        about = words.content(spoken, english=english)
        concepts: frozenset[Concept] = frozenset(about) | frozenset(zip(about, about[1:], strict=False))
        frequency.update(concepts)
        size = len(spoken) // 2 if words.unspaced(sentence.text) else len(spoken)
        if not _SHORTEST <= size <= _LONGEST or len(about) < _FEWEST_CONTENT:
            continue
        factor = _place(index / len(sentences)) * (1 + _TURN * math.log1p(turns[index])) * worth(index)
        factor *= _QUESTION_WORTH if sentence.text.endswith(("?", "？", "؟")) else 1.0
        factor *= _DANGLING_WORTH if english and _DANGLING.match(sentence.text) else 1.0
        if factor > 0:
            bags[index] = _Candidate(concepts, size, factor)
    weights = {concept: _weight(concept, count, len(sentences), english) for concept, count in frequency.items()}
    return _greedy(bags, weights, limit, check)


def _greedy(
    bags: dict[int, _Candidate], weights: dict[Concept, float], limit: int, check: Callable[[], None]
) -> list[int]:
    covered: Counter[Concept] = Counter()

    def gain(bag: _Candidate) -> float:
        new = sum(weights[concept] * _COVERED ** covered[concept] for concept in bag.concepts)
        return bag.factor * new / math.sqrt(bag.size)

    heap = [(-gain(bag), index) for index, bag in bags.items()]
    heapq.heapify(heap)
    chosen: list[int] = []
    used = 0
    while heap and used < limit:
        check()
        _, index = heapq.heappop(heap)
        bag = bags[index]
        now = -gain(bag)
        if heap and now > heap[0][0]:
            heapq.heappush(heap, (now, index))
        elif used == 0 or used + bag.size <= 1.15 * limit:
            chosen.append(index)
            used += bag.size
            covered.update(bag.concepts)
    return sorted(chosen)


def _weight(concept: Concept, count: int, sentences: int, english: bool) -> float:
    # Something said only once is hardly what the meeting was about, yet decides where everything is said only once.
    weight = math.log(count) + 0.1
    if not english:
        # Without a list of stop words, what stands everywhere must lose its weight by itself.
        weight *= math.log(sentences / count + 1e-9) if count < sentences else 0.0
    return max(0.0, weight) * (_PAIR if isinstance(concept, tuple) else 1.0)


def _place(position: float) -> float:
    return 1 + math.exp(-position / _EDGE) + math.exp(-(1 - position) / _EDGE)


def _turn_lengths(sentences: Sequence[Sentence]) -> list[int]:
    lengths = [0] * len(sentences)
    begin = 0
    for index in range(1, len(sentences) + 1):
        if index == len(sentences) or sentences[index].speaker != sentences[begin].speaker:
            lengths[begin:index] = [index - begin] * (index - begin)
            begin = index
    return lengths
