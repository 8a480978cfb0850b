"""What every summary engine offers, and what all of them return. Knows nothing of processes, threads or screens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from services.library.segments import Segment
from services.models.options import SummaryOptions

NO_SPEECH = "No speech was found."
"""What a summary of a transcript without words says, instead of inventing something."""


@dataclass(frozen=True, slots=True)
class ActionItem:
    """Something to do.

    Attributes:
        what: The task.
        owner: Who has it; empty where nobody was named.
        due: By when, as it was said; empty where no date was given.
    """

    what: str
    owner: str = ""
    due: str = ""

    def __str__(self) -> str:
        return (f"{self.owner}: " if self.owner else "") + self.what + (f" ({self.due})" if self.due else "")


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary, the same from every engine.

    Attributes:
        title: Title of the meeting: the one it has, or the suggestion where it has none.
        suggestion: What the meeting was about in a few words; empty where the engine has no idea.
        text: What the meeting was about, in markdown; empty where nobody spoke.
        decisions: What was decided, a sentence each.
        actions: What is to be done.
        questions: What stayed open.
    """

    title: str
    suggestion: str = ""
    text: str = ""
    decisions: tuple[str, ...] = ()
    actions: tuple[ActionItem, ...] = ()
    questions: tuple[str, ...] = ()

    @property
    def markdown(self) -> str:
        """The whole as it is stored: a title, then the sections that have something to say."""
        if not (self.text or self.decisions or self.actions or self.questions):
            return f"# {self.title}\n\n{NO_SPEECH}\n"
        sections = (
            ("Summary", self.text),
            ("Decisions", _bullets(self.decisions)),
            ("Action items", _bullets([str(action) for action in self.actions])),
            ("Open questions", _bullets(self.questions)),
        )
        parts = [f"# {self.title}", *(f"## {heading}\n\n{body}" for heading, body in sections if body)]
        return "\n\n".join(parts) + "\n"


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


@dataclass(frozen=True, slots=True)
class Watch:
    """How a summary at work keeps its caller informed.

    Attributes:
        text: Takes each piece of the summary as it is written.
        progress: Takes (done, total, what) of the work; `total` is 0 where nobody can know it.
        check: Called between small steps; raises to make the engine stop.
    """

    text: Callable[[str], None]
    progress: Callable[[float, float, str], None]
    check: Callable[[], None]


class SummaryEngine(Protocol):
    """An engine that writes summaries."""

    def load(
        self, model: Path | None, transcript: Sequence[Segment], options: SummaryOptions, watch: Watch
    ) -> dict[str, Any]:
        """Make ready for one transcript.

        Args:
            model: The model's file, for engines that have one.
            transcript: What is going to be summarised, so that the engine takes no more memory than that needs.
            options: What it may take, for engines that have a model.
            watch: Told about the loading.

        Returns:
            Facts about what was loaded, plain data.

        Raises:
            ModelError: The model is missing, damaged, or of a kind that cannot write.
            MemoryLimitError: It does not fit into the memory that there is, or that `options` allow.
        """

    def unload(self) -> None:
        """Let go of the model. Without one loaded, nothing happens."""

    def summarize(self, transcript: Sequence[Segment], title: str, date: str, language: str, watch: Watch) -> Summary:
        """Summarise a transcript.

        Args:
            transcript: All segments in order.
            title: Title of the meeting; may be empty.
            date: Day of the meeting, ISO 8601; may be empty.
            language: ISO 639-1 code; may be empty.
            watch: Receives the text as it is written.

        Raises:
            ModelError: The model wrote nothing of use.
        """


def heading(title: str, suggestion: str, date: str) -> str:
    """The title to print: the meeting's own, else the suggestion, else its day."""
    return title or suggestion or (f"Meeting of {date[:10]}" if date else "Meeting")


def has_speech(transcript: Sequence[Segment]) -> bool:
    """Whether anybody says a word."""
    return any(character.isalnum() for segment in transcript for character in segment.text)
