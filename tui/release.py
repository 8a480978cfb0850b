"""What textual keeps of widgets that are gone."""

from __future__ import annotations

from textual._styles_cache import StylesCache


def forget_closed() -> None:
    """Let go of the lines of widgets that were closed. Any thread.

    Textual 8.2 remembers the last 1024 calls of one method of `StylesCache` with the object itself in their key, and
    with it every line that the widget had drawn: half a MB for each dialog that was opened, up to 60 MB. What is
    cleared here is two colours for each widget in sight, worked out again when it is next drawn.
    """
    StylesCache.get_inner_outer.cache_clear()
