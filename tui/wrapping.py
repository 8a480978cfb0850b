"""Cutting text into lines of so many cells."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells


def wrap(text: str, width: int) -> list[str]:
    """Cut `text` into lines of at most `width` cells, between words; a word that is too long is cut inside.

    Args:
        text: Words with single blanks between them.
        width: At least 2, so that a wide character fits.
    """
    if not text.isascii():
        return _wrap_wide(text, width)
    lines: list[str] = []
    position, end = 0, len(text)
    while end - position > width:
        cut = text.rfind(" ", position, position + width + 1)
        if cut <= position:
            lines.append(text[position : position + width])
            position += width
        else:
            lines.append(text[position:cut])
            position = cut + 1
    lines.append(text[position:])
    return lines


def _wrap_wide(text: str, width: int) -> list[str]:
    lines: list[str] = []
    line, used = "", 0
    for word in text.split(" "):
        needed = cell_len(word)
        if line and used + 1 + needed <= width:
            line, used = f"{line} {word}", used + 1 + needed
            continue
        if line:
            lines.append(line)
        *full, line = chop_cells(word, width) if needed > width else (word,)
        lines.extend(full)
        used = cell_len(line)
    lines.append(line)
    return lines
