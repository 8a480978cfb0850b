"""What is let go of that earlier pictures were worked out with."""

from __future__ import annotations

from rich.cells import cached_cell_len
from textual._styles_cache import StylesCache
from textual.geometry import Region

from tui.release import forget_drawn


def test_nothing_of_earlier_pictures_is_remembered() -> None:
    cached_cell_len("a line of a transcript")
    Region(0, 0, 80, 24).intersection(Region(1, 1, 7, 7))
    Region(0, 0, 80, 24).overlaps(Region(1, 1, 7, 7))
    forget_drawn()
    remembering = [cached_cell_len, StylesCache.get_inner_outer, Region.intersection, Region.overlaps]
    assert [function.cache_info().currsize for function in remembering] == [0] * len(remembering)
