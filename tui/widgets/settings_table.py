"""The table of settings: what each is, where it has its value from, and what it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from rich.cells import set_cell_size
from textual.content import Content

from services.configfile import shown
from services.layers import Origin, variable
from services.settings import Settings
from services.text import one_line
from tui.panels.record import shorten
from tui.screens.base import MARKED
from tui.widgets.sheet import Rows, around
from tui.wrapping import wrap

DETAIL_ROWS = 7
_NAME = 28
_ORIGINS: dict[Origin, tuple[str, str]] = {
    "default": ("default", ".quiet"), "preset": ("preset", ".quiet"), "file": ("file", ".good"),
    "environment": ("environment", ".accent"), "flag": ("flag or key", ".accent"),
}  # fmt: skip
_ORIGIN = max(len(words) for words, _ in _ORIGINS.values())
_GENERAL = "General"


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting.

    Attributes:
        key: `SECTION.FIELD`, or a field that is in no section.
        value: As a person would type it.
        origin: Where that is from.
        manual: What it means.
        kind: Its type.
        choices: What is allowed, where that is a list.
        lowest: Smallest number that is allowed, where there is one.
        highest: Largest.
    """

    key: str
    value: str
    origin: Origin
    manual: str
    kind: Any
    choices: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None

    @property
    def section(self) -> str:
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]

    @property
    def secret(self) -> bool:
        return self.kind is SecretStr

    @property
    def switch(self) -> bool:
        """On or off."""
        return self.kind is bool


def entries(settings: Settings) -> list[Entry]:
    """All settings, those without a section first."""
    found = list(_entries(settings, settings, ""))
    return sorted(found, key=lambda entry: entry.section != "")


def _entries(settings: Settings, model: BaseModel, section: str) -> Iterator[Entry]:
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        key = f"{section}.{name}" if section else name
        if isinstance(value, BaseModel):
            yield from _entries(settings, value, key)
        else:
            yield _entry(settings, key, value, info)


def _entry(settings: Settings, key: str, value: object, info: FieldInfo) -> Entry:
    numbers = [mark for mark in info.metadata if isinstance(mark, Ge | Le)]
    return Entry(
        key=key,
        value=shown(value),
        origin=settings.origin(key),
        manual=" ".join((info.description or "").split()),
        kind=info.annotation,
        choices=tuple(_choices(info.annotation)),
        lowest=next((float(str(mark.ge)) for mark in numbers if isinstance(mark, Ge)), None),
        highest=next((float(str(mark.le)) for mark in numbers if isinstance(mark, Le)), None),
    )


def _choices(kind: Any) -> Iterator[str]:
    """What a type allows, where that is a list of words; one list may stand in another."""
    if get_origin(kind) is Literal:
        for choice in get_args(kind):
            yield from [choice] if isinstance(choice, str) else _choices(choice)


def table_rows(found: Sequence[Entry], marked: int, width: int, height: int) -> Rows:
    """As many lines as there is room for around the marked setting, below the title of its section."""
    lines: list[Content] = []
    place = 0
    for number, entry in enumerate(found):
        if number == 0 or entry.section != found[number - 1].section:
            lines += [Content()] if lines else []
            lines.append(Content.styled((entry.section or _GENERAL).capitalize(), ".title"))
        if number == marked:
            place = len(lines)
        lines.append(_row(entry, number == marked, width))
    return around(lines, place, height)


def _row(entry: Entry, marked: bool, width: int) -> Content:
    words, style = _ORIGINS[entry.origin]
    room = max(6, width - _NAME - _ORIGIN - 4)
    path = entry.value.startswith("/")
    value = set_cell_size((shorten(Path(entry.value), room) if path else one_line(entry.value, room)) or "–", room)
    if marked:
        return Content.styled(set_cell_size(f"› {entry.name:<{_NAME}}{value}  {words}", width), MARKED)
    return Content.assemble(f"  {entry.name:<{_NAME}}", (value, "" if entry.value else ".quiet"), "  ", (words, style))


def detail_rows(entry: Entry, preset: str, message: tuple[str, str], width: int) -> Rows:
    """The marked setting: where its value is from, what is allowed and what it means; and a message with its style."""
    rows = [Content.assemble((entry.key, ".strong"), (f"  {_whence(entry, preset)}", ".quiet"))]
    allowed = _allowed(entry)
    said, style = message
    below = [Content.styled(line, style) for line in wrap(one_line(said, 300), width)] if said else []
    below = below or ([Content.styled(allowed, ".quiet")] if allowed else [])
    rows += [Content(line) for line in wrap(entry.manual, width)[: max(1, DETAIL_ROWS - 1 - len(below))]]
    rows += below
    return rows[:DETAIL_ROWS] + [Content()] * (DETAIL_ROWS - len(rows))


def _whence(entry: Entry, preset: str) -> str:
    match entry.origin:
        case "default":
            return "by default"
        case "preset":
            return f"from the preset {preset}"
        case "file":
            return "from config.toml"
        case "environment":
            return f"from {variable(entry.key)}"
        case "flag":
            return "from the command line or a key"


def _allowed(entry: Entry) -> str:
    if entry.choices:
        return f"Allowed: {', '.join(choice or 'nothing' for choice in entry.choices)}."
    low, high = entry.lowest, entry.highest
    if low is not None and high is not None:
        return f"Allowed: {low:.10g} to {high:.10g}."
    return ""
