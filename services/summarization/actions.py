"""Action items in talk: who undertook or was asked to do what, by when.

Rules, not statistics: a commitment ("I'll send ..."), an assignment ("Maria will ...", "you need to ..."), a request
("can you ..., Tom?", "Tom, please ..."). Each collects points for what makes it a task - its verb, its certainty, a
named owner, a due date - and counts from `_ENOUGH` points on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.summarization import dates, verbs, words
from services.summarization.engine import ActionItem
from services.summarization.people import People
from services.summarization.sentences import Sentence

_ENOUGH = 2.5

_HEDGES = (
    r"(?:\s+(?:also|then|just|definitely|probably|maybe|perhaps|please|kindly|certainly|actually|still|now|all|both|"
    r"personally|try to|try and|go and|go ahead and|be sure to|make sure to|be able to|have to|continue to|as well))*"
)
_WILL = (
    r"(?:'ll|'m going to|'m gonna|'re going to|'re gonna|\s+(?:will|shall|am going to|am gonna|are going to|are gonna|"
    r"is going to|is gonna))"
)
_OBLIGED = (
    r"(?:'ve got to|'s got to|\s+(?:needs? to|has to|have to|must|should|ought to|got to|"
    r"is supposed to|are supposed to))"
)
_TASK = r"\s+(?P<task>[a-z].*)$"
_SIDE = (
    r",?\s+(?:and|but|so|then|while|whereas)\s+(?=(?:then\s+|maybe\s+|also\s+)?"
    r"(?:i|we|you|he|she|they|someone|somebody|{names})"
    r"(?:'ll|'m going|'re going|\s+(?:will|can|could|should|shall|must|needs?|has to|have to|am going|are going|"
    r"is going)))"
)
_NEGATED = re.compile(r"^(?:not|never|n't)\b", re.IGNORECASE)
_YES = re.compile(
    r"^(?:yes|yeah|yep|yup|sure|okay|ok|of course|will do|certainly|absolutely|no problem|alright|all right|i will|"
    r"i'll|i can|fine|good|happy to|on it|got it|done|definitely|consider it done)\b",
    re.IGNORECASE,
)
_TASK_END = re.compile(
    r"[.;?!]\s|,\s+(?:but|and then|so|okay|right|if)\b|\s+(?:because|'cause|okay\b|if that|which means|so that we)\b",
    re.IGNORECASE,
)
_ADDITION = re.compile(r",?\s+(?:as well|too|also|then|though|please|right|okay|yes|I think|you know)$", re.IGNORECASE)
_DEPENDS = re.compile(
    r"\bif\b|\b(?:how|when|whenever|where|what|why|until|before|once|after|as|than|unless|whether|which|who|only|say|"
    r"says|said)\s*$",
    re.IGNORECASE,
)
_TAG = re.compile(r"\b(?:okay|ok|right|alright|all right|yes|yeah|is that (?:okay|alright|fine))\?$", re.IGNORECASE)
_TAIL = 0.8
_ANSWER_SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class Found:
    """An action item with the sentence that it comes from and its points."""

    item: ActionItem
    index: int
    points: float


@dataclass(frozen=True, slots=True)
class _Rule:
    """A form in which tasks are given. Groups of the pattern: `who` (may be missing) and `task`."""

    pattern: re.Pattern[str]
    owner: str  # "who", "speaker", "addressee" or "" where nobody is named
    points: float
    asks: bool = False


def _rules(names: str) -> list[_Rule]:
    def rule(pattern: str, owner: str, points: float, *, asks: bool = False) -> _Rule:
        whole = pattern.replace("{names}", names).replace("{who}", f"(?P<who>{names})")
        return _Rule(re.compile(whole, re.IGNORECASE), owner, points, asks)

    modal = rf"(?:{_WILL}|{_OBLIGED}){_HEDGES}{_TASK}"
    ask = r"(?:(?:can|could|would|will) you(?: please)?|please|I need you to|I'd like you to)"
    order = r"(?:I need you to|I'd like you to|I want you to|make sure (?:that )?you|don't forget to|remember to)"
    return [
        rule(rf"\bI{_WILL}{_HEDGES}{_TASK}", "speaker", 1.5),
        rule(rf"\bI{_OBLIGED}{_HEDGES}{_TASK}", "speaker", 1.0),
        rule(rf"\bI can{_HEDGES}{_TASK}", "speaker", 0.0),
        rule(rf"\b(?:let me|leave it to me to|I promise to|I volunteer to){_HEDGES}{_TASK}", "speaker", 0.0),
        rule(r"{who}(?:\s+(?:and\s+{names}|team|here))?" + modal, "who", 2.0),
        rule(r"{who}\s+(?:has\s+)?(?:agreed|offered|promised|volunteered|wants|undertook) to" + _TASK, "who", 2.0),
        rule(r"{who}\s+(?:is|are)\s+(?:responsible for|in charge of|taking care of)\s+(?P<task>.+)$", "who", 3.5),
        rule(rf"{{who}},?\s+{ask}{_HEDGES}{_TASK}", "who", 2.0, asks=True),
        rule(r"\b(?:ask|get|have|tell|remind)\s+{who}\s+to" + _TASK, "who", 1.5),
        rule(rf"\b(?:can|could)\s+{{who}}{_HEDGES}{_TASK}", "who", 1.5, asks=True),
        rule(rf"\b(?:(?:can|could|will) you|would you (?:please|mind)){_HEDGES}{_TASK}", "addressee", 1.0, asks=True),
        rule(r"\byou" + modal, "addressee", 0.5),
        rule(rf"\b{order}{_HEDGES}{_TASK}", "addressee", 1.0, asks=True),
        rule(rf"^please{_HEDGES}{_TASK}", "addressee", 1.0, asks=True),
        rule(r"\b(?:someone|somebody|everyone|everybody)" + modal, "", 0.5),
        rule(r"\bwe" + modal, "", 0.5),
        rule(
            r"\b(?:action item|action point|to-?do|next step)s?"
            r"(?:\s+(?:is|are|would be)|\s+for {who}(?:\s+is)?:?|:)(?:\s+to)?" + _TASK,
            "who",
            2.0,
        ),
    ]


_ANYBODY = _Rule(re.compile(rf"(?P<who>\w+)(?:{_WILL}|{_OBLIGED}){_HEDGES}{_TASK}"), "who", 1.0)


class ActionFinder:
    """Finds action items, sentence by sentence.

    Args:
        sentences: All sentences of the transcript, in order.
        people: Who can own an item.
        date: Day of the meeting, ISO 8601, so that `tomorrow` can be dated; may be empty.
    """

    def __init__(self, sentences: Sequence[Sentence], people: People, date: str) -> None:
        self._sentences = sentences
        self._people = people
        self._date = date
        self._rules = _rules(people.pattern)
        self._side = re.compile(_SIDE.replace("{names}", people.pattern), re.IGNORECASE)
        self._vocative_end = re.compile(rf",?\s+(?P<who>{people.pattern})\s*[?.!]*$", re.IGNORECASE)
        self._speakers = sorted({s.speaker for s in sentences if s.speaker})

    def find(self, check: Callable[[], None]) -> Iterator[Found]:
        """All action items, in order."""
        for index, sentence in enumerate(self._sentences):
            if index % 200 == 0:
                check()
            for clause in self._side.split(sentence.text):
                found = self._in_clause(clause.strip(), index)
                if found is not None:
                    yield found

    def _in_clause(self, clause: str, index: int) -> Found | None:
        best: Found | None = None
        for rule in self._rules:
            match = rule.pattern.search(clause)
            if match is None:
                continue
            found = self._judge(rule, match, clause, index)
            if found is not None and (best is None or found.points > best.points):
                best = found
        return best or self._unknown_name(clause, index)

    def _unknown_name(self, clause: str, index: int) -> Found | None:
        """`Priyanka will prepare the slides`, where that name occurs only here."""
        first = clause.split(maxsplit=1)[0] if clause else ""
        if not self._people.looks_like_name(first):
            return None
        match = _ANYBODY.pattern.match(clause)
        return self._judge(_ANYBODY, match, clause, index) if match else None

    def _judge(self, rule: _Rule, match: re.Match[str], clause: str, index: int) -> Found | None:
        task = match["task"].strip(" .,!?;:")
        if _NEGATED.match(task) or not _stated(rule, clause, match.start()):
            return None
        owner, task = self._owner(rule, match, task, index)
        due = dates.find(task) or dates.find(clause[: match.start()])
        said = due.text if due is not None else ""
        if due is not None and task[due.start : due.end].strip() == said:
            task = dates.without(task, due)
        task = _plain(task)
        verb = verbs.weight(task)
        points = verb + rule.points + (0.5 if self._late(index) else 0.0)
        if said:
            points += 1.0 if verb > 0 else 0.5
        if rule.asks and self._accepted_by(index) is not None:
            points += 1.0
        points -= _vagueness(task, rule.owner == "who" or verb > 0.5)
        if points < _ENOUGH or len(task.split()) < 2:
            return None
        when = dates.absolute(said, self._date) if said else ""
        return Found(ActionItem(task[0].upper() + task[1:], owner, when), index, points)

    def _owner(self, rule: _Rule, match: re.Match[str], task: str, index: int) -> tuple[str, str]:
        """Whose task it is, and the task without the name where it was called at the end."""
        speaker = self._sentences[index].speaker
        if rule.owner == "speaker":
            return speaker, task
        if rule.owner == "who":
            who = match.groupdict().get("who")
            return (self._people.spelled(who) if who else ""), task
        if rule.owner == "addressee":
            called = self._vocative_end.search(task)
            if called is not None and called.start() > 0:
                return self._people.spelled(called["who"]), task[: called.start()].rstrip(" ,")
            accepted = self._accepted_by(index) if rule.asks else None
            if accepted:
                return accepted, task
            if len(self._speakers) == 2 and "Others" not in self._speakers and speaker in self._speakers:
                return next(name for name in self._speakers if name != speaker), task
        return "", task

    def _accepted_by(self, index: int) -> str | None:
        """Who said yes to the request in sentence `index`; None when nobody did."""
        asked = self._sentences[index]
        for later in self._sentences[index + 1 : index + 5]:
            if later.start - asked.end > _ANSWER_SECONDS:
                return None
            if later.speaker != asked.speaker or not asked.speaker:
                if _YES.match(later.text):
                    return later.speaker
                if not asked.speaker:
                    return None
        return None

    def _late(self, index: int) -> bool:
        return index >= _TAIL * len(self._sentences)


def _vagueness(task: str, telling: bool) -> float:
    """What a task loses that names no thing: nobody knows later what "look into that" meant.

    Args:
        task: The task without its date.
        telling: Whether its owner or its verb says enough beside one word.
    """
    about = len(set(words.content(words.tokens(task)[1:], english=True)))
    if about == 0:
        return 1.5
    return 0.5 if about == 1 and not telling else 0.0


def _stated(rule: _Rule, clause: str, at: int) -> bool:
    """Whether the clause states the task, rather than asking about it or making it depend on something."""
    before = clause[:at]
    if _DEPENDS.search(before):
        return False
    return rule.asks or not clause.endswith("?") or _TAG.search(clause) is not None


def _plain(task: str) -> str:
    """A task in the infinitive, up to where the next thought begins."""
    task = _TASK_END.split(task, maxsplit=1)[0]
    progressive = re.match(r"be\s+([a-z]+ing)\b(.*)$", task, re.IGNORECASE)
    if progressive:
        task = verbs.base(progressive[1]) + progressive[2]
    return _ADDITION.sub("", task.strip(" .,!?;:")).strip(" .,!?;:")
