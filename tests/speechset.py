"""The shared speech set: where it is, what it holds, and how many words of it came out wrong."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.errors import CancelledError
from services.worker.handler import Json

_HERE = Path(__file__).resolve().parent


def folder() -> Path | None:
    """The set's folder, from `SOTTO_SPEECH` or beside the checkout; None when it is not there."""
    named = os.environ.get("SOTTO_SPEECH")
    found = Path(named) if named else _HERE.parent.parent / "shared" / "speech"
    return found if (found / "manifest.json").is_file() else None


def recordings(part: Path) -> list[Path]:
    """The recordings in a folder of the set, sorted: every file that is not text beside one."""
    return sorted(
        path for path in part.iterdir() if path.is_file() and path.suffix not in {".txt", ".tsv", ".rttm", ".stm"}
    )


def reference(path: Path) -> str:
    """What is said in a recording; empty where nothing is, or nobody knows."""
    text = path.with_suffix(".txt")
    return text.read_text(encoding="utf-8") if text.exists() else ""


def words(text: str) -> list[str]:
    """The words of a text without case, punctuation and hyphens. Apostrophes within a word stay."""
    flat = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    return [word for raw in re.split(r"[^\w']|_", flat) if (word := raw.strip("'"))]


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Substitutions, deletions and insertions between two lists of words (Levenshtein distance)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


def word_error_rate(said: str, heard: str) -> float:
    """Errors for every word of `said`; above 1 when more was made up than said."""
    expected = words(said)
    return word_errors(expected, words(heard)) / max(1, len(expected))


@dataclass(slots=True)
class HeldCall:
    """A worker's call without a worker: keeps what is sent. Implements `services.worker.handler.Call`.

    Attributes:
        items: What came, in order.
        steps: Every progress: done, total.
        cancelled: Set it to cancel; the host sees it at its next step.
    """

    items: list[Json] = field(default_factory=list)
    steps: list[tuple[float, float]] = field(default_factory=list)
    cancelled: bool = False

    def item(self, data: Json) -> None:
        self.items.append(data)

    def progress(self, done: float, total: float = 0.0, what: str = "") -> None:
        self.steps.append((done, total))

    def check(self) -> None:
        if self.cancelled:
            raise CancelledError("Cancelled.")

    def segments(self) -> list[Json]:
        """Of a transcription, or of captions."""
        return [
            segment
            for item in self.items
            for segment in item.get("segments", [item["segment"]] if "segment" in item else [])
        ]

    def text(self) -> str:
        return " ".join(str(segment["text"]) for segment in self.segments())
