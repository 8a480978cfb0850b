"""Names and terms that are likely to be said, from a file that a person keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.errors import UsageError
from services.text import one_line

_MOST_TERMS = 500
_LONGEST_TERM = 100

_LONGEST_PROMPT = 600
"""Letters. Whisper heeds the last 224 tokens of a prompt, about 3 letters each in names."""


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """The terms in a file: one a line, `#` begins a comment. Each once; beyond 500 the rest is left out.

    Raises:
        UsageError: It cannot be read as text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:  # a name that no file can have, too
        reason = (error.strerror if isinstance(error, OSError) else "") or "it is not text in UTF-8"
        raise UsageError(
            f"The vocabulary {one_line(str(path))} cannot be read: {reason}.", "Look at `transcription.vocabulary`."
        ) from error
    terms = (one_line(line.partition("#")[0], _LONGEST_TERM).strip() for line in lines)
    return tuple(dict.fromkeys(term for term in terms if term))[:_MOST_TERMS]


def prompt_of(terms: Sequence[str]) -> str:
    """The prompt that makes Whisper expect these terms: as many as it heeds, in their order."""
    prompt = ""
    for term in terms:
        longer = f"{prompt}, {term}" if prompt else term
        if len(longer) > _LONGEST_PROMPT:
            break
        prompt = longer
    return prompt
