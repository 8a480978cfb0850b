"""A picture of the memory as a table for people, as JSON for programs, as a line for the meeting's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.memory.alert import MemoryAlert
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.trend import Trend

_HEAD = ("Component", "Now MB", "Anon MB", "File MB", "Peak MB", "Mean MB", "Trend")
"""`Anon` is what only the end of the process gives back, `File` what the kernel can drop and read again."""
_LIMITED = ("Component", "Now MB", "Max MB", "Anon MB", "File MB", "Peak MB", "Trend")
"""The same where something has a limit: in 80 columns there is no room for the mean then."""
_GB = 1024.0


def rows(snapshot: MemorySnapshot) -> list[tuple[str, ...]]:
    """The cells of the table: a head, a row for each component, the total."""
    components = (*snapshot.components, snapshot.total)
    limited = any(component.limit for component in components)
    return [_LIMITED if limited else _HEAD, *(_row(component, limited) for component in components)]


def table(snapshot: MemorySnapshot) -> str:
    """The table as text of at most 80 columns, and a line about the machine below it."""
    return "\n".join([*columns(rows(snapshot)), machine(snapshot)])


def columns(cells: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table as lines; columns of figures stand at the right. The first row is the head."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    figures = [all(map(_is_figure, column[1:])) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, figures, strict=True)
        ).rstrip()
        for row in cells
    ]


def _is_figure(cell: str) -> bool:
    return not any(character.isalpha() or character == ":" for character in cell)


def machine(snapshot: MemorySnapshot) -> str:
    """The machine's memory in one line."""
    system = snapshot.system
    of = "of the container's" if system.container else "of"
    swap = f", swap {system.swap_used / _GB:.1f} of {system.swap_total / _GB:.1f} GB" if system.swap_total else ""
    available = f"{system.available / _GB:.1f} GB available {of} {system.total / _GB:.1f} GB"
    return f"{available}{swap}, pressure {snapshot.pressure.value}"


def to_json(snapshot: MemorySnapshot) -> dict[str, Any]:
    """For programs: `time`, `components` and `total` with `pss_mb, rss_mb, anonymous_mb, file_mb, peak_mb` and more,
    `system`, `pressure`, `alerts`."""
    system = snapshot.system
    return {
        "time": iso(snapshot.time),
        "components": [_component(component) for component in snapshot.components],
        "total": _component(snapshot.total),
        "system": {
            "total_mb": round(system.total, 1),
            "available_mb": round(system.available, 1),
            "used_percent": round(system.used_percent, 1),
            "swap_total_mb": round(system.swap_total, 1),
            "swap_used_mb": round(system.swap_used, 1),
            "stall_some": system.stall_some,
            "stall_full": system.stall_full,
            "container_limit_mb": round(system.container.limit, 1) if system.container else None,
        },
        "pressure": snapshot.pressure.value,
        "alerts": [alert_json(alert) for alert in snapshot.alerts],
    }


def alert_lines(snapshot: MemorySnapshot) -> list[str]:
    """What is wrong now and what to do about it, a line for each alert."""
    return [f"{alert.severity.value}: {alert.message} {alert.recommendation}" for alert in snapshot.alerts]


def alert_json(alert: MemoryAlert) -> dict[str, Any]:
    """An alert for programs."""
    return asdict(alert) | {"severity": alert.severity.value, "time": iso(alert.time)}


def log_record(snapshot: MemorySnapshot) -> dict[str, Any]:
    """A line of memory.jsonl: what runs, in MB of PSS."""
    return {
        "time": iso(snapshot.time),
        "pss_mb": {c.name: round(c.usage.pss, 1) for c in snapshot.components if c.running},
        "total_mb": round(snapshot.total.usage.pss, 1),
        "available_mb": round(snapshot.system.available, 1),
        "pressure": snapshot.pressure.value,
    }


def _component(component: ComponentMemory) -> dict[str, Any]:
    usage = component.usage
    return {
        "name": component.name,
        "pids": list(component.pids),
        "pss_mb": round(usage.pss, 1),
        "rss_mb": round(usage.rss, 1),
        "anonymous_mb": round(usage.anonymous, 1),
        "file_mb": round(usage.file, 1),
        "swap_mb": round(usage.swap, 1),
        "peak_mb": round(component.peak, 1),
        "average_mb": round(component.average, 1),
        "slope_mb_h": round(component.slope, 1),
        "trend": component.trend.value,
        "leak_mb_h": round(component.leak, 1),
        "limit_mb": round(component.limit, 1) if component.limit else None,
        "estimated": usage.estimated,
    }


def _row(component: ComponentMemory, limited: bool) -> tuple[str, ...]:
    usage, running = component.usage, component.running
    now = f"{'~' if usage.estimated else ''}{usage.pss:.1f}" if running else "-"
    split = (f"{usage.anonymous:.1f}", f"{usage.file:.1f}") if running else ("-", "-")
    peak, trend = f"{component.peak:.1f}", _trend(component)
    if limited:
        return (component.name, now, f"{component.limit:.0f}" if component.limit else "-", *split, peak, trend)
    return (component.name, now, *split, peak, f"{component.average:.1f}", trend)


def _trend(component: ComponentMemory) -> str:
    slope = "" if component.trend is Trend.STABLE else f" {component.slope:+.0f} MB/h"
    return f"{component.trend.value}{slope}"


def iso(seconds: float) -> str:
    """Seconds since the epoch as a time with its zone, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
