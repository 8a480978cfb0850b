"""What a meeting was about in a few phrases, and a title made of them. English only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from services.summarization import words
from services.summarization.english import CALENDAR, STOP_WORDS
from services.summarization.sentences import Sentence

_LONGEST = 3
_FEWEST = 2
_WEIGHT = {1: 1.0, 2: 1.8, 3: 2.2}
_BEFORE_VERB = frozenset(
    "to i you we they he she it will can could would should must may don't didn't please let's i'll you'll "
    "we'll".split()
)
_TITLE_PHRASES = 3
_TITLE_LENGTH = 60


def key_phrases(
    sentences: Sequence[Sentence], names: frozenset[str], most: int, check: Callable[[], None]
) -> list[str]:
    """The phrases of up to three words that a meeting comes back to, the weightiest first.

    Counts runs of content words; one that mostly occurs inside a longer one yields to it (after the C-value of
    Frantzi, Ananiadou and Mima 2000, "Automatic recognition of multi-word terms").

    Args:
        sentences: All sentences.
        names: People, in lower case: they are no topics.
        most: How many phrases.
        check: Called now and then; raises to stop.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    acts: Counter[str] = Counter()
    shown: dict[tuple[str, ...], Counter[str]] = {}
    for index, sentence in enumerate(sentences):
        if index % 200 == 0:
            check()
        acts.update(_verbs(sentence.text))
        for run in _runs(sentence.text, names):
            for length in range(1, _LONGEST + 1):
                for begin in range(len(run) - length + 1):
                    part = run[begin : begin + length]
                    key = tuple(words.stem(word.lower()) for word in part)
                    counts[key] += 1
                    shown.setdefault(key, Counter())[" ".join(part)] += 1
    scored = sorted(_scores(counts, acts).items(), key=lambda item: (-item[1], item[0]))
    chosen: list[tuple[str, ...]] = []
    for key, _ in scored:
        if len(chosen) == most:
            break
        if not any(set(key) & set(other) for other in chosen):
            chosen.append(key)
    return [shown[key].most_common(1)[0][0] for key in chosen]


def title(phrases: Sequence[str]) -> str:
    """A title from key phrases: `Release date, login page and budget`; empty where one word is all there is to say."""
    chosen: list[str] = []
    for phrase in phrases[:_TITLE_PHRASES]:
        if len(", ".join([*chosen, phrase])) <= _TITLE_LENGTH:
            chosen.append(phrase)
    if len(" ".join(chosen).split()) < 2:
        return ""
    text = " and ".join([", ".join(chosen[:-1]), chosen[-1]]) if len(chosen) > 1 else chosen[0]
    return text[0].upper() + text[1:]


def _runs(text: str, names: frozenset[str]) -> list[list[str]]:
    """The runs of content words in a sentence, as written; the capital at its start is taken back."""
    spoken = text.replace("’", "'").split()
    runs: list[list[str]] = [[]]
    for place, raw in enumerate(spoken):
        word = raw.strip(".,;:?!\"'()[]…")
        low = word.lower()
        plain = low.removesuffix("'s")
        topical = (
            len(low) > 2
            and low not in STOP_WORDS | CALENDAR
            and plain not in names
            and not any(c.isdigit() for c in low)
        )
        if topical and not low.endswith("ly") and "'" not in plain:
            first_capital = place == 0 and word[1:].islower()
            runs[-1].append(low if first_capital else word)
        else:
            runs.append([])
        if raw[-1:] in ".,;:?!…":
            runs.append([])
    return [run for run in runs if run]


def _verbs(text: str) -> list[str]:
    """The words of a sentence that stand where verbs do."""
    spoken = words.tokens(text)
    return [words.stem(word) for before, word in zip(spoken, spoken[1:], strict=False) if before in _BEFORE_VERB]


def _scores(counts: Counter[tuple[str, ...]], acts: Counter[str]) -> dict[tuple[str, ...], float]:
    inside: Counter[tuple[str, ...]] = Counter()
    for key, count in counts.items():
        if len(key) > 1 and count >= _FEWEST:
            for length in range(1, len(key)):
                for begin in range(len(key) - length + 1):
                    part = key[begin : begin + length]
                    inside[part] = max(inside[part], count)
    return {
        key: (count - 0.8 * inside[key]) * _WEIGHT[len(key)]
        for key, count in counts.items()
        if count >= _FEWEST and 3 * acts[key[0]] < count and (len(key) > 1 or len(key[0]) > 2)
    }
