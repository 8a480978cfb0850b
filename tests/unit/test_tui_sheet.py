"""Rows that change cost only the cells that changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from tui.widgets.sheet import difference

PARTS = st.lists(st.tuples(st.text("ab 日́", max_size=5), st.sampled_from(["", ".quiet", ".bad"])), max_size=5)


def cells(content: Content) -> list[tuple[str, str]]:
    """What stands in each character of a row, and in which styles."""
    styles = [""] * len(content.plain)
    for start, end, style in content.spans:
        for position in range(start, end):
            styles[position] += str(style)
    return list(zip(content.plain, styles, strict=True))


@given(PARTS, PARTS)
def test_cells_outside_the_difference_are_the_same(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> None:
    """Feature: few-bytes, Property 1: painting only the difference over the old row gives the new row."""
    before, after = Content.assemble(*old), Content.assemble(*new)
    found = difference(before, after)
    if not found:
        assert cells(before) == cells(after)
        return
    [(start, end)] = found
    if before.cell_length == len(before.plain) == len(after.plain) == after.cell_length:
        painted = cells(before)
        painted[start:end] = cells(after)[start:end]
        assert painted == cells(after)
    else:
        assert (start, end) == (0, max(before.cell_length, after.cell_length))


def test_one_digit_of_a_clock_is_one_cell() -> None:
    before = Content.assemble(("● REC ", ".rec"), ("12:34", ".strong"), "   title")
    after = Content.assemble(("● REC ", ".rec"), ("12:35", ".strong"), "   title")
    assert difference(before, after) == [(10, 11)]


def test_a_change_of_style_alone_is_a_difference() -> None:
    assert difference(Content.styled("abc", ".quiet"), Content.styled("abc", ".bad")) == [(0, 3)]
    assert difference(Content.styled("abc", ".quiet"), Content.styled("abc", ".quiet")) == []
