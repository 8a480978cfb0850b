"""Scrolling views whose content grows while it is looked at."""

from __future__ import annotations

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.widget import Widget


def grow(view: ScrollView, size: Size, stays: bool) -> None:
    """Give a view another size of its content.

    To assign `virtual_size` lays out the screen and repaints the view. Where what is in sight `stays` in its place and
    the scrollbar neither comes nor goes, only the scrollbar has to know.
    """
    before = view.virtual_size
    if size == before:
        return
    height = view.container_size.height
    if stays and size.width == before.width and (size.height > height) == (before.height > height):
        view.set_reactive(Widget.virtual_size, size)
        if size.height > height:
            view._scroll_update(size)
    else:
        view.virtual_size = size
