"""Completing a path as it is typed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_MOST = 5000
"""So many entries of a folder are looked at: enough for any folder that a person knows."""
MEDIA = frozenset(
    ".aac .aif .aiff .amr .avi .caf .flac .m4a .m4b .m4v .mka .mkv .mov .mp3 .mp4 .mpeg .mpg .oga .ogg .opus .wav .webm"
    " .wma .wmv .3gp".split()
)


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that what was typed may become.

    Attributes:
        text: What would stand in the input then; folders end with a slash.
        name: What the list shows.
        folder: It is a folder.
        media: Its name says that it holds sound.
    """

    text: str
    name: str
    folder: bool
    media: bool


def resolve(typed: str, base: Path) -> Path:
    """The path that was typed: `~` expanded, relative to `base`."""
    return base / os.path.expanduser(_anew(typed.strip()))


def _anew(typed: str) -> str:
    """A second root begins the path anew: a folder stands in the input already when somebody types or pastes one."""
    return typed[max(typed.rfind("//"), typed.rfind("/~/")) + 1 :]


def matches(typed: str, base: Path) -> list[Match]:
    """What `typed` may become: folders first, then audio and video, then the rest. Hidden ones only when asked for.

    A folder that cannot be read has no entries.
    """
    typed = _anew(typed.lstrip())
    lead, _, prefix = typed.rpartition("/")
    lead = f"{lead}/" if "/" in typed else ""
    try:
        with os.scandir(resolve(lead, base)) as entries:
            found = [_match(entry, lead) for entry in islice(entries, _MOST) if _wanted(entry.name, prefix)]
    except (OSError, ValueError):  # ValueError: a character that no path can hold
        return []
    return sorted(found, key=lambda match: (not match.folder, not match.media, match.name.lower()))


def _wanted(name: str, prefix: str) -> bool:
    if name.startswith(".") and not prefix.startswith("."):
        return False
    return name.lower().startswith(prefix.lower())


def _match(entry: os.DirEntry[str], lead: str) -> Match:
    try:
        folder = entry.is_dir()
    except OSError:
        folder = False
    name = f"{entry.name}/" if folder else entry.name
    return Match(f"{lead}{name}", name, folder, Path(entry.name).suffix.lower() in MEDIA)


def common(typed: str, found: list[Match]) -> str:
    """The longest text that `typed` can only become; `typed` itself where there is nothing to add."""
    if not found:
        return typed
    shared = os.path.commonprefix([match.text.lower() for match in found])
    return found[0].text[: len(shared)] if len(shared) >= len(typed.lstrip()) else typed


def problem(typed: str, base: Path) -> str:
    """Why the path cannot be opened, in a sentence; empty when it can be tried."""
    if not typed.strip():
        return "Type the path of a file."
    if "\0" in typed:
        return "A path cannot hold that character."
    path = resolve(typed, base)
    try:
        if path.is_dir():
            return "" if (path / "meeting.json").is_file() else "That is a folder. Choose a file in it."
        if not path.exists():
            return "There is no such file."
        if not path.is_file():
            return "That is not a file."
        if not path.stat().st_size:
            return "That file is empty."
        if not os.access(path, os.R_OK):
            return "That file may not be read by you."
    except OSError as error:
        return f"That cannot be opened: {error.strerror or error}."
    return ""
