"""The script of the sample meeting as data: the turns to speak, and what must be found in the result."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from services.sample import SCRIPT


@dataclass(frozen=True, slots=True)
class Voice:
    """How one person sounds.

    Attributes:
        flite: The name of a voice that comes with flite.
        stretch: Its duration, 1.0 as flite speaks it, more is slower.
        channel: 1 the microphone, 2 the others.
    """

    flite: str
    stretch: float
    channel: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What one person says in one go. `pause` is the silence before it in seconds; negative, it overlaps."""

    speaker: str
    text: str
    pause: float


@dataclass(frozen=True, slots=True)
class Expected:
    """A decision, an action item or an open question, by the words that give it away.

    Attributes:
        words: Words of it, in small letters.
        owner: Who is to do it; empty where it is no action item.
        due: Until when; empty likewise.
    """

    words: tuple[str, ...]
    owner: str = ""
    due: str = ""

    def missing(self, text: str) -> list[str]:
        """The words, owner and date among them, that `text` does not have."""
        said = set(re.findall(r"[a-z0-9']+", text.lower()))
        wanted = [*self.words, self.owner.lower(), self.due.lower()]
        return [word for word in wanted if word and word not in said]


@dataclass(frozen=True, slots=True)
class Script:
    title: str
    voices: dict[str, Voice]
    turns: tuple[Turn, ...]
    decisions: tuple[Expected, ...]
    actions: tuple[Expected, ...]
    questions: tuple[Expected, ...]

    @property
    def expected(self) -> tuple[Expected, ...]:
        return self.decisions + self.actions + self.questions


def read(path: Path = SCRIPT) -> Script:
    data = tomllib.loads(path.read_text(encoding="utf-8"))

    def expected(kind: str) -> tuple[Expected, ...]:
        return tuple(Expected(**entry | {"words": tuple(entry["words"])}) for entry in data[kind])

    return Script(
        title=data["title"],
        voices={name: Voice(**voice) for name, voice in data["voices"].items()},
        turns=tuple(Turn(**turn) for turn in data["turns"]),
        decisions=expected("decisions"),
        actions=expected("actions"),
        questions=expected("questions"),
    )
