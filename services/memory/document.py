"""A report for people and for programs: sections with tables, as Markdown, as text, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.memory.account import LoadedModel, MemoryReport
from services.memory.advice import opportunities, steps, suggestions
from services.memory.alert import MemoryAlert
from services.memory.diary import Checkpoint, OperationMemory
from services.memory.optimization import Optimization
from services.memory.report import alert_json, columns, iso, machine, rows, to_json
from services.text import one_line

Table = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: a table whose first row is its head, and sentences below it."""

    title: str
    rows: Table = ()
    lines: tuple[str, ...] = ()


def sections(report: MemoryReport) -> list[Section]:
    """The report in the order in which it is read. What there is nothing of is left out."""
    found = [
        Section("Components", tuple(rows(report.snapshot)), tuple(_about_figures(report))),
        Section("Models", _models(report.models), _model_total(report)),
        Section("Peak of each operation", operations(report.operations)),
        Section("Checkpoints", _checkpoints(report.checkpoints)),
        Section("What was done", _optimizations(report.optimizations), tuple(_saved(report.optimizations))),
        Section("Smaller models", (), tuple(f"{f.old} → {f.new}: {f.reason}" for f in report.fallbacks)),
        Section("Alerts", _alerts((*report.snapshot.alerts, *report.over)), _no_alerts(report)),
        Section("Opportunities", (), tuple(opportunities(report))),
        Section("Suggestions", (), tuple(suggestions(report))),
        Section("Next steps", (), tuple(steps(report))),
    ]
    return [section for section in found if section.rows or section.lines]


def title(report: MemoryReport) -> str:
    """The first line of a report."""
    return f"Memory of process {report.pid}, {_time(report.snapshot.time)}"


def markdown(heading: str, parts: Iterable[Section]) -> str:
    """A report as Markdown."""
    text = [f"# {heading}"]
    for part in parts:
        text.append(f"\n## {part.title}")
        if part.rows:
            head, *body = [[cell.replace("|", "\\|") for cell in row] for row in part.rows]
            text += ["", _pipes(head), _pipes(["---"] * len(head)), *(_pipes(row) for row in body)]
        if part.lines:
            text += ["", *(f"- {line}" for line in part.lines)]
    return "\n".join(text) + "\n"


def plain(heading: str, parts: Iterable[Section]) -> str:
    """A report as text for a terminal."""
    text = [heading]
    for part in parts:
        text.append(f"\n{part.title}")
        text += [f"  {line}" for line in columns(part.rows)]
        text += [f"  {line}" for line in part.lines]
    return "\n".join(text)


def report_json(report: MemoryReport) -> dict[str, Any]:
    """A report for programs: the picture of `services.memory.report.to_json`, and everything that happened."""
    return {
        "pid": report.pid,
        **to_json(report.snapshot),
        "models": [_model_json(model) for model in report.models],
        "loaded_mb": round(sum(model.usage.pss for model in report.loaded), 1),
        "operations": [_rounded(asdict(each) | {"begun": iso(each.begun)}) for each in report.operations],
        "checkpoints": [
            {"name": c.name, "time": iso(c.time), "pss_mb": _rounded(dict(c.held)), "total_mb": round(c.total, 1)}
            for c in report.checkpoints
        ],
        "optimizations": [_optimization_json(each) for each in report.optimizations],
        "fallbacks": [asdict(each) | {"time": iso(each.time)} for each in report.fallbacks],
        "resolved": [alert_json(alert) for alert in report.over],
        "opportunities": opportunities(report),
        "suggestions": suggestions(report),
        "next_steps": steps(report),
        "estimated": list(report.estimated),
    }


def operations(found: Iterable[OperationMemory]) -> Table:
    """The table of operations; empty where there is none."""
    body = [
        (
            operation.name,
            operation.subject,
            f"{operation.seconds:.0f}" + ("…" if operation.running else ""),
            f"{operation.peak:.1f}",
            ", ".join(f"{name} {mb:.0f}" for name, mb in operation.peaks.items()),
        )
        for operation in found
    ]
    return (("Operation", "For", "Seconds", "Peak MB", "Of which"), *body) if body else ()


