"""Small pictures made of characters: big digits, bars and marks. Every character is in the fonts of plain consoles;
of the steps of a sparkline some consoles know only the half and the full block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.content import Content

FLOOR_DB = -60.0
"""The quiet end of a level meter. Speech at a desk microphone peaks between -30 and -10 dB of full scale."""

_ZONES = ((-1.0, ".bad"), (-9.0, ".warn"))
_BITMAPS = {
    "0": "111101101101111", "1": "010110010010111", "2": "111001111100111", "3": "111001111001111",
    "4": "101101111001001", "5": "111100111001111", "6": "111100111101111", "7": "111001001001001",
    "8": "111101111101111", "9": "111101111001111", ":": "000010000010000",
}  # fmt: skip
_HALVES = {"00": " ", "10": "▀", "01": "▄", "11": "█"}
_STEPS = "▁▂▃▄▅▆▇█"
_ROUND = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Ends of a scale: it stays the same while its highest value moves a little."""


def big(text: str) -> list[str]:
    """Digits and colons three rows high: 3 x 5 points each, two points in a cell."""
    rows = []
    for top in (0, 6, 12):
        cells = []
        for character in text:
            bits = _BITMAPS[character] + "000"
            upper, lower = bits[top : top + 3], bits[top + 3 : top + 6]
            cells.append("".join(_HALVES[a + b] for a, b in zip(upper, lower, strict=True)))
        rows.append(" ".join(cells))
    return rows


def bar(share: float, width: int, style: str = ".accent") -> Content:
    """A bar of `width` cells, `share` (0 to 1) of it filled."""
    filled = round(max(0.0, min(1.0, share)) * width)
    return Content.assemble(("━" * filled, style), ("─" * (width - filled), ".line"))


def share_of(share: float, width: int, style: str = ".accent") -> Content:
    """A bar without an end to reach: `share` (0 to 1) of `width` cells, at least one, and blanks."""
    filled = max(1, round(max(0.0, min(1.0, share)) * width))
    return Content.assemble(("━" * filled, style), " " * (width - filled))


def sparkline(values: Sequence[float], width: int, least: float) -> str:
    """The last `width` values as columns, the latest on the right, from 0 to a round number.

    A column moves by a seventh of that number, so that noise is not seen and costs no bytes.

    Args:
        values: None of them below 0.
        width: In cells.
        least: The round number is at least this, and above the highest value.
    """
    shown = values[-width:] if width > 0 else ()
    highest = max(least, *shown, 1e-6)
    power = 10.0 ** math.floor(math.log10(highest))
    top = next(step * power for step in _ROUND if step * power >= highest * (1 - 1e-9))
    last = len(_STEPS) - 1
    return "".join(_STEPS[max(0, min(last, round(value / top * last)))] for value in shown)


def meter(level_db: float, held_db: float, width: int) -> Content:
    """A level in dB of full scale on a scale from `FLOOR_DB` to 0, with a mark where the peak was held."""
    filled, held = _cell(level_db, width), _cell(held_db, width)
    cells: list[tuple[str, str]] = []
    for position in range(width):
        zone = _zone(position, width)
        if held and position == held - 1 and held >= filled:
            cells.append(("━" if filled == held else "│", zone))
        elif position < filled:
            cells.append(("━", zone))
        else:
            cells.append(("─", ".line"))
    return Content.assemble(*_merged(cells))


def _cell(db: float, width: int) -> int:
    return round(max(0.0, min(1.0, 1.0 - db / FLOOR_DB)) * width)


def _zone(position: int, width: int) -> str:
    db = FLOOR_DB * (1.0 - (position + 1) / width)
    return next((style for limit, style in _ZONES if db > limit), ".good")


def _merged(cells: list[tuple[str, str]]) -> list[tuple[str, str]]:
    merged: list[tuple[str, str]] = []
    for text, style in cells:
        if merged and merged[-1][1] == style:
            merged[-1] = (merged[-1][0] + text, style)
        else:
            merged.append((text, style))
    return merged


def decibels(db: float) -> str:
    """A level as four characters, `-12` or `-∞`."""
    return "  -∞" if db <= -90.0 else f"{db:4.0f}"


def size(count: float) -> str:
    """Bytes as a person reads them: three digits and a unit."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"
