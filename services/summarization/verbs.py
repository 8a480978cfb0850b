"""What people do after a meeting, as opposed to in it: the verbs that tell an action item from talk."""

from __future__ import annotations

import re

_TASKS = """
send email e-mail mail write prepare schedule reschedule book call phone contact organise organize arrange finish
finalise finalize complete fix update review draft create test investigate circulate distribute submit order buy
purchase pay invite confirm deliver document upload post print research compare estimate analyse analyze remind
forward deploy release migrate rewrite translate hire interview ping publish negotiate sign share design implement
build verify collect gather type report install configure renew cancel announce launch recruit book edit record
coordinate evaluate measure monitor notify publish refactor register repair replace request resolve revise scan ship
summarise summarize train transfer chase escalate raise log
"""
_PHRASES = """
follow up|look into|find out|get back|get in touch|set up|take care of|work on|come up with|put together|figure out|
sort out|clean up|write up|type up|reach out|check with|check whether|check if|double check|talk to|talk with|speak to|
speak with|sit down with|meet with|bring in|hand over|take over|pick up|draw up|fill in|fill out|be responsible for|
be in charge of|deal with|give you a call|let you know|let everyone know|let them know|own|
ask the|ask our|ask my|ask them|ask him|ask her
"""
_LIGHT = """
add bring check do get give list make put run take try find read talk speak use change ask handle provide think present
discuss meet focus produce define develop decide choose continue
"""
_NEVER = """
show start begin go say skip draw explain move close stop see know have need like want guess agree admit stick love
remember leave read hear press switch watch sit stand turn click wait come pass point jump keep tell lose
"""
_IRREGULAR = {"doing": "do", "writing": "write", "putting": "put", "getting": "get", "running": "run"}

_TASK_WORDS = frozenset(_TASKS.split())
_LIGHT_WORDS = frozenset(_LIGHT.split())
_NEVER_WORDS = frozenset(_NEVER.split())
_PHRASE = re.compile(rf"^(?:{_PHRASES.replace(chr(10), '')})\b", re.IGNORECASE)
_IN_THE_ROOM = re.compile(
    r"^(?:give|tell) (?:us|me) (?:an? |the )?(?:summary|overview|idea|update|example|minute|second|hint|picture)\b|"
    r"\b(?:just now|right now|right here|over here|real quick|really quick|for a (?:second|moment|minute)|my screen|"
    r"next slide|the slides? (?:here|now)|write (?:it |that |this )?down|on the (?:board|whiteboard|screen))\b",
    re.IGNORECASE,
)


def base(word: str) -> str:
    """The infinitive of an -ing form, as far as spelling tells; other words as they are."""
    low = word.lower()
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if not low.endswith("ing") or len(low) < 6:
        return low
    bare = low[:-3]
    for guess in (bare, bare + "e", bare[:-1]):
        if guess in _TASK_WORDS or guess in _LIGHT_WORDS or guess in _NEVER_WORDS:
            return guess
    return bare


def weight(phrase: str) -> float:
    """How much the verb at the start of `phrase` looks like a task: 2 for one, 0.5 where the rest of the
    sentence must tell, 0 for an unknown verb, below 0 for things that are done in the meeting itself."""
    if _IN_THE_ROOM.search(phrase):
        return -2.0
    if _PHRASE.match(phrase):
        return 2.0
    first = phrase.split(maxsplit=1)[0] if phrase.split() else ""
    verb = base(first.strip(",.;:?!").split("'")[0])
    if verb in _TASK_WORDS:
        return 2.0
    if verb in _LIGHT_WORDS:
        return 0.5
    return -2.0 if verb in _NEVER_WORDS else 0.0
