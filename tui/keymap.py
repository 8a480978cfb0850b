"""Keys that a person chose in the settings: action id to key."""

from __future__ import annotations

from collections.abc import Mapping

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
    for name, sentence in _clashes(good):
        del good[name]
        problems.append(sentence)
    return good, problems


def _clashes(keymap: Mapping[str, str]) -> list[tuple[str, str]]:
    """The entries that take a key from another action, which nobody could reach then; a sentence for each."""
    found: list[tuple[str, str]] = []
    for name in keymap:
        given_up = {clash for clash, _ in found}
        chosen = {other: keymap[other] for other in keymap if other not in given_up}
        for other, action in BY_ID.items():
            shared = {*keymap[name].split(",")} & {*chosen.get(other, action.keys).split(",")}
            if other != name and shared:
                found.append((name, f"The key {one_line(min(shared), 20)} is given to {other} and to {name}."))
                break
    return found
