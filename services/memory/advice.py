"""What a report advises: what could be given back, and what to do, each as a sentence with the key or command."""

from __future__ import annotations

from collections.abc import Iterator

from services.memory.account import MemoryReport
from services.memory.alert import Severity
from services.memory.probe import Pressure
from services.memory.recovery import RECOVERY, trouble_of

_KEYS = {
    "unload": "`u` in the app unloads what is idle.",
    "low_memory": "`L` in the app switches to low memory; `sotto -l` starts in it.",
    "memory_details": "Enter in the Memory panel, or `sotto report`, shows all figures.",
}
"""How each action of an alert is done."""
_CONTEXT_MB = 64.0
"""From here on a context is worth making smaller."""
_READY = "Ready"


def opportunities(report: MemoryReport) -> list[str]:
    """What could be given back now, and what it would bring."""
    return list(_opportunities(report))


def _opportunities(report: MemoryReport) -> Iterator[str]:
    for model in report.loaded:
        name = model.past.component
        if model.past.state == _READY:
            yield f"{name} ({model.past.engine}) is idle: unloading it gives back {model.usage.anonymous:,.0f} MB."
        if model.mapped_mb:
            held = min(model.mapped_mb, model.usage.file)
            yield f"Of {name}'s mapped weights {held:,.0f} MB are in RAM; the system can drop and read them again."
        if model.context_mb >= _CONTEXT_MB and model.kv_cache == "f16":
            yield (
                f"{name}'s context of {model.context:,} tokens takes {model.context_mb:,.0f} MB: "
                '`summary.kv_cache = "q8_0"` halves it.'
            )
    for component in report.snapshot.components:
        if component.running and component.usage.swap >= 1.0:
            yield f"{component.usage.swap:,.0f} MB of {component.name} lie in swap: it will be slow when it needs them."


def suggestions(report: MemoryReport) -> list[str]:
    """What to do, the most urgent first: what each alert recommends, with the key, and what sotto does by itself."""
    found: list[str] = []
    for alert in report.snapshot.alerts:
        recovery = RECOVERY[trouble_of(alert)]
        doing = recovery.escalation if alert.severity is Severity.CRITICAL else recovery.immediate
        parts = (alert.recommendation, _KEYS.get(alert.action, ""), f"Meanwhile {doing}.")
        found.append(" ".join(part for part in parts if part))
    if report.snapshot.pressure is Pressure.CRITICAL:
        found.append("If it stays critical: restart with `sotto -l`, or set `memory.preset` to `conservative`.")
    found += [
        f"{each.old} did not fit, and {each.new} went on: choose a smaller model, or allow more memory."
        for each in report.fallbacks[-1:]
    ]
    return found


def steps(report: MemoryReport) -> list[str]:
    """What comes next: what sotto would do if memory were short, from cheap to costly."""
    return list(report.next_steps) or ["Nothing has to be done."]
