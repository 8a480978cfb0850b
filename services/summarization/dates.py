"""Due dates as people say them: found, and made absolute where the words leave no doubt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = rf"(?:{'|'.join(_DAYS)})"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?"
)
_ORDINAL = (
    r"(?:twenty[ -]|thirty[ -])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|"
    r"thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)"
)
_NUMBER = r"(?:\d{1,2}(?:st|nd|rd|th)?|" + _ORDINAL + ")"
_COUNT = r"(?:\d+|a|an|one|two|three|four|five|six|seven|eight|nine|ten|a couple of|a few|couple of)"
_PERIOD = r"(?:day|week|weekend|month|quarter|year|sprint|semester|term)"
_PART = r"(?:\s+(?:morning|afternoon|evening|night|noon|lunch|at\s+\d{1,2}(?::\d\d)?(?:\s*[ap]\.?m\.?)?))?"
_TIME = r"(?:noon|midday|midnight|\d{1,2}(?::\d\d)?\s*[ap]\.?m\.?|\w+ o'clock)"

_ABSOLUTE = (
    rf"{_MONTH}\s+(?:the\s+)?{_NUMBER}(?:,?\s+\d{{4}})?|(?:the\s+)?{_NUMBER}\s+(?:of\s+)?{_MONTH}(?:,?\s+\d{{4}})?|"
    r"\d{4}-\d\d-\d\d"
)
# Said without a preposition these still mean when.
_BARE = (
    rf"(?:the\s+)?day after tomorrow{_PART}|tomorrow{_PART}|tonight|today|"
    rf"(?:this|next|coming)\s+{_DAY}{_PART}|(?:early |late |later )?(?:this|next)\s+{_PERIOD}|"
    rf"{_ABSOLUTE}"
)
# These need a preposition to be a date and not a subject.
_AFTER_PREPOSITION = (
    rf"{_BARE}|(?:the\s+)?(?:coming\s+)?{_DAY}{_PART}|{_DAY}\s+(?:next\s+)?week|"
    r"(?:the\s+)?(?:end|middle|beginning|start) of (?:the\s+|this\s+|next\s+|business\s+)?"
    rf"(?:{_PERIOD}|{_MONTH}|{_DAY})|"
    rf"(?:mid|early|late)[ -](?:next\s+{_PERIOD}|{_MONTH})|"
    rf"(?:end of day|end of business|close of business|eod|eow|cob)|{_MONTH}|(?:the\s+)?{_NUMBER}(?=[\s.,]|$)|"
    rf"(?:the\s+|our\s+)?next\s+(?:meeting|call|sync|session|stand-?up|release|time)|{_TIME}|"
    r"(?:the\s+)?(?:christmas|easter|new year|holidays|deadline|launch|release)(?!\s+\w)"
)
_SPAN = rf"(?:in|within)\s+(?:the\s+next\s+)?{_COUNT}\s+(?:hours?|days?|weeks?|months?)(?:'?\s+time)?"
_DUE = re.compile(
    rf"\b(?:(?:(?:no later than|not later than|due(?:\s+(?:on|by))?|by|before|until|till|on|at|for|in|from)\s+"
    rf"(?:the\s+)?(?:{_AFTER_PREPOSITION}))|{_SPAN}|{_BARE}|as soon as possible|a\.?s\.?a\.?p\.?)(?![\w-])",
    re.IGNORECASE,
)
_PAST = re.compile(r"\b(?:last|ago|previous|yesterday)\b", re.IGNORECASE)
_WEAK_LEAD = re.compile(r"^(?:at|for|in|from|on)\s+(?:the\s+)?(?:\d{1,2}|may|march|first|second|third)$", re.IGNORECASE)
_NEXT_DAY = re.compile(rf"(?<!next )\b({_DAY})(?! (?:next )?week)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Due:
    """A date in a sentence: `text` as said, and where it stands."""

    text: str
    start: int
    end: int


def find(text: str) -> Due | None:
    """The date by which something is to be done, as said in `text`; the last one where there are several."""
    best: Due | None = None
    for match in _DUE.finditer(text):
        said = match[0]
        if _WEAK_LEAD.match(said) or _PAST.search(text[max(0, match.start() - 12) : match.end() + 6]):
            continue
        best = Due(said.strip(), match.start(), match.end())
    return best


def without(text: str, due: Due) -> str:
    """`text` with the date taken out."""
    return f"{text[: due.start].rstrip(' ,')} {text[due.end :].lstrip(' ,')}".strip()


def absolute(said: str, meeting: str) -> str:
    """`said` with the calendar date behind it where it can mean only one: `by Friday, 2026-03-20`.

    Args:
        said: A date as `find` gives it.
        meeting: Day of the meeting, ISO 8601; may be empty or carry a time.
    """
    try:
        day = date.fromisoformat(meeting[:10])
    except ValueError:
        return said
    low = said.lower()
    if "after tomorrow" in low:
        return f"{said}, {day + timedelta(days=2)}"
    if "tomorrow" in low:
        return f"{said}, {day + timedelta(days=1)}"
    if "today" in low or "tonight" in low:
        return f"{said}, {day}"
    match = _NEXT_DAY.search(low)
    if match is None or " of " in low or re.search(_ABSOLUTE, low):
        return said
    ahead = (_DAYS.index(match[1]) - day.weekday() - 1) % 7 + 1
    return f"{said}, {day + timedelta(days=ahead)}"