def _models(models: Iterable[LoadedModel]) -> Table:
    body = []
    for model in models:
        past = model.past
        mapped = f"{model.mapped_mb:.0f}" if model.mapped_mb else "no" if past.loaded else "-"
        body.append(
            (
                past.component,
                past.engine or "-",
                past.state,
                f"{model.usage.pss:.1f}" if past.loaded else "-",
                mapped,
                f"{model.context}" if model.context else "-",
                _clock(past.used_at),
                f"{past.freed_mb:.1f}" if past.freed_mb else "-",
            )
        )
    head = ("Model", "Engine", "State", "Now MB", "Mapped MB", "Context", "Last used", "Gave back MB")
    return (head, *body) if body else ()


def _model_total(report: MemoryReport) -> tuple[str, ...]:
    if not report.models:
        return ()
    held = sum(model.usage.pss for model in report.loaded)
    whole = report.snapshot.total.usage.pss
    return (f"Models that are loaded: {len(report.loaded)}. They hold {held:,.0f} MB of {whole:,.0f} MB.",)


def _checkpoints(found: Iterable[Checkpoint]) -> Table:
    body = [
        (c.name, _clock(c.time), f"{c.total:.1f}", ", ".join(f"{name} {mb:.0f}" for name, mb in c.held.items()))
        for c in found
    ]
    return (("Checkpoint", "Time", "Total MB", "Of which"), *body) if body else ()


def _optimizations(found: Iterable[Optimization]) -> Table:
    body = [
        (
            f"{one_line(each.step, 40)}{' (undone)' if each.undone else ''}",
            each.component,
            f"{each.before_mb:.1f}",
            f"{each.after_mb:.1f}",
            f"{each.saved_mb:.1f}",
            f"{each.saved_percent:.0f}%",
            f"{each.latency.value} / {each.throughput.value} / {each.user.value}",
            "done" if each.success else one_line(each.error, 60),
        )
        for each in found
    ]
    head = ("Step", "Component", "Before MB", "After MB", "Saved MB", "Saved", "Latency / throughput / user", "Result")
    return (head, *body) if body else ()


def _saved(found: Sequence[Optimization]) -> list[str]:
    if not found:
        return []
    saved = sum(each.saved_mb for each in found if each.success and not each.undone)
    return [f"Saved by what was done: {saved:,.0f} MB."]


def _alerts(found: Iterable[MemoryAlert]) -> Table:
    body = [
        ("over" if a.resolved else a.severity.value, a.component, _clock(a.time), a.message, a.recommendation)
        for a in found
    ]
    return (("Severity", "Component", "Since", "What", "What to do"), *body) if body else ()


def _no_alerts(report: MemoryReport) -> tuple[str, ...]:
    return () if report.snapshot.alerts else ("Nothing is wrong now.",)


def _about_figures(report: MemoryReport) -> Iterable[str]:
    yield machine(report.snapshot) + "."
    if report.estimated:
        yield f"Estimates (~): {', '.join(report.estimated)}. The system does not tell more than the resident set."
    else:
        yield "All figures are measured (proportional set size)."


def _model_json(model: LoadedModel) -> dict[str, Any]:
    past = model.past
    return {
        "model": past.job,
        "engine": past.engine,
        "state": past.state,
        "reason": past.reason,
        "pss_mb": round(model.usage.pss, 1),
        "anonymous_mb": round(model.usage.anonymous, 1),
        "mapped_mb": round(model.mapped_mb, 1),
        "context": model.context,
        "context_mb": round(model.context_mb, 1),
        "loads": past.loads,
        "last_used": iso(past.used_at) if past.used_at else None,
        "freed_mb": round(past.freed_mb, 1),
    }


def _optimization_json(each: Optimization) -> dict[str, Any]:
    effects = {"latency": each.latency.value, "throughput": each.throughput.value, "user": each.user.value}
    saved = {"saved_mb": round(each.saved_mb, 1), "saved_percent": round(each.saved_percent, 1)}
    return _rounded(asdict(each) | {"time": iso(each.time)} | effects | saved)


def _rounded(data: dict[str, Any]) -> dict[str, Any]:
    """With figures to a tenth, also one level deeper."""
    return {
        key: round(value, 1) if isinstance(value, float) else _rounded(value) if isinstance(value, dict) else value
        for key, value in data.items()
    }


def _pipes(row: Iterable[str]) -> str:
    return f"| {' | '.join(row)} |"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S") if seconds else "-"
