"""Late or lost, and what is written down of it."""

from __future__ import annotations

import pytest

from services.recording.gaps import NOTHING_CAME, Gap, GapBook
from services.recording.hold import Hold


def test_what_is_late_is_no_loss() -> None:
    hold = Hold(expected=0.0, least=0.02, index=100, lead=-0.3)
    assert not hold.look(200, -0.2, 0.1)
    assert not hold.look(200, None, 0.1)
    assert hold.look(400, -0.01, 0.1)
    assert hold.missing == 0.0


def test_what_does_not_come_for_a_while_is_lost_before_what_came_then() -> None:
    hold = Hold(expected=0.0, least=0.02, index=100, lead=-0.3)
    assert not hold.look(300, -0.2, 0.1)
    assert hold.index == 300, "that was still coming in, late"
    assert not hold.look(400, -0.2, 0.1)
    assert not hold.look(500, -0.21, 0.1)
    assert not hold.look(600, -0.199, 0.1)
    assert hold.look(700, -0.2, 0.11)
    assert hold.index == 300
    assert hold.missing == pytest.approx(0.199)


def test_a_gap_has_the_first_reason_that_was_told() -> None:
    book = GapBook(1, "system", monitor=False)
    book.silent(100, "")
    assert book.open
    book.silent(200, "the device was unplugged")
    book.silent(300, "the sound server is gone")
    assert book.take() == []
    book.heard(500)
    book.silent(600, "")
    book.heard(600)
    book.silent(700, "")
    book.heard(900)
    assert book.take() == [
        Gap(1, "system", 100, 400, "the device was unplugged"),
        Gap(1, "system", 700, 200, NOTHING_CAME),
    ]
    assert book.take() == []


def test_what_is_missing_at_one_place_is_one_gap() -> None:
    book = GapBook(0, "mic", monitor=False)
    book.lost(100, 50, "busy")
    assert book.take(before=150) == [], "more may be missing there"
    book.lost(150, 20, "busy")
    assert book.take(before=171) == [Gap(0, "mic", 100, 70, "busy")]
    book.lost(170, 20, "busy")
    assert book.take() == [Gap(0, "mic", 170, 20, "busy")]


def test_a_monitor_misses_only_what_it_is_told_to_miss() -> None:
    book = GapBook(0, "system", monitor=True)
    book.silent(100, "")
    assert not book.open
    book.silent(200, "the sound server is gone")
    book.silent(300, "")
    assert book.take() == [Gap(0, "system", 200, 100, "the sound server is gone")]
