"""The lines that frame every screen: models above, state and keys below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from textual.content import Content
from textual.reactive import var

from services.lifecycle import ModelState, ModelStatus
from services.memory.alert import Severity as MemorySeverity
from services.memory.components import LLM, STT
from services.models.shelf import Work
from services.recording.messages import Alert, RecordingStatus, Severity
from services.settings import Settings
from services.text import clock, one_line
from tui.actions import BY_ID, Action, footer
from tui.situation import Figures, Phase, Situation, live_status, phase_of
from tui.widgets.sheet import Rows, Sheet
from tui.widgets.steady import Steady

Part = tuple[str, str]

_MARKS = {
    ModelState.UNLOADED: ("○", ".quiet"),
    ModelState.LOADING: ("◌", ".warn"),
    ModelState.READY: ("●", ".good"),
    ModelState.PROCESSING: ("●", ".accent"),
    ModelState.UNLOADING: ("◌", ".warn"),
}
_MORE_TIME = " more time"
PHASES: dict[Phase, Part] = {
    Phase.IDLE: ("○", ".quiet"),
    Phase.STARTING: ("◌", ".warn"),
    Phase.RECORDING: ("●", ".rec"),
    Phase.PAUSED: ("║", ".warn"),
    Phase.STOPPING: ("◌", ".warn"),
}
"""The sign of a phase, and its style."""
SEVERITIES: dict[Severity, Part] = {"info": ("", ".quiet"), "warning": ("! ", ".warn"), "critical": ("! ", ".rec")}
"""What stands before an alert, so that it is seen without colours, too; and its style."""
_SHORT_KEYS = {
    "question_mark": "?", "escape": "Esc", "enter": "Enter", "space": "Space", "shift+tab": "Shift+Tab", "tab": "Tab",
    "plus": "+", "equals_sign": "=", "minus": "-",
}  # fmt: skip


def mark(state: ModelState) -> Part:
    """The dot of a model's state, and its style."""
    return _MARKS[state]


def elapsed(status: RecordingStatus | None) -> str:
    """How long the recording is, in whole seconds."""
    return clock(status.seconds if status is not None else 0.0)


class FactSheet(Sheet):
    """A sheet that is painted from the facts and the figures."""

    situation: var[Situation] = var(Situation, init=False)
    figures: var[Figures] = var(Figures, init=False)

    def paint(self) -> None:
        """Show what `situation` and `figures` say."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.paint()

    def watch_situation(self) -> None:
        self.paint()

    def watch_figures(self) -> None:
        self.paint()


class ModelStrip(FactSheet):
    """The live state of both models, with what they hold, or gave back."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(id="models")
        self._engines = {"stt": settings.transcription.engine, "llm": settings.summary.engine}
        self._steady = Steady(2.0, 0.04)

    def use_settings(self, settings: Settings) -> None:
        """Name the engines of these settings."""
        self._engines = {"stt": settings.transcription.engine, "llm": settings.summary.engine}
        self.paint()

    def paint(self) -> None:
        held = {model: self._held(model, component) for model, component in (("stt", STT), ("llm", LLM))}
        self.show(partial(model_rows, self.situation.models, self._engines, held, replaced=self.situation.replaced))

    def _held(self, model: str, component: str) -> float:
        """What its process holds, in MB; 0 where it has none, or was not measured yet."""
        memory = self.figures.memory
        known = memory.component(component) if memory is not None else None
        status = self.situation.models.get(model)
        loaded = status is not None and status.state in (ModelState.READY, ModelState.PROCESSING)
        return self._steady(model, known.usage.pss if known is not None and known.running and loaded else 0.0)


def model_rows(
    models: Mapping[str, ModelStatus],
    engines: Mapping[str, str],
    held: Mapping[str, float],
    width: int,
    replaced: Mapping[str, str] = MappingProxyType({}),
) -> Rows:
    """One row: name, engine, state and memory of each model, each in its half of the line where it fits there.

    On a shorter line the engine's name without its model, then the memory, then the engine give way.

    Args:
        models: Their states.
        engines: What each is, as long as it was not loaded.
        held: What each holds, in MB.
        width: In cells.
        replaced: What was chosen, where a smaller one took its place.
    """
    ways = ((_whole, True), (_model, True), (_whole, False), (_model, False), (_short, False), (None, False))
    row = Content()
    for named, told in ways:
        first, second = (
            _model_part(
                title,
                models.get(name, ModelStatus(engine=engines[name])),
                named,
                (held[name], replaced.get(name, "")) if told else None,
            )
            for name, title in (("stt", "Speech"), ("llm", "Summary"))
        )
        second = second.rstrip()
        half = width // 2
        if first.cell_length + 2 <= half and second.cell_length <= width - half:
            return [Content.assemble(first, " " * (half - first.cell_length), second)]
        row = Content.assemble(first, "  ", second)
        if row.cell_length <= width:
            break
    return [row]


