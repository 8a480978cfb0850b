"""Themes from TOML files: ours, and those that a person keeps beside the settings."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from textual import constants
from textual.app import App
from textual.color import Color, ColorParseError
from textual.theme import Theme

from services import paths
from services.text import one_line

DARK, SIXTEEN = "sotto-dark", "sotto-16"

VARIABLES = {
    "quiet": "#8a8f98",
    "line": "#5a606b",
    "voice-1": "#6cb6c4",
    "voice-2": "#d2a35c",
    "voice-3": "#b294d6",
    "voice-4": "#8fb573",
    "voice-5": "#d98b9b",
    "voice-6": "#89a8e0",
}
"""Colours that we add to those of textual, with values for themes that do not name them."""

_STYLES = {"none", "not", "bold", "dim", "italic", "underline", "reverse", "strike"}
_TYPES: dict[str, type] = {
    "dark": bool, "ansi": bool, "luminosity_spread": float, "text_alpha": float, "variables": dict,
}  # fmt: skip
_FIELDS = {field.name: _TYPES.get(field.name, str) for field in fields(Theme)}


@cache
def defaults() -> dict[str, str]:
    """A value for every variable: themes of the terminal's own colours leave some out, and the style sheet would
    not load then."""
    return Theme(DARK, primary="#808080").to_color_system().generate() | VARIABLES


class ThemeFileError(Exception):
    """A theme file that cannot be used, and why."""


def load_all() -> tuple[list[Theme], list[str]]:
    """All themes, ours first, and a sentence for each file that could not be used."""
    themes: list[Theme] = []
    problems: list[str] = []
    for file in (*_ours(), *_own()):
        try:
            themes.append(parse(file.read_text("utf-8")))
        except (ThemeFileError, OSError, UnicodeDecodeError) as error:
            problems.append(f"{file.name}: {one_line(str(error), 120)}")
    return themes, problems


def _ours() -> Iterator[Traversable]:
    return (file for file in _sorted(files("themes").iterdir()) if file.name.endswith(".toml"))


def _own() -> Iterable[Traversable]:
    folder = paths.themes()
    return sorted(folder.glob("*.toml")) if folder.is_dir() else ()


def _sorted(entries: Iterable[Traversable]) -> list[Traversable]:
    return sorted(entries, key=lambda entry: entry.name)


def parse(text: str) -> Theme:
    """A theme from the text of its file: the fields of `textual.theme.Theme`, colours in any form that it knows.

    Raises:
        ThemeFileError: Not TOML, a field that is missing, unknown or of the wrong type, or no colour.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ThemeFileError(f"not valid TOML: {error}") from error
    for name in ("name", "primary"):
        if name not in data:
            raise ThemeFileError(f"`{name}` is missing")
    for name, value in data.items():
        _check(name, value)
    return Theme(**data)


def _check(name: str, value: Any) -> None:
    wanted = _FIELDS.get(name)
    if wanted is None:
        raise ThemeFileError(f"there is no field `{name}`")
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return
    if not isinstance(value, wanted):
        raise ThemeFileError(f"`{name}` must be a {wanted.__name__}")
    if isinstance(value, str) and name != "name":
        _check_colour(name, value)
    elif isinstance(value, dict):
        _check_variables(value)


def _check_variables(variables: Mapping[str, Any]) -> None:
    for name, value in variables.items():
        if not isinstance(value, str):
            raise ThemeFileError(f"variable `{name}` must be a string")
        if "-style" not in name:
            _check_colour(name, value)
        elif not _STYLES.issuperset(value.split()):
            raise ThemeFileError(f"variable `{name}` is not a text style: {value}")


def _check_colour(name: str, value: str) -> None:
    # A share may follow a colour, as in `#ffffff 40%`.
    colour = value.rpartition(" ")[0] if value.endswith("%") else value
    try:
        Color.parse(colour)
    except ColorParseError as error:
        raise ThemeFileError(f"`{name}` is not a colour: {value}") from error


def choose(wanted: str, available: Iterable[str], no_color: bool) -> tuple[str, str]:
    """The theme to use, and a sentence if it is not the one that was wanted.

    Args:
        wanted: Name from the settings; empty for the one that fits the terminal.
        available: Names of all themes.
        no_color: `NO_COLOR` is set; only a theme of the terminal's own colours leaves none behind.
    """
    fitting = SIXTEEN if no_color or constants.COLOR_SYSTEM == "standard" else DARK
    if not wanted or no_color:
        return fitting, ""
    if wanted in available:
        return wanted, ""
    return fitting, f"There is no theme {one_line(wanted, 40)}."


def apply(app: App[int], wanted: str, no_color: bool) -> list[str]:
    """Register all themes with `app` and put one on; returns a sentence for everything that was passed over."""
    themes, problems = load_all()
    for theme in themes:
        app.register_theme(theme)
    app.theme, problem = choose(wanted, app.available_themes, no_color)
    return [*problems, problem] if problem else problems
