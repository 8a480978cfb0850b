"""What textual and rich keep of pictures that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.cells import cached_cell_len
from textual._styles_cache import StylesCache
from textual.geometry import Region


def forget_closed() -> None:
    """Let go of the lines of widgets that were closed. Any thread.

    Textual 8.2 remembers the last 1024 calls of one method of `StylesCache` with the object itself in their key, and
    with it every line that the widget had drawn: half a MB for each dialog that was opened, up to 60 MB. What is
    cleared here is two colours for each widget in sight, worked out again when it is next drawn.
    """
    StylesCache.get_inner_outer.cache_clear()


def forget_drawn() -> None:
    """Let go of all that was worked out for earlier pictures. Any thread.

    How wide a line is and how two parts of the screen overlap is remembered for up to 4096 lines and pairs of parts. A
    recording with captions fills that within a quarter of an hour, 2 to 3 MB; the next picture needs a few hundred.
    """
    forget_closed()
    for clear in _clears():
        clear()


def _clears() -> Iterator[Callable[[], None]]:
    yield cached_cell_len.cache_clear
    for method in vars(Region).values():
        clear = getattr(method, "cache_clear", None)
        if clear is not None:
            yield clear
