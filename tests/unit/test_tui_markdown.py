"""Markdown as rows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.markdown import inline, markdown_rows

WORDS = st.text("abcXYZäß日本", min_size=1, max_size=12)
LINES = st.builds(
    lambda lead, words: lead + " ".join(words),
    st.sampled_from(["", "# ", "## ", "- ", "  - ", "1. ", "> ", "- [ ] ", "- [x] ", "* ", "### "]),
    st.lists(WORDS, min_size=1, max_size=12),
)
MARKED = st.builds(
    lambda word, mark: f"{mark}{word}{mark}", WORDS, st.sampled_from(["", "**", "*", "`", "~~", "_", "__"])
)


def shown(text: str, width: int = 60) -> list[str]:
    return [row.plain for row in markdown_rows(text, width)]


def styles(text: str) -> dict[str, str]:
    """The styles of a line's words."""
    content = inline(text)
    return {content.plain[span.start : span.end]: str(span.style) for span in content.spans if span.style}


def test_a_summary_is_compact_and_aligned() -> None:
    text = """# Release planning

The date was agreed.
It is a Friday.

## Decisions

- One thing that is so long that it takes two rows.

- Another
  - below it

1. first
2) second

> said so

---
- [ ] open
- [x] done"""
    assert shown(text, 40) == [
        "Release planning",
        "",
        "The date was agreed. It is a Friday.",
        "",
        "Decisions",
        "• One thing that is so long that it",
        "  takes two rows.",
        "• Another",
        "  • below it",
        "1. first",
        "2) second",
        "",
        "│ said so",
        "",
        "───",
        "○ open",
        "✓ done",
    ]


def test_code_and_tables_are_shown_as_they_are() -> None:
    assert shown("Before\n```python\nif x:\n\tpass  **no**\n```\nAfter\n\n| a | b |\n|---|---|\n| 1 | 2 |") == [
        "Before",
        "",
        "  if x:",
        "      pass  **no**",
        "",
        "After",
        "",
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
    ]


@pytest.mark.parametrize(
    ("text", "plain", "style"),
    [
        ("a **bold** word", "a bold word", {"bold": "bold"}),
        ("a __bold__ word", "a bold word", {"bold": "bold"}),
        ("an *italic* word", "an italic word", {"italic": "italic"}),
        ("a ~~gone~~ word", "a gone word", {"gone": "strike"}),
        ("a `code **x**` word", "a code **x** word", {"code **x**": ".accent"}),
        ("a [link](http://x.y 'z') word", "a [link](http://x.y 'z') word", {}),
        ("a [link](http://x.y) word", "a link word", {"link": "underline"}),
        (r"a \*star\* and snake_case_name", "a *star* and snake_case_name", {}),
        ("2 * 3 * 4 and **not closed", "2 * 3 * 4 and **not closed", {}),
        ("[brackets] stay", "[brackets] stay", {}),
    ],
)
def test_styles_within_a_line(text: str, plain: str, style: dict[str, str]) -> None:
    assert inline(text).plain == plain
    assert styles(text) == style


def test_bold_may_hold_other_styles() -> None:
    content = inline("**Ada *says* so**")
    assert content.plain == "Ada says so"
    assert {(content.plain[s.start : s.end], str(s.style)) for s in content.spans} == {
        ("says", "italic"),
        ("Ada says so", "bold"),
    }


@given(st.lists(LINES | st.just(""), max_size=15), st.integers(20, 120))
@settings(max_examples=200)
def test_every_word_is_shown_once_in_order_and_every_row_fits(lines: list[str], width: int) -> None:
    """Feature: summary-view, Property 1: no word is lost or doubled at any width."""
    text = "\n".join(lines)
    rows = shown(text, width)
    assert all(cell_len(row) <= width for row in rows)
    words = "".join(re.findall(r"[abcXYZäß日本]+", re.sub(r"- \[x\] ", "", text)))
    assert "".join(re.findall(r"[abcXYZäß日本]+", "".join(rows))) == words


@given(st.lists(MARKED, min_size=1, max_size=10).map(" ".join))
def test_marks_go_and_words_stay(text: str) -> None:
    """Feature: summary-view, Property 4: only marks are taken away."""
    assert re.findall(r"[abcXYZäß日本]+", inline(text).plain) == re.findall(r"[abcXYZäß日本]+", text)


@given(st.text(max_size=300), st.integers(1, 100))
@settings(max_examples=200)
def test_any_text_has_rows(text: str, width: int) -> None:
    """Feature: summary-view, Property 2: nothing that a model writes breaks the view."""
    for row in markdown_rows(text, width):
        assert "\n" not in row.plain


@given(st.lists(LINES, min_size=1, max_size=8).map("\n".join), st.integers(0, 200))
def test_what_was_shown_stays_while_more_is_written(text: str, cut: int) -> None:
    """Feature: summary-view, Property 3: all rows but the last block's are final as soon as the next block begins."""
    rows = shown(text + "\n\n# End", 60)
    assert shown(text + "\n\n# End\n\nmore" + "x" * cut, 60)[: len(rows)] == rows
