"""What a meeting took, read from its memory.jsonl: for the report of a meeting that is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.errors import PathError
from services.files import read_json_lines
from services.library.meeting import Meeting
from services.memory.components import TOTAL
from services.memory.document import Section
from services.text import one_line

_MOST_NAMED = 50


@dataclass(slots=True)
class Figures:
    """The running figures of one component, in MB of PSS."""

    count: int = 0
    summed: float = 0.0
    peak: float = 0.0
    last: float = 0.0

    def add(self, mb: float) -> None:
        self.count += 1
        self.summed += mb
        self.peak = max(self.peak, mb)
        self.last = mb

    @property
    def average(self) -> float:
        return self.summed / self.count if self.count else 0.0


@dataclass(slots=True)
class MeetingMemory:
    """What is known of a meeting's memory. Read line by line: a day of it takes no more than a minute.

    Attributes:
        name: Of the meeting's folder.
        measurements: How many there are.
        first: Time of the first one.
        last: Time of the last one.
        components: The figures of each, `Total` among them.
        pressures: How many measurements fell on each level of pressure.
        lowest_mb: The least that was available on the machine; None where it is not known.
        named: The last checkpoints and operations, in order, as they stand in the file.
        gave_up: Which models were short of memory, and which went on, as sentences.
    """

    name: str
    measurements: int = 0
    first: str = ""
    last: str = ""
    components: dict[str, Figures] = field(default_factory=dict)
    pressures: dict[str, int] = field(default_factory=dict)
    lowest_mb: float | None = None
    named: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_MOST_NAMED))
    gave_up: list[str] = field(default_factory=list)


def meeting_memory(meeting: Meeting) -> MeetingMemory:
    """Read what a meeting took.

    Raises:
        StorageError: Nothing was kept, or it cannot be read.
    """
    told = MeetingMemory(meeting.folder.name)
    for record in read_json_lines(meeting.memory):
        _take(told, record)
    if not told.measurements and not told.named:
        raise PathError(
            f"Nothing is known of what {one_line(told.name)} took.",
            "It is kept while `memory.memory_report` is on: record or process it with that.",
        )
    return told


def _take(told: MeetingMemory, record: Mapping[str, Any]) -> None:
    if "checkpoint" in record or "operation" in record:
        told.named.append(dict(record))
    for said in _sentences(record.get("gave_up")):
        if said not in told.gave_up and len(told.gave_up) < _MOST_NAMED:
            told.gave_up.append(said)
    for name, mb in _figures(record.get("peak_mb")).items():
        known = told.components.setdefault(name, Figures())
        known.peak = max(known.peak, mb)
    held = _figures(record.get("pss_mb"))
    total = _figures({TOTAL: record.get("total_mb")})
    if not total:
        return
    told.measurements += 1
    told.last = one_line(str(record.get("time", "")), 40)
    told.first = told.first or told.last
    for name, mb in {**held, **total}.items():
        told.components.setdefault(name, Figures()).add(mb)
    pressure = one_line(str(record.get("pressure", "")), 20)
    told.pressures[pressure] = told.pressures.get(pressure, 0) + 1
    for mb in _figures({"": record.get("available_mb")}).values():
        told.lowest_mb = mb if told.lowest_mb is None else min(told.lowest_mb, mb)


def _figures(value: object) -> dict[str, float]:
    """What of a record is a figure by name: the file lies in a folder that anybody may edit."""
    if not isinstance(value, dict):
        return {}
    return {
        one_line(str(name), 30): float(mb)
        for name, mb in value.items()
        if isinstance(mb, int | float) and not isinstance(mb, bool)
    }


def _sentences(value: object) -> list[str]:
    return [one_line(each, 400) for each in value if isinstance(each, str)] if isinstance(value, list) else []


def past_sections(told: MeetingMemory) -> list[Section]:
    """The report of a meeting, in the order in which it is read."""
    names = [*(name for name in told.components if name != TOTAL), *(TOTAL for _ in told.components.keys() & {TOTAL})]
    rows = [
        (name, f"{known.peak:.1f}", f"{known.average:.1f}" if known.count else "-", f"{known.last:.1f}")
        for name, known in ((name, told.components[name]) for name in names)
    ]
    lines = [f"{told.measurements} measurements from {told.first} to {told.last}."] if told.measurements else []
    if told.lowest_mb is not None:
        lines.append(f"At least {told.lowest_mb:,.0f} MB were available on the machine.")
    found = [Section("Components", (("Component", "Peak MB", "Mean MB", "Last MB"), *rows), tuple(lines))]
    found += _named(told)
    found += [Section("Smaller models", (), tuple(told.gave_up))] * bool(told.gave_up)
    return [*found, Section("Suggestions", (), tuple(_advice(told)))]


def _advice(told: MeetingMemory) -> list[str]:
    short = sum(count for level, count in told.pressures.items() if level in ("High", "Critical"))
    advice = [
        f"Memory was short at {short} of {told.measurements} measurements: choose a smaller preset, `sotto --preset "
        "conservative`, or a smaller model."
    ] * bool(short)
    advice += [
        "A model was short of memory: allow it more (`[memory] max_stt_mb`, `max_llm_mb`, `max_total_mb`), or choose "
        "the smaller one from the start."
    ] * bool(told.gave_up)
    return advice or ["Memory was never short. Nothing has to be done."]


def _named(told: MeetingMemory) -> list[Section]:
    rows = [
        (
            one_line(str(record.get("operation") or record.get("checkpoint")), 30),
            "operation" if "operation" in record else "checkpoint",
            one_line(str(record.get("time", "")), 40),
            f"{_figures(record.get('peak_mb')).get(TOTAL, _figures({'': record.get('total_mb')}).get('', 0.0)):.1f}",
            ", ".join(
                f"{name} {mb:.0f}"
                for name, mb in (_figures(record.get("peak_mb")) or _figures(record.get("pss_mb"))).items()
                if name != TOTAL
            ),
        )
        for record in told.named
    ]
    if not rows:
        return []
    return [Section("Operations and checkpoints", (("Name", "Kind", "Time", "MB", "Of which"), *rows))]


def past_json(told: MeetingMemory) -> dict[str, Any]:
    """The report of a meeting for programs."""
    return {
        "meeting": told.name,
        "measurements": told.measurements,
        "first": told.first or None,
        "last": told.last or None,
        "components": {
            name: {"peak_mb": known.peak, "average_mb": round(known.average, 1), "last_mb": known.last}
            for name, known in told.components.items()
        },
        "pressure": told.pressures,
        "lowest_available_mb": told.lowest_mb,
        "named": list(told.named),
        "gave_up": told.gave_up,
    }
