"""What is wrong with the memory: one rule for each kind of alert, each a function of one picture.

A rule is asked again at every measurement. What is raised already is let go of only when the figure is clearly below
the threshold again, so that one which wavers around it does not raise and resolve an alert each minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.memory.alert import MemoryAlert, Severity
from services.memory.components import COMPONENTS, LLM, STT, SYSTEM, TOTAL
from services.memory.probe import Pressure
from services.memory.recovery import Trouble, alert_of
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.settings import MemorySettings

NEAR_LIMIT = 0.9
"""From this share of its limit on, a component is near it."""
LIMIT = "limit"
"""Begins the key of an alert about the limit of a component."""
_SLACK_PERCENT = 3.0
"""Pressure is over when it is so many points of the machine's memory below the threshold."""
_SLACK_SHARE = 0.05
"""A limit is no longer near when the component is so much of it below."""
_GB = 1024.0

_MODELS = (STT, LLM)
_SETTINGS = {STT: "memory.max_stt_mb", LLM: "memory.max_llm_mb", TOTAL: "memory.max_total_mb"}

Raised = Mapping[str, Severity]


def limits(settings: MemorySettings) -> dict[str, float]:
    """The most that each component may take, in MB. Those without a limit are not in it."""
    allowed = {STT: settings.max_stt_mb, LLM: settings.max_llm_mb, TOTAL: settings.max_total_mb}
    return {name: mb for name, mb in allowed.items() if mb > 0}


def thresholds(settings: MemorySettings) -> tuple[float, float]:
    """Percent of the machine's memory from which on pressure is High, and Critical; in this order in any case."""
    return min(settings.warning_threshold, settings.critical_threshold), settings.critical_threshold


def findings(snapshot: MemorySnapshot, settings: MemorySettings, raised: Raised) -> Iterator[MemoryAlert]:
    """What is wrong in a picture, with one alert for each key.

    Args:
        snapshot: The picture.
        settings: The thresholds.
        raised: What was wrong before, by key.
    """
    yield from _pressure(snapshot, settings, raised)
    for component in (*snapshot.components, snapshot.total):
        yield from _limit(component, raised)
    yield from _own(snapshot, settings, raised)
    for component in snapshot.components:
        yield from _growth(component)
    if settings.warning_threshold > settings.critical_threshold:
        yield _order_of_thresholds(settings)


def _pressure(snapshot: MemorySnapshot, settings: MemorySettings, raised: Raised) -> Iterator[MemoryAlert]:
    key, system = "pressure", snapshot.system
    warning, critical = thresholds(settings)
    was = raised.get(key)
    pressure = system.pressure(
        warning - (_SLACK_PERCENT if was is not None else 0.0),
        critical - (_SLACK_PERCENT if was is Severity.CRITICAL else 0.0),
    )
    if pressure not in (Pressure.HIGH, Pressure.CRITICAL):
        return
    left = f"{system.available / _GB:.1f} of {system.total / _GB:.1f} GB"
    said = f"{system.used_percent:.0f}% of the memory is in use; {left} are available."
    stalls = system.stall_some or 0.0
    if system.used_percent < warning and stalls:
        said = f"Programs wait for memory {stalls:.0f}% of the time; {left} are available."
    if pressure is Pressure.CRITICAL:
        advice = "Close other programs and switch to low memory; if that is not enough, restart with `sotto -l`."
        yield MemoryAlert(key, Severity.CRITICAL, SYSTEM, said, advice, "low_memory")
    elif any(component.name in _MODELS and component.running for component in snapshot.components):
        yield MemoryAlert(key, Severity.WARNING, SYSTEM, said, "Unload the models that are idle.", "unload")
    else:
        yield MemoryAlert(key, Severity.WARNING, SYSTEM, said, "Switch to low memory.", "low_memory")


def _limit(component: ComponentMemory, raised: Raised) -> Iterator[MemoryAlert]:
    if not component.limit or not component.running:
        return
    key, share = f"{LIMIT} {component.name}", component.usage.pss / component.limit
    severity = _severity(share, NEAR_LIMIT, 1.0, raised.get(key), _SLACK_SHARE)
    if severity is None:
        return
    who = "All of sotto" if component.name == TOTAL else component.name
    said = f"{who} takes {component.usage.pss:,.0f} MB, and {component.limit:,.0f} MB are allowed."
    advice = f"Choose a smaller model, or allow more: `{_SETTINGS[component.name]}`."
    yield MemoryAlert(key, severity, component.name, said, advice, "low_memory")


def _own(snapshot: MemorySnapshot, settings: MemorySettings, raised: Raised) -> Iterator[MemoryAlert]:
    ours = [component for component in snapshot.components if component.name in COMPONENTS]
    own = sum(component.usage.pss for component in ours if component.name not in _MODELS)
    if _over("own", own, settings.own_warning_mb, raised):
        said = f"sotto takes {own:,.0f} MB without its models; {settings.own_warning_mb:,.0f} MB are its warning."
        advice = "Look at what grows; restarting sotto gives it back, and a recording goes on meanwhile."
        yield MemoryAlert("own", Severity.WARNING, TOTAL, said, advice, "memory_details")
    whole = sum(component.usage.pss for component in ours)
    if _over("whole", whole, settings.own_cleanup_mb, raised):
        said = f"All of sotto takes {whole:,.0f} MB; from {settings.own_cleanup_mb:,.0f} MB on it cleans up."
        yield MemoryAlert("whole", Severity.WARNING, TOTAL, said, "Unload the models that are idle.", "unload")


def _over(key: str, mb: float, threshold: float, raised: Raised) -> bool:
    return threshold > 0 and mb >= threshold * (1.0 - (_SLACK_SHARE if key in raised else 0.0))


def _growth(component: ComponentMemory) -> Iterator[MemoryAlert]:
    if component.leak:
        said = f"{component.name} grows by {component.leak:,.0f} MB an hour and gives nothing back."
        advice = "Unload it: the next load begins anew."
        action = "unload"
        if component.name not in COMPONENTS:
            advice, action = "It is no part of sotto: restart it when it suits.", ""
        elif component.name not in _MODELS:
            advice, action = "Restart sotto when it suits; a recording goes on meanwhile.", "memory_details"
        yield MemoryAlert(f"growth {component.name}", Severity.WARNING, component.name, said, advice, action)


def _order_of_thresholds(settings: MemorySettings) -> MemoryAlert:
    warning, critical = settings.warning_threshold, settings.critical_threshold
    said = f"The warning at {warning:g}% lies above the critical {critical:g}%: {critical:g}% counts for both."
    return alert_of(Trouble.CONFIGURATION, SYSTEM, said, about="thresholds")


def _severity(share: float, warning: float, critical: float, was: Severity | None, slack: float) -> Severity | None:
    if share >= critical - (slack if was is Severity.CRITICAL else 0.0):
        return Severity.CRITICAL
    return Severity.WARNING if share >= warning - (slack if was is not None else 0.0) else None
