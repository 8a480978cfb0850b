"""Decisions in talk: sentences that say that something was settled, and what.

The strongest cue names the deciding ("we agreed", "the decision is"), a weaker one makes a choice ("let's go with") or
a plan ("we'll use"); how things will be ("the launch will be on ...") counts only where somebody assents at once or a
date is named. Points order them, so that a list that must be short keeps the surest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.summarization import dates, words
from services.summarization.sentences import Sentence

_GROUP = (
    r"(?:we|they|everyone|everybody|(?:the|our)\s+(?:\w+\s+)?(?:team|group|board|committee|management|council|company|"
    r"client|customer|steering group|leadership))"
)
_ALSO = (
    r"(?:\s+(?:all|also|now|just|already|finally|then|both|actually|basically|definitely|only|probably|kind of|sort of|"
    r"pretty much))*"
)
_DECIDED = r"(?:decided|agreed|settled|resolved|voted|chosen|concluded|committed|approved|signed off|opted)"
_ENDED = r"(?:postponed|cancelled|canceled|approved|rejected|delayed)"
_WILL = r"(?:'ll|\s+will|\s+are going to|'re going to|'re gonna|\s+are gonna|\s+shall)"


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_NO_DECISION = (
    r"(?!know\b|have time|see\b|get\b|need\b|find\b|remember|think|be able|go (?:in|through|over)|necessarily|care|"
    r"mind|say|tell|talk|worry|really|even|understand|have to|make it|be (?:here|there))"
)

_STRONG = _any(
    rf"\b{_GROUP}(?:'ve|\s+have|\s+had|\s+has|\s+are|'re)?{_ALSO}\s+(?:been\s+)?{_DECIDED}\b",
    rf"\b(?:it|that|this)(?:'s|\s+is|\s+was|\s+has been|'s been){_ALSO}\s+(?:decided|agreed|settled|approved)\b",
    r"\b(?:the|our|that's the|that is the|a|final)\s+(?:final\s+|main\s+)?decision\s+(?:is|was|has been|will be)\b",
    r"\bdecision(?: is)?:",
    r"^(?:agreed|decided|approved|resolved)(?:[:,]|\s+(?:that|to|on))\s+\w+",
    rf"\b{_GROUP}{_ALSO}\s+agree{_ALSO}\s+(?:that|to)\b",
    r"\bthe motion (?:is |was |has been )?(?:carried|passed|agreed|approved|adopted)\b",
    rf"\b(?:{_GROUP}(?:'ve|\s+have)?|is|are|was|were|been){_ALSO}\s+{_ENDED}\b",
)
_CHOICE = _any(
    rf"\b(?:let's|{_GROUP}(?:{_WILL}|'re|\s+are|'ve|\s+have)?){_ALSO}\s+"
    r"(?:go|going|gone|went|stick|sticking|stay|staying|settle|settling)(?:\s+ahead)?\s+(?:with|for)\b",
    r"\blet's\s+(?:just\s+|then\s+|all\s+|definitely\s+|also\s+|not\s+)*"
    r"(?:use|do|keep|make|drop|adopt|ship|launch|switch|aim|plan|set|choose|pick|release|push|meet|limit|include|add|"
    r"remove|avoid|build|order|buy|hire|focus|reduce|increase|move (?!on|back|forward|along)|start selling|postpone)\b",
    r"\bwe (?:won't|will not|are not (?:going to|gonna)|aren't going to)\s+" + _NO_DECISION,
    r"\bwe're not (?:going to|gonna)\s+" + _NO_DECISION,
)
_PLAN = _any(
    rf"\bwe{_WILL}{_ALSO}\s+(?:use|have(?! to)|make|keep|take|include|launch|ship|release|sell|move|switch|put|build|"
    r"focus|limit|meet|add)\b",
    rf"\bwe're{_ALSO}\s+(?:using|making|keeping|taking|launching|shipping|moving|dropping)\b",
)
_FORECAST = _any(
    r"\b(?:the|our)\s+\w+(?:\s+\w+){0,3}\s+(?:will|is going to|are going to|shall)\s+"
    r"(?:be(?! able)|have(?! to)|cost|use|start|include|go|stay|feature|contain)\b",
)
_UNSETTLED = re.compile(
    r"\b(?:haven't|hasn't|hadn't|not|didn't|don't|never|yet to|can't|if|unless|whether|should we|shall we|do we|did we|"
    r"have we|are we|could we|why|once|until|when|before|after|would have|might|maybe|perhaps|possibly|could|want to|"
    r"would like|which|who|things|where|as well as|I don't know)\b",
    re.IGNORECASE,
)
# What is settled about the meeting itself is no decision of the meeting.
_CONDUCT = re.compile(
    r"\b(?:presentations?|agenda|minutes|slides?|quick break|lunch|coffee|first (?:item|topic|point)|introductions?|"
    r"next (?:item|question|topic|point|slide|speaker|questioner)|whiteboard|recording|powerpoint|this one more time|"
    r"drawings?|training|exercise|discussion|conversation|chat)\b",
    re.IGNORECASE,
)
_DECIDING = frozenset("decid agre settl resolv vot chosen conclud commit approv opt decision motion carri".split())
_ASSENT = re.compile(
    r"^(?:yes|yeah|yep|yup|okay|ok|agreed|exactly|absolutely|definitely|sure|great|good|perfect|sounds good|fine|"
    r"alright|all right|right|that's (?:fine|good|great|right|agreed)|i agree|we agree|cool|excellent|brilliant|"
    r"works for me)\b",
    re.IGNORECASE,
)
# "We ship on Monday, right?" is a decision where the answer is yes.
_TAG = re.compile(r",?\s+(?:right|okay|ok|yes|correct|then|is that right|agreed)\?$", re.IGNORECASE)
_LED_TO = re.compile(rf"^[^,]*,\s+so\s+(?={_GROUP}\b)", re.IGNORECASE)
_ASSENT_SECONDS = 8.0
_SHORTEST = 4
_LONGEST = 45
_ENOUGH = 1.0

NAMED = 3.0
"""Points from which on the deciding itself was named."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision.

    Attributes:
        index: Its sentence.
        points: How sure it is.
        text: What to print: the sentence, without what only led to it.
    """

    index: int
    points: float
    text: str


def find(sentences: Sequence[Sentence], check: Callable[[], None]) -> Iterator[Decided]:
    """The sentences that state a decision, in order."""
    for index, sentence in enumerate(sentences):
        if index % 200 == 0:
            check()
        points = _points(sentences, index, sentence.text)
        if points >= _ENOUGH:
            yield Decided(index, points, _LED_TO.sub("", sentence.text))


def _points(sentences: Sequence[Sentence], index: int, text: str) -> float:
    spoken = words.tokens(text)
    confirming = _TAG.search(text) is not None
    if not _SHORTEST <= len(spoken) <= _LONGEST or (text.endswith("?") and not confirming):
        return 0.0
    points = _cue(text)
    if points == 0.0 or (confirming and not _assented(sentences, index)):
        return 0.0
    about = set(words.content(spoken, english=True)) - _DECIDING
    if len(about) < (1 if points >= NAMED else 2):
        return 0.0
    if _assented(sentences, index):
        points += 1.0
    if dates.find(text) is not None:
        points += 0.5
    return points


def _cue(text: str) -> float:
    """3 for deciding that is named, 2 for a choice, 1 for a plan of ours, 0.5 for how things will be, 0 for none."""
    if _CONDUCT.search(text):
        return 0.0
    for pattern, points in ((_STRONG, NAMED), (_CHOICE, 2.0), (_PLAN, 1.0), (_FORECAST, 0.5)):
        match = pattern.search(text)
        if match is not None and not _UNSETTLED.search(text[: match.start()]):
            return points
    return 0.0


def _assented(sentences: Sequence[Sentence], index: int) -> bool:
    said = sentences[index]
    for later in sentences[index + 1 : index + 4]:
        if later.start - said.end > _ASSENT_SECONDS:
            return False
        if later.speaker != said.speaker or not said.speaker:
            return _ASSENT.match(later.text) is not None
    return False
