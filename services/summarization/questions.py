"""Open questions in talk: what was asked and not answered at once, and what people said they do not know yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.summarization import words
from services.summarization.sentences import Sentence


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_WH = r"(?:if|whether|who|what|when|where|why|how|which)"
_OPEN = _any(
    r"\b(?:we|i|they|someone|somebody)(?:'ll|\s+will)?\s+(?:still|yet|first|also|\s)*(?:need|needs|have|has) to "
    rf"(?:find out|figure out|clarify|work out|determine|decide|establish) (?:{_WH}|on)\b",
    r"\b(?:it's|it is|that's|that is|it remains|still)\s+(?:still\s+|not\s+(?:yet\s+)?|quite\s+|a bit\s+)*"
    r"(?:unclear|undecided|not clear|clear yet|(?:an )?open question|to be (?:decided|determined|seen|confirmed))\b",
    r"\b(?:the|an?|one|another|my|main|big)\s+(?:\w+\s+)?(?:open\s+)?question\s+(?:is|was|remains)\s+(?:still\s+)?"
    rf"{_WH}\b",
    r"\bopen questions?\b",
    rf"\bwe(?:'re|\s+are)\s+(?:still\s+)?not (?:yet\s+)?(?:\w+\s+)?(?:sure|clear|certain) (?:yet\s+)?{_WH}\b",
    r"\bi(?:'m|\s+am)\s+(?:still\s+)?not (?:\w+\s+)?(?:sure|clear|certain) (?:yet\s+)?(?:if|whether|who|when|which) "
    r"(?:we|our|the|they|it|there|that)\b",
    r"\b(?:we|nobody|no one)\s+(?:still\s+)?(?:don't|doesn't|do not|does not)?\s*(?:yet\s+)?knows? "
    r"(?:yet\s+)?(?:if|whether|who|when|where|why|how much|how many|how long|which)\b",
    r"\bwe (?:haven't|have not|didn't|did not)\s+(?:yet\s+|really\s+)?"
    r"(?:decided|agreed|settled|figured out|found out|worked out|resolved)\b",
)
_ASKS_WITHOUT_MARK = _any(
    r"^(?:who|what|when|where|why|which|how)\s+(?:\w+\s+){0,2}?"
    r"(?:is|are|was|were|do|does|did|will|would|can|could|should|shall|have|has)\b",
    r"^(?:do|does|did|is|are|will|can|could|should|shall|have|has)\s+"
    r"(?:we|they|it|he|she|the|that|this|there|anyone|anybody)\b",
)
_UNSURE = _any(
    r"\b(?:don't know|do not know|no idea|not sure|not certain|good question|open question|hard to say)\b",
    r"\b(?:have|need) to (?:check|ask|see|find out)\b|\b(?:let me|i'll) (?:check|ask|find out)\b|\bfind out\b",
    r"\bwe(?:'ll| will) see\b|\b(?:come|get) back to (?:that|it|this)\b|\b(?:park|table) (?:that|it)\b",
    r"\bhaven't (?:decided|thought|figured)\b|\b(?:nobody|who) knows\b",
)
_RHETORICAL = _any(
    r"^(?:any|other|more|further|no)\s+(?:\w+\s+)?(?:questions?|comments?|thoughts?|ideas?|issues?)\b",
    r"^is that (?:okay|ok|right|clear|it|alright|good|correct)\b|^is it (?:on|working)\b|^isn't it\b",
    r"^is there any(?:thing| other)\b|^does that make sense\b|^how are you\b|^who's next\b",
    r"^what(?:'s (?:that|this)| do you think| about you| am i| are you)\b|^where am i\b|^why not\b",
    r"^(?:right|okay|you know|sorry|pardon|really|ready|shall we)\b",
    r"^do you (?:know|see|mean|want)\b|^(?:have|are|did|would|could|can) you\b|^(?:can|may|should|am|do|did) i\b",
    r"^do(?:es)? (?:anyone|anybody|everyone|everybody) (?:have|want|else|agree|know)\b",
)
_BARE_YES_NO = re.compile(
    r"^(?:yes|yeah|yep|yup|no|nope|nah|sure|of course|exactly|absolutely|definitely|correct|right|okay|ok|i think|"
    r"i guess|i would|probably|maybe)\b",
    re.IGNORECASE,
)
_AHEAD = _any(
    r"\b(?:should|shall|will|do|can|could|are|would|must|may) "
    r"(?:we|they|it|the|our|this|that|anyone|somebody|someone)\b",
    r"\bwho(?:'s|'ll| is| will| should| can| has| owns)\b|\b(?:what|how) about (?:the|our)\b",
    r"\bwhen (?:is|does|will)\b|\bhow (?:much|many|long|far|soon)\b",
)
_TAG = re.compile(
    r"\b(?:right|no|okay|yeah|huh|then|don't you think|do you think|isn't it|or what|or not|or something)\s*\?$",
    re.IGNORECASE,
)
_ANSWER_SECONDS = 10.0
_REPLY_SENTENCES = 3
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """An open question: the index of its sentence and its points."""

    index: int
    points: float


def asks(sentence: Sentence) -> bool:
    """Whether a sentence is a question, also where the recogniser writes no question marks."""
    text = sentence.text
    return text.endswith(("?", "？", "؟")) or _ASKS_WITHOUT_MARK.match(text) is not None


def find(sentences: Sequence[Sentence], check: Callable[[], None]) -> Iterator[Asked]:
    """The open questions, in order."""
    for index, sentence in enumerate(sentences):
        if index % 200 == 0:
            check()
        points = _points(sentences, index, sentence)
        if points > 0:
            yield Asked(index, points)


def _points(sentences: Sequence[Sentence], index: int, sentence: Sentence) -> float:
    spoken = words.tokens(sentence.text)
    about = set(words.content(spoken, english=True))
    if len(spoken) > _LONGEST or len(spoken) < 4:
        return 0.0
    if _OPEN.search(sentence.text):
        return 3.0 if len(about) >= 2 else 0.0
    if len(about) < 2 or not asks(sentence) or _RHETORICAL.match(sentence.text) or _TAG.search(sentence.text):
        return 0.0
    return _unanswered(sentences, index, about)


def _unanswered(sentences: Sequence[Sentence], index: int, about: set[str]) -> float:
    """2 where the reply was that nobody knows, 1 where a question about what is to come got no reply, else 0."""
    asked = sentences[index]
    reply = _reply(sentences, index)
    if reply is None:
        return 0.0
    if any(_UNSURE.search(sentence.text) for sentence in reply[:2]):
        return 2.0
    if not _AHEAD.search(asked.text) or any(_BARE_YES_NO.match(sentence.text) for sentence in reply[:1]):
        return 0.0
    said = words.content(words.tokens(" ".join(sentence.text for sentence in reply)), english=True)
    return 1.0 if len(said) < 2 and not about & set(said) else 0.0


def _reply(sentences: Sequence[Sentence], index: int) -> list[Sentence] | None:
    """The next three sentences of others, as far as they come at once; None where the speaker goes on talking."""
    asked = sentences[index]
    found: list[Sentence] = []
    for later in sentences[index + 1 : index + 7]:
        if later.start - asked.end > _ANSWER_SECONDS and not found:
            break
        if asked.speaker and later.speaker == asked.speaker and not found:
            if not asks(later):
                return None
            continue
        found.append(later)
        if len(found) == _REPLY_SENTENCES:
            break
    return found
