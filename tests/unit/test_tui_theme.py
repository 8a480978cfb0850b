"""Themes from files: ours are complete, and a bad one of a person's own never stops the app."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import constants
from textual.color import Color

from tui import theme


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))


def own(tmp_path: Path, name: str, text: str) -> None:
    folder = tmp_path / "config" / "themes"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_ours_load_and_name_every_colour_that_we_add() -> None:
    themes, problems = theme.load_all()
    assert not problems
    assert {"sotto-dark", "sotto-light", "sotto-16", "sotto-contrast"} == {found.name for found in themes}
    for found in themes:
        assert set(theme.VARIABLES) <= set(found.variables), found.name


def test_the_theme_for_sixteen_colours_uses_only_those_of_the_terminal() -> None:
    [sixteen] = [found for found in theme.load_all()[0] if found.name == theme.SIXTEEN]
    assert sixteen.ansi
    values = [sixteen.primary, sixteen.background, *(v for k, v in sixteen.variables.items() if "-style" not in k)]
    assert all(Color.parse(str(value)).ansi is not None for value in values)


@pytest.mark.parametrize("name", ["sotto-dark", "sotto-light", "sotto-contrast"])
def test_text_stands_out_against_its_background(name: str) -> None:
    [found] = [found for found in theme.load_all()[0] if found.name == name]
    background = Color.parse(str(found.background))
    for variable, least in [("foreground", 7.0), ("quiet", 4.5), ("primary", 4.5), ("accent", 4.5), ("error", 4.5)]:
        value = found.variables.get(variable) or getattr(found, variable)
        assert contrast(Color.parse(value), background) >= least, variable


def contrast(one: Color, other: Color) -> float:
    """Contrast ratio as WCAG 2.1 defines it."""

    def luminance(colour: Color) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_theme_of_ones_own_is_loaded(tmp_path: Path) -> None:
    own(tmp_path, "mine.toml", 'name = "mine"\nprimary = "#ff0000"\n[variables]\nquiet = "#888888 80%"\n')
    themes, problems = theme.load_all()
    assert themes[-1].name == "mine"
    assert not problems


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name = ", "not valid TOML"),
        ('primary = "#fff"', "`name` is missing"),
        ('name = "x"', "`primary` is missing"),
        ('name = "x"\nprimary = "reddish"', "`primary` is not a colour: reddish"),
        ('name = "x"\nprimary = 3', "`primary` must be a str"),
        ('name = "x"\nprimary = "#fff"\ndark = "yes"', "`dark` must be a bool"),
        ('name = "x"\nprimary = "#fff"\ncolour = "red"', "there is no field `colour`"),
        ('name = "x"\nprimary = "#fff"\n[variables]\nquiet = "?"', "`quiet` is not a colour: ?"),
        ('name = "x"\nprimary = "#fff"\n[variables]\nquiet = 5', "variable `quiet` must be a string"),
        ('name = "x"\nprimary = "#fff"\n[variables]\nlink-style = "loud"', "is not a text style: loud"),
    ],
)
def test_a_bad_theme_is_told_and_passed_over(tmp_path: Path, text: str, why: str) -> None:
    own(tmp_path, "bad.toml", text)
    themes, problems = theme.load_all()
    assert len(themes) == 4
    assert len(problems) == 1
    assert problems[0].startswith("bad.toml: ")
    assert why in problems[0]


@given(st.text(max_size=200) | st.sampled_from(["[variables]", 'name="a"\nprimary="b"']))
def test_any_text_is_a_theme_or_a_theme_file_error(text: str) -> None:
    """Feature: themes, Property 1: nothing but ThemeFileError comes out of a file."""
    try:
        theme.parse(text)
    except theme.ThemeFileError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("wanted", "system", "no_color", "chosen", "told"),
    [
        ("", "truecolor", False, "sotto-dark", ""),
        ("", "256", False, "sotto-dark", ""),
        ("", "standard", False, "sotto-16", ""),
        ("nord", "standard", False, "nord", ""),
        ("nord", "truecolor", True, "sotto-16", ""),
        ("nrod", "truecolor", False, "sotto-dark", "There is no theme nrod."),
    ],
)
def test_the_theme_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, wanted: str, system: str, no_color: bool, chosen: str, told: str
) -> None:
    monkeypatch.setattr(constants, "COLOR_SYSTEM", system)
    assert theme.choose(wanted, ["nord", "sotto-dark", "sotto-16"], no_color) == (chosen, told)
