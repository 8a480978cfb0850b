"""Text that others wrote, made safe."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from services.text import clean, clock, one_line, slug


def test_escape_sequences_go_and_words_stay() -> None:
    hostile = "a\x1b[31mred\x1b[0m \x1b]0;title\x07b \x1b]8;;http://x\x1b\\link\x1bPq\x1b\\ \x9b2Jc\x07\x00\r"
    assert clean(hostile) == "ared b link 2Jc"
    assert clean("tab\tand\nline stay") == "tab\tand\nline stay"


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    """Feature: safe-text, Property 1: nothing that a terminal obeys is left."""
    assert not [c for c in clean(text) if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert clean(clean(text)) == clean(text)


@given(st.text(), st.integers(2, 80))
def test_one_line_is_one_line_of_that_length(text: str, limit: int) -> None:
    """Feature: safe-text, Property 2: one line, never longer than asked."""
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line


@given(st.text())
def test_a_title_becomes_one_safe_file_name(title: str) -> None:
    """Feature: safe-text, Property 3: no title leads out of its folder or past the limits of a file system."""
    name = slug(title)
    assert name
    assert name not in {".", ".."}
    assert not set(name) & set("/\\\0\n.:")
    assert len(name.encode()) <= 120


def test_slugs_of_real_titles() -> None:
    assert slug("Weekly Sync: Q3/Q4 (draft)") == "weekly-sync-q3-q4-draft"
    assert slug("../../etc/passwd") == "etc-passwd"
    assert slug("週次ミーティング") == "週次ミーティング"
    assert slug("\x1b[2J..") == "meeting"


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.9, 61, 3600, 36061, -5)] == ["0:00", "0:59", "1:01", "1:00:00", "10:01:01", "0:00"]
