"""What the Memory panel shows, and how it is painted: pure functions of a picture, a width and a height."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from services.memory.alert import Severity
from services.memory.probe import Pressure
from services.memory.snapshot import RECENT_FIGURES, RECENT_SECONDS
from services.memory.trend import Trend
from tui.panels.panel import Part, fact
from tui.widgets.glyphs import bar, share_of, sparkline
from tui.widgets.lines import key_rows
from tui.widgets.sheet import Rows
from tui.wrapping import wrap

PRESSURES = {
    Pressure.LOW: ".good", Pressure.MEDIUM: ".accent", Pressure.HIGH: ".warn", Pressure.CRITICAL: ".bad",
}  # fmt: skip
"""The style of each level."""
MEMORY_SEVERITIES: dict[Severity, Part] = {
    Severity.INFO: ("", ".quiet"), Severity.WARNING: ("! ", ".warn"), Severity.CRITICAL: ("! ", ".rec"),
}  # fmt: skip
"""What stands before an alert, and its style."""
NEAR = 0.9
"""From this share of its limit on, a bar warns."""

_TRENDS: dict[Trend, Part] = {
    Trend.STABLE: ("─ Stable", ".quiet"), Trend.GROWING: ("▲ Growing", ".warn"),
    Trend.SHRINKING: ("▼ Shrinking", ".good"),
}  # fmt: skip
_NAME, _FIGURE = 9, 6
_LONGEST_BAR = 24
_SHORTEST_BAR = 6
_TREND = len("▼ Shrinking")
_TREND_SLOPE = _TREND + len(" -9999 MB/h")
"""Cells that a trend needs at most, without and with its slope."""
_LABEL = 9
_ALERT_ROWS = 6
_LEAST_SCALE = 200.0
"""MB that the minutes show at least: an app at rest is a low line."""


@dataclass(frozen=True, slots=True)
class Row:
    """A component as it is shown, in whole MB.

    Attributes:
        name: What it is called.
        now: What it holds; with `estimated` the kernel did not tell exactly.
        peak: The most it held.
        limit: The most it may take; 0 where it has no limit.
        trend: Whether it grows; None while it does not run.
        slope: MB an hour, where it grows or shrinks.
        freed: What its model gave back when it was unloaded.
        estimated: `now` is an estimate.
    """

    name: str
    now: int
    peak: int
    limit: int = 0
    trend: Trend | None = None
    slope: int = 0
    freed: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Warned:
    """An alert in words.

    Attributes:
        severity: How bad it is.
        text: What is the case, and what to do about it.
        key: The key that does it; empty where there is none.
        title: What that key does, in a word or two.
    """

    severity: Severity
    text: str
    key: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """The panel's figures. MB, and GB for the machine.

    Attributes:
        rows: The components.
        total: Their sum.
        system_total: What the machine has.
        available: What of it can be had.
        pressure: How short that is.
        recent: What all held in the last minutes, in MB, a figure for every `RECENT_SECONDS`.
        alerts: What is wrong, the worst first.
        keys: What can be done here now, as `key_rows` takes it.
    """

    rows: tuple[Row, ...]
    total: Row
    system_total: float
    available: float
    pressure: Pressure
    recent: tuple[float, ...] = ()
    alerts: tuple[Warned, ...] = ()
    keys: tuple[tuple[str, str, bool], ...] = ()


def memory_rows(picture: Picture | None, width: int, height: int = 100) -> Rows:
    """The rows of the panel for a width and a height in cells.

    Where there is little room, blank lines go first, then the keys and the minutes; never a component or an alert.
    """
    if picture is None:
        return [Content.styled("Measuring", ".quiet")]
    table = _table(picture, width)
    alerts = [row for alert in picture.alerts for row in _alert(alert, width)]
    keys = key_rows(picture.keys, width) if picture.keys else []
    recent = _recent(picture, width)
    system = [_system(picture, width)]
    rows: list[Content] = []
    for groups in (
        (table, [*system, *recent], alerts, keys),
        ([*table, *system, *recent], alerts, keys),
        ([*table, *system, *recent, *alerts, *keys],),
        ([*table, *system, *recent, *alerts],),
        ([*table, *system, *alerts],),
    ):
        rows = []
        for group in (group for group in groups if group):
            rows += [Content(), *group] if rows else group
        if len(rows) <= height:
            break
    return rows


def _table(picture: Picture, width: int) -> list[Content]:
    rows = (*picture.rows, picture.total)
    limited = any(row.limit for row in rows)
    scale = max(1, picture.total.peak, *(row.now for row in rows))
    head = f"{'MB':<{_NAME}}{'now':>{_FIGURE - 1}}{'peak':>{_FIGURE}}{'limit' if limited else '':>{_FIGURE * limited}}"
    shown = [_row(row, limited, scale, width) for row in picture.rows]
    return [Content.styled(head, ".quiet"), *shown, _row(picture.total, limited, scale, width, ".strong")]


def _row(row: Row, limited: bool, scale: int, width: int, style: str = "") -> Content:
    """Name and figures; then a bar, whose track ends at the component's limit, and has no end without one.

    Without a limit a bar is the component's share of the most that all ever held together.
    """
    now = f"{'~' if row.estimated else ''}{row.now}"
    figures = f"{row.name:<{_NAME}}{now:>{_FIGURE - 1}}{row.peak:>{_FIGURE}}"
    left = Content.styled(figures, style or ("" if row.now else ".quiet"))
    if row.trend is None:
        back = f"  gave back {row.freed} MB" if row.freed else ""
        return Content.assemble(left, (back, ".good"))
    if limited:
        left = Content.assemble(left, (f"{row.limit or '':>{_FIGURE}}", ".quiet"))
    room = width - left.cell_length - 2
    said, cells = _trend(row, room)
    drawn = Content.assemble(_bar(row, scale, cells), " ") if cells else Content()
    return Content.assemble(left, "  ", drawn, said)


def _trend(row: Row, room: int) -> tuple[Content, int]:
    """What is said of the trend, and how many cells are left for a bar beside it: the same for all rows."""
    sign, style = _TRENDS[row.trend or Trend.STABLE]
    slope = f" {row.slope:+} MB/h" if row.slope else ""
    for words, longest in ((f"{sign}{slope}", _TREND_SLOPE), (sign, _TREND), (sign[0], 1)):
        cells = min(_LONGEST_BAR, room - longest - 1)
        if cells >= _SHORTEST_BAR:
            return Content.styled(words, style), cells
    return Content.styled(sign if room >= _TREND else sign[0], style), 0


def _bar(row: Row, scale: int, cells: int) -> Content:
    if not row.limit:
        return share_of(row.now / scale, cells)
    share = row.now / row.limit
    return bar(max(share, 1 / cells), cells, ".bad" if share >= 1.0 else ".warn" if share >= NEAR else ".accent")


def _system(picture: Picture, width: int) -> Content:
    """The machine, in as many words as there is room for; how short its memory is, always."""
    pressure = picture.pressure
    style = PRESSURES[pressure]
    free = f"{picture.available:.1f}"
    room = width - _LABEL
    level = Content.styled(pressure.value, style)
    words = f" of {picture.system_total:.1f} GB"
    for rest, tail in ((f"{words} available", " pressure"), (f"{words} left", ""), (words, "")):
        said = Content.assemble(free, (rest, ".quiet"))
        spare = room - said.cell_length - level.cell_length - len(tail) - 4
        if spare >= _SHORTEST_BAR and tail:
            used = 1.0 - picture.available / picture.system_total if picture.system_total else 0.0
            drawn = bar(used, min(spare, _LONGEST_BAR), style)
            return fact("System", Content.assemble(said, "  ", drawn, "  ", level, (tail, ".quiet")))
        if said.cell_length + len(tail) + level.cell_length + 2 <= room:
            break
    return fact("System", Content.assemble(said, "  ", level, (tail, ".quiet")))


def _recent(picture: Picture, width: int) -> list[Content]:
    """The last minutes, up to the limit or the peak.

    The line always has its whole length, so that one more figure at rest changes one cell.
    """
    cells = min(width - _LABEL, RECENT_FIGURES)
    least = float(max(_LEAST_SCALE, picture.total.limit or picture.total.peak))
    line = sparkline(picture.recent, cells, least)
    return [fact(f"{cells * RECENT_SECONDS / 60:.0f} min", Content.styled(f"{line:>{cells}}", ".accent"))]


def _alert(alert: Warned, width: int) -> list[Content]:
    sign, style = MEMORY_SEVERITIES[alert.severity]
    lines = wrap(f"{sign}{alert.text}", max(8, width))[:_ALERT_ROWS]
    rows = [Content.styled(line, style) for line in lines]
    if not alert.key:
        return rows
    action = Content.assemble((alert.key, ".key"), f" {alert.title}")
    if rows[-1].cell_length + 2 + action.cell_length <= width:
        rows[-1] = Content.assemble(rows[-1], "  ", action)
    else:
        rows.append(Content.assemble(" " * len(sign), action))
    return rows
