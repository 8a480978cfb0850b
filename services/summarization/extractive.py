"""The built-in engine: the sentences that matter, decisions, action items and open questions, as they were said.

Pure Python, no model, nothing invented: everything in the summary is in the transcript. For languages other than
English it ranks sentences only, because its rules for the rest are English.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.library.segments import Segment
from services.models.options import SummaryOptions
from services.summarization import decisions, questions, ranking, tidy, topics, words
from services.summarization.actions import ActionFinder
from services.summarization.engine import ActionItem, Summary, Watch, has_speech, heading
from services.summarization.people import People
from services.summarization.sentences import Sentence, cased, sentences

_SAMPLE_WORDS = 3000
_FEW_WORDS = 20
"""With fewer words than this the language that was named is a better guide than the words."""

_TOPICS = 6
_LISTED = 0.7
"""What a sentence weighs in the summary that stands as a decision, action item or question below."""

_SAME = 0.6


class Extractive:
    """Implements `services.summarization.engine.SummaryEngine`."""

    def load(
        self, model: Path | None, transcript: Sequence[Segment], options: SummaryOptions, watch: Watch
    ) -> dict[str, Any]:
        """There is nothing to load."""
        return {}

    def unload(self) -> None:
        """There is nothing to unload."""

    def summarize(self, transcript: Sequence[Segment], title: str, date: str, language: str, watch: Watch) -> Summary:
        """See `SummaryEngine`. Takes about 4 s of one core for ten hours of talk."""
        if not has_speech(transcript):
            summary = Summary(heading(title, "", date))
        else:
            summary = _summary(transcript, title, date, speaks_english(transcript, language), watch)
        watch.text(summary.markdown)
        return summary


def speaks_english(transcript: Sequence[Segment], language: str) -> bool:
    """Whether the English rules apply: the language says so or is not known, and the words look like it."""
    if language.lower()[:2] not in ("", "en"):
        return False
    sample: list[str] = []
    for segment in transcript:
        sample.extend(words.tokens(segment.text))
        if len(sample) >= _SAMPLE_WORDS:
            break
    return (bool(language) and len(sample) < _FEW_WORDS) or words.is_english(sample)


def digest(transcript: Sequence[Segment], limit: int, language: str, check: Callable[[], None]) -> list[str]:
    """The most telling sentences of a transcript, `Speaker: text`, about `limit` words of them."""
    english = speaks_english(transcript, language)
    said = sentences(transcript, english=english)
    chosen = ranking.choose(said, limit, english=english, worth=lambda _: 1.0, check=check)
    return [_line(said[index], english) for index in chosen or range(min(1, len(said)))]


@dataclass(frozen=True, slots=True)
class _Results:
    """What came out of a meeting. Each list has the index of its sentence beside the item."""

    decisions: list[tuple[int, str]] = field(default_factory=list)
    actions: list[tuple[int, ActionItem]] = field(default_factory=list)
    questions: list[tuple[int, str]] = field(default_factory=list)
    phrases: list[str] = field(default_factory=list)

    @property
    def listed(self) -> set[int]:
        """The sentences that stand in one of the lists."""
        return {index for found in (self.decisions, self.actions, self.questions) for index, _ in found}


def _summary(transcript: Sequence[Segment], title: str, date: str, english: bool, watch: Watch) -> Summary:
    said = sentences(transcript, english=english)
    if not said:
        return Summary(heading(title, "", date))  # nothing but "um"
    spoken = sum(_length(sentence.text) for sentence in said)
    watch.progress(1, 3, "reading")
    found = _results(said, spoken, People(said, cased=cased(transcript)), date, watch) if english else _Results()
    listed = found.listed
    watch.progress(2, 3, "choosing")
    chosen = ranking.choose(
        said,
        ranking.budget(spoken),
        english=english,
        worth=lambda index: _LISTED if index in listed else 1.0,
        check=watch.check,
    )
    suggestion = topics.title(found.phrases)
    watch.progress(3, 3, "choosing")
    return Summary(
        title=heading(title, suggestion, date),
        suggestion=suggestion,
        text=_text(said, chosen or [0], found.phrases, english),
        decisions=tuple(text for _, text in found.decisions),
        actions=tuple(item for _, item in found.actions),
        questions=tuple(text for _, text in found.questions),
    )


def _results(said: Sequence[Sentence], spoken: int, people: People, date: str, watch: Watch) -> _Results:
    """Decisions, action items, open questions and key phrases of an English meeting of `spoken` words."""
    tasks = _tasks(said, people, date, _at_most(spoken, 400, 6, 30), watch.check)
    taken = {index for index, _ in tasks}
    settled = {
        found.index: found
        for found in decisions.find(said, watch.check)
        if found.points >= decisions.NAMED or found.index not in taken
    }
    asked = {found.index: found for found in questions.find(said, watch.check) if found.index not in taken}
    kept = _strongest(said, {index: found.points for index, found in settled.items()}, _at_most(spoken, 600, 5, 25))
    opened = _strongest(said, {index: found.points for index, found in asked.items()}, _at_most(spoken, 900, 4, 15))
    return _Results(
        decisions=[(index, _tidied(settled[index].text)) for index in kept],
        actions=tasks,
        questions=[(index, _tidied(said[index].text)) for index in opened],
        phrases=topics.key_phrases(said, people.lower_names, _TOPICS, watch.check),
    )


def _text(said: Sequence[Sentence], chosen: Iterable[int], phrases: Sequence[str], english: bool) -> str:
    lines = [f"- {_line(said[index], english)}" for index in chosen]
    about = [f"Topics: {', '.join(phrases)}.", ""] if len(phrases) > 1 else []
    return "\n".join(about + lines)


def _line(sentence: Sentence, english: bool) -> str:
    shown = _tidied(sentence.text) if english else sentence.text
    return f"{sentence.speaker}: {shown}" if sentence.speaker else shown


def _tidied(text: str) -> str:
    return tidy.as_sentence(tidy.without_opener(text))


def _length(text: str) -> int:
    """Words of a text; for scripts without spaces two characters count as one."""
    return len(text) // 2 if words.unspaced(text) else len(text.split())


def _at_most(spoken: int, words_each: int, least: int, most: int) -> int:
    """Length of a list: one item in `words_each` words, within limits: nobody wants to read a second transcript."""
    return min(most, max(least, spoken // words_each))


def _tasks(
    said: Sequence[Sentence], people: People, date: str, most: int, check: Callable[[], None]
) -> list[tuple[int, ActionItem]]:
    found = list(ActionFinder(said, people, date).find(check))
    kept: list[tuple[int, ActionItem]] = []
    bags: list[set[str]] = []
    for task in sorted(found, key=lambda task: (-task.points, task.index)):
        bag = set(words.content(words.tokens(task.item.what), english=True))
        if len(kept) == most:
            break
        if not any(_alike(bag, other) for other in bags):
            kept.append((task.index, task.item))
            bags.append(bag)
    return sorted(kept, key=lambda pair: pair[0])


def _strongest(said: Sequence[Sentence], points: Mapping[int, float], most: int) -> list[int]:
    """The `most` surest sentences by their points, none said twice, in the order of the meeting."""
    kept: list[int] = []
    bags: list[set[str]] = []
    for index in sorted(points, key=lambda index: (-points[index], index)):
        bag = set(words.content(words.tokens(said[index].text), english=True))
        if len(kept) == most:
            break
        if not any(_alike(bag, other) for other in bags):
            kept.append(index)
            bags.append(bag)
    return sorted(kept)


def _alike(a: set[str], b: set[str]) -> bool:
    return len(a & b) >= _SAME * max(1, len(a | b))
