"""Keys that a person chose in the settings: action id to key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.text import one_line
from tui.actions import BY_ID


def checked(keymap: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """What of `keymap` can be used, and a sentence for each entry that cannot."""
    good: dict[str, str] = {}
    problems: list[str] = []
    for name, keys in keymap.items():
        if name not in BY_ID:
            problems.append(f"There is no action {one_line(name, 30)}.")
        elif not (wanted := ",".join(key.strip() for key in keys.split(",") if key.strip())):
            problems.append(f"The action {name} has no key.")
        else:
            good[name] = wanted
    problems.extend(_clashes(good))
    return good, problems


def _clashes(keymap: Mapping[str, str]) -> Iterable[str]:
    """Keys that two actions would share: the later one would never be reached."""
    owner: dict[str, str] = {}
    for name, action in BY_ID.items():
        for key in keymap.get(name, action.keys).split(","):
            first = owner.setdefault(key, name)
            if first != name:
                yield f"The key {one_line(key, 20)} is given to {first} and to {name}."
