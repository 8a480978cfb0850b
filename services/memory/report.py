"""A picture of the memory as a table for people, as JSON for programs, as a line for the meeting's folder."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.trend import Trend

_HEAD = ("Component", "Now MB", "Anon MB", "File MB", "Peak MB", "Mean MB", "Trend")
"""`Anon` is what only the end of the process gives back, `File` what the kernel can drop and read again."""
_GB = 1024.0


def rows(snapshot: MemorySnapshot) -> list[tuple[str, ...]]:
    """The cells of the table: a head, a row for each component, the total."""
    return [_HEAD, *(_row(component) for component in (*snapshot.components, snapshot.total))]


def table(snapshot: MemorySnapshot) -> str:
    """The table as text of at most 80 columns, and a line about the machine below it."""
    cells = rows(snapshot)
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    lines = ["  ".join(_align(cell, column, widths[column]) for column, cell in enumerate(row)) for row in cells]
    return "\n".join([*(line.rstrip() for line in lines), machine(snapshot)])


def machine(snapshot: MemorySnapshot) -> str:
    """The machine's memory in one line."""
    system = snapshot.system
    of = "of the container's" if system.container else "of"
    swap = f", swap {system.swap_used / _GB:.1f} of {system.swap_total / _GB:.1f} GB" if system.swap_total else ""
    available = f"{system.available / _GB:.1f} GB available {of} {system.total / _GB:.1f} GB"
    return f"{available}{swap}, pressure {snapshot.pressure.value}"


def to_json(snapshot: MemorySnapshot) -> dict[str, Any]:
    """For programs: `time`, `components` and `total` with `pss_mb, rss_mb, anonymous_mb, file_mb, peak_mb` and more,
    `system`, `pressure`."""
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
    }


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
        "estimated": usage.estimated,
    }


def _row(component: ComponentMemory) -> tuple[str, ...]:
    usage = component.usage
    now = f"{'~' if usage.estimated else ''}{usage.pss:.1f}" if component.running else "-"
    split = (f"{usage.anonymous:.1f}", f"{usage.file:.1f}") if component.running else ("-", "-")
    return (component.name, now, *split, f"{component.peak:.1f}", f"{component.average:.1f}", _trend(component))


def _trend(component: ComponentMemory) -> str:
    slope = "" if component.trend is Trend.STABLE else f" {component.slope:+.0f} MB/h"
    return f"{component.trend.value}{slope}"


def _align(cell: str, column: int, width: int) -> str:
    return cell.ljust(width) if column in (0, len(_HEAD) - 1) else cell.rjust(width)


def iso(seconds: float) -> str:
    """Seconds since the epoch as a time with its zone, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
