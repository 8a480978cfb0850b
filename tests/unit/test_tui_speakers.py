"""The rows of the speakers' dialog."""

from __future__ import annotations

from rich.cells import cell_len

from services.library.names import Speaker
from tui.screens.speakers import speaker_rows


def test_names_of_any_script_leave_the_columns_where_they_are() -> None:
    names = ("Anna", "田中さん", "e\u0301" * 30, "あ" * 60)
    speakers = [Speaker(f"Speaker {n}", name, 61.0, 3) for n, name in enumerate(names, 1)]
    rows = [row.plain for row in speaker_rows(speakers, 1, 60)][: len(names)]
    assert {cell_len(row.partition("1:01")[0]) for row in rows} == {2 + 24 + 1 + 4}
    assert all(cell_len(row) <= 60 for row in rows)