def _model_part(
    title: str, status: ModelStatus, named: Callable[[str], str] | None, told: tuple[float, str] | None
) -> Content:
    """Name, engine and state; with `told`, the MB that it holds and what it replaces, what came of it, too.

    Each state takes the same room.
    """
    dot, style = mark(status.state)
    unloaded = status.state is ModelState.UNLOADED
    parts: list[Part] = [(f"{title} ", ".quiet")]
    if named is not None:
        parts.append((f"{named(status.engine)} ", ""))
    parts += [(dot, style), (f" {status.state.value:<10}", ".quiet" if unloaded else style)]
    held, chosen = told or (0.0, "")
    if held:
        parts.append((f" {held:.0f} MB", ""))
    elif told is not None and unloaded and (status.freed_mb or status.reason):
        parts[-1] = (f" {status.state.value}", ".quiet")
        parts.append((f" · {_released(status)}", ".good" if status.freed_mb else ".warn"))
    if chosen and not unloaded:
        parts.append((f" · for {_model(chosen)}", ".warn"))
    return Content.assemble(*parts)


def _released(status: ModelStatus) -> str:
    """What an unloading gave back, or why there was one that nobody wanted."""
    return f"gave back {status.freed_mb:.0f} MB" if status.freed_mb else one_line(status.reason, 60)


def _whole(engine: str) -> str:
    return one_line(engine, 24)


def _model(engine: str) -> str:
    """Without the engine: of a path its last part."""
    return one_line(engine.rpartition(":")[2].rpartition("/")[2] or engine, 16)


def _short(engine: str) -> str:
    return one_line(engine, 12)


