"""What tests of the screen paint from, and what they read."""

from __future__ import annotations

from services.memory.probe import Pressure, SystemMemory
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.trend import Trend
from services.memory.usage import MemoryUsage


def text_of(rows: object) -> str:
    assert isinstance(rows, list)
    return "\n".join(row.plain for row in rows)


def component(name: str, mb: float, peak: float, trend: Trend = Trend.STABLE) -> ComponentMemory:
    return ComponentMemory(name, (1,) if mb else (), MemoryUsage(pss=mb), peak, mb, 0.0, trend)


def snapshot(*components: ComponentMemory) -> MemorySnapshot:
    total = component("Total", sum(c.usage.pss for c in components), 300.0)
    return MemorySnapshot(0.0, components, total, SystemMemory(16384.0, 8192.0), Pressure.MEDIUM)
