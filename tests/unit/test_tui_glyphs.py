"""Digits, bars and meters."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.text import clock
from tui.panels.record import Hold, shorten
from tui.widgets.glyphs import bar, big, decibels, meter, share_of, size, sparkline

DB = st.floats(-96.0, 0.0)


@given(st.floats(0, 360_000))
def test_every_clock_can_be_drawn(seconds: float) -> None:
    """Feature: big-clock, Property 1: three rows of one width for any time."""
    rows = big(clock(seconds))
    assert len(rows) == 3
    assert len({len(row) for row in rows}) == 1


def test_digits_differ() -> None:
    assert len({tuple(big(digit)) for digit in "0123456789:"}) == 11


@given(DB, DB, st.integers(4, 80))
def test_a_meter_is_as_wide_as_asked_and_grows_with_the_level(level: float, held: float, width: int) -> None:
    """Feature: level-meter, Property 1: exact width; a louder level never lights fewer cells."""
    row = meter(level, held, width).plain
    assert len(row) == width
    louder = meter(min(0.0, level + 6), held, width).plain
    assert louder.count("━") >= row.count("━") - 1  # the mark of the held peak may cover one


def test_silence_is_empty_and_full_scale_is_full() -> None:
    assert meter(-96, -96, 20).plain == "─" * 20
    assert meter(0, 0, 20).plain == "━" * 20
    assert meter(-60, -30, 20).plain == "─" * 9 + "│" + "─" * 10


def test_the_loud_end_is_marked() -> None:
    styles = {str(span.style) for span in meter(0, 0, 40).spans}
    assert styles == {".good", ".warn", ".bad"}


@given(st.floats(-1, 2), st.integers(1, 50))
def test_a_bar_is_as_wide_as_asked(share: float, width: int) -> None:
    """Feature: progress-bar, Property 1: exact width for any share."""
    assert len(bar(share, width).plain) == width


@given(st.lists(DB, min_size=1, max_size=60))
def test_a_held_peak_is_never_below_the_level_and_falls_in_the_end(levels: list[float]) -> None:
    """Feature: level-meter, Property 2: the mark is at or above the level, and comes down to it in silence."""
    hold = Hold()
    for level in levels:
        assert hold.feed(level) >= level
    for _ in range(8 + 40):
        last = hold.feed(-96.0)
    assert last == pytest.approx(-96.0)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (32_000, "31.2 KB"), (24_100_000, "23.0 MB"),
     (512 * 1024**2, "512 MB"), (5 * 1024**3, "5.00 GB")],
)  # fmt: skip
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


def test_levels() -> None:
    assert [decibels(db) for db in (-96.0, -60.0, -12.4, 0.0)] == ["  -∞", " -60", " -12", "   0"]


@given(st.text("abcdé/ ", max_size=80), st.integers(12, 60))
def test_a_path_is_cut_to_its_place(text: str, width: int) -> None:
    """Feature: paths, Property 1: never wider than its place."""
    assert len(shorten(Path("/" + text), width)) <= width


@given(st.lists(st.floats(0, 1e6), max_size=80), st.integers(0, 60), st.floats(1, 1e5))
def test_a_sparkline_has_a_column_for_each_value_and_keeps_their_order(
    values: list[float], width: int, least: float
) -> None:
    """Feature: sparkline, Property 1: exact width, a larger value is never lower, nothing is above the top."""
    drawn = sparkline(values, width, least)
    assert len(drawn) == min(len(values), width)
    shown = values[-width:] if width else []
    for (one, column), (other, after) in pairwise(sorted(zip(shown, drawn, strict=True))):
        assert one == other or column <= after


def test_a_sparkline_stands_still_where_only_noise_moves() -> None:
    assert sparkline([46.0, 46.4, 45.8], 10, 200.0) == sparkline([46.2, 46.1, 46.9], 10, 200.0)
    assert sparkline([0.0, 200.0], 10, 200.0) == "▁█"


def test_a_share_without_an_end_is_seen_however_small_it_is() -> None:
    assert share_of(0.0001, 10).plain == "━" + " " * 9
    assert share_of(2.0, 10).plain == "━" * 10