class StatusLine(FactSheet):
    """What must never be out of sight: the recording, what is wrong with it, the work, and the last error.

    Args:
        keymap: The settings' keys by action; None where those keys do not work, as in a dialog.
    """

    def __init__(self, keymap: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._keymap = keymap

    def paint(self) -> None:
        self.show(partial(status_rows, self.situation, self.figures, keymap=self._keymap))


def status_rows(situation: Situation, figures: Figures, width: int, keymap: Mapping[str, str] | None = None) -> Rows:
    """One row: the recording on the left; on the right what is wrong, the last error, or the work at hand."""
    left = Content.assemble(*recording_parts(situation, figures))
    room = max(8, width - left.cell_length - 3)
    right = Content.assemble(*_rest(situation, figures, room, keymap))
    gap = width - left.cell_length - right.cell_length
    return [Content.assemble(left, " " * max(2, gap), right)]


def recording_parts(situation: Situation, figures: Figures) -> Sequence[Part]:
    """The state of the recording, and its clock."""
    phase = phase_of(situation, figures)
    sign, style = PHASES[phase]
    said = "REC" if phase is Phase.RECORDING else phase.value
    if phase in (Phase.IDLE, Phase.STARTING):
        return [(f"{sign} {said}", style)]
    return [(f"{sign} {said} ", style), (elapsed(live_status(situation, figures)), ".strong")]


def alerts_of(situation: Situation, figures: Figures) -> tuple[Alert, ...]:
    """What is wrong with the recording now, the worst first."""
    status = live_status(situation, figures)
    return status.alerts if status is not None else ()


def alert_part(alert: Alert, limit: int) -> Part:
    """An alert in at most `limit` characters; what can be done only where there is room for all of it."""
    sign, style = SEVERITIES[alert.severity]
    whole = one_line(f"{sign}{alert.message} {alert.hint}", limit + 1)
    return whole if len(whole) <= limit else one_line(f"{sign}{alert.message}", limit), style


def _rest(situation: Situation, figures: Figures, room: int, keymap: Mapping[str, str] | None) -> Sequence[Part]:
    alerts, trouble = alerts_of(situation, figures), situation.trouble
    memory = next(iter(figures.memory.alerts), None) if figures.memory is not None else None
    if alerts and (trouble is None or alerts[0].severity != "info"):
        return _worst(alerts[0], len(alerts) - 1 + (trouble is not None), room, keymap)
    if trouble is not None:
        key = "" if keymap is None else f"  {key_of(BY_ID['escape'], keymap)}"  # dismisses it
        return [(one_line(f"{trouble.title}: {trouble.message}", max(8, room - len(key))), ".bad"), (key, ".key")]
    if memory is not None and memory.severity is MemorySeverity.CRITICAL:
        return [(one_line(f"! {memory.message}", room), ".rec")]
    status = live_status(situation, figures)
    if status is not None and status.detail:
        return [(one_line(status.detail, room), ".warn")]
    if figures.job is not None:
        waiting = f"  +{figures.waiting} waiting" if figures.waiting else ""
        progress = figures.progress
        share = f" {progress.fraction:.0%}" if progress is not None and progress.fraction is not None else ""
        said = one_line(progress.what if progress is not None else "", 30).capitalize() or "Processing"
        return [(f"{said}{share}", ".accent"), (waiting, ".quiet")]
    if figures.shelf is not None:
        return _shelf(figures.shelf, room)
    return [_calm(situation, figures, room)]


def _calm(situation: Situation, figures: Figures, room: int) -> Part:
    """While nothing is at work and nothing is wrong but the memory, maybe."""
    relief = figures.relief
    said = (
        ("captions off", relief.no_captions),
        ("smaller models", relief.smaller),
        ("smaller batches", relief.narrower),
    )
    given_up = [words for words, given in said if given]
    if given_up:
        return one_line(f"! Memory is short: {', '.join(given_up)}", room), ".warn"
    if situation.on_air:
        return one_line(situation.title, room), ".quiet"
    return "Low memory" if figures.low_memory else "", ".accent"


def _shelf(work: Work, room: int) -> Sequence[Part]:
    """What is being done with a model's files."""
    share = f" {work.fraction:.0%}" if work.fraction is not None else ""
    waiting = f"  +{len(work.waiting)} waiting" if work.waiting else ""
    room = max(8, room - len(share) - len(waiting))
    short = work.label.partition(":")[2]
    said = next((name for name in (work.label, short) if len(work.doing) + 1 + len(name) <= room), short)
    return [(one_line(f"{work.doing.capitalize()} {said}", room) + share, ".accent"), (waiting, ".quiet")]


def _worst(alert: Alert, more: int, room: int, keymap: Mapping[str, str] | None) -> Sequence[Part]:
    """The worst alert, how many other troubles there are, and the key against an automatic stop."""
    rest: list[Part] = [(f"  +{more}", ".quiet")] if more else []
    if alert.kind == "stopping" and keymap is not None:
        rest.append((f"  {key_of(BY_ID['more_time'], keymap)}", ".key"))
    room = max(8, room - sum(len(text) for text, _ in rest))
    said = alert_part(alert, room)
    if alert.kind == "stopping" and keymap is not None and len(said[0]) + len(_MORE_TIME) <= room:
        rest.append((_MORE_TIME, ".quiet"))
    return [said, *rest]


class KeyBar(FactSheet):
    """The keys that work now; those that make no sense now are dimmed.

    Args:
        keymap: The settings' keys by action.
    """

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__(id="keys")
        self._keymap = keymap

    def paint(self) -> None:
        situation, figures = self.situation, self.figures
        keys = [
            (key_of(action, self._keymap), title_of(action, situation, figures), action.enabled(situation, figures))
            for action in footer(situation, figures)
        ]
        self.show(partial(key_rows, keys))


def key_of(action: Action, keymap: Mapping[str, str]) -> str:
    """The key of an action as a person writes it, with the settings' keymap applied."""
    if action.id in keymap:
        first = keymap[action.id].partition(",")[0]
        return _SHORT_KEYS.get(first, first.replace("ctrl+", "^"))
    return action.key


def title_of(action: Action, situation: Situation, figures: Figures) -> str:
    """The footer's word for an action: the key that starts a recording stops it, the one that pauses it goes on."""
    if action.id == "record" and situation.on_air:
        return "Stop"
    if action.id == "low_memory" and figures.low_memory:
        return "Low memory off"
    if action.id == "pause" and phase_of(situation, figures) is Phase.PAUSED:
        return "Resume"
    return action.title


def key_rows(keys: Sequence[tuple[str, str, bool]], width: int) -> Rows:
    """One row of `(key, title, enabled)`, closer together where that makes room for all of them.

    Those that do not fit even so are left out, the last first.
    """
    needs = [len(key) + 1 + len(title) for key, title, _ in keys]
    gap = 3 if sum(needs) + 3 * (len(keys) - 1) <= width else 2
    parts: list[Part] = []
    used = 0
    for (key, title, enabled), need in zip(keys, needs, strict=True):
        needed = need + (gap if parts else 0)
        if used + needed > width:
            break
        if parts:
            parts.append((" " * gap, ""))
        parts += [(key, ".key" if enabled else ".off"), (f" {title}", "" if enabled else ".off")]
        used += needed
    return [Content.assemble(*parts)]
