"""The lines that frame every screen: models above, state and keys below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from textual.content import Content
from textual.reactive import var

from services.lifecycle import ModelState, ModelStatus
from services.recording.messages import RecordingStatus
from services.settings import Settings
from services.text import clock, one_line
from tui.actions import ACTIONS, Action
from tui.situation import Figures, Phase, Situation
from tui.widgets.sheet import Rows, Sheet

Part = tuple[str, str]

_MARKS = {
    ModelState.UNLOADED: ("○", ".quiet"),
    ModelState.LOADING: ("◌", ".warn"),
    ModelState.READY: ("●", ".good"),
    ModelState.PROCESSING: ("●", ".accent"),
    ModelState.UNLOADING: ("◌", ".warn"),
}
_SHORT_KEYS = {
    "question_mark": "?", "escape": "Esc", "enter": "Enter", "space": "Space", "shift+tab": "Shift+Tab", "tab": "Tab",
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
    """The live state of both models."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(id="models")
        self._engines = {"stt": settings.transcription.engine, "llm": settings.summary.engine}

    def paint(self) -> None:
        self.show(partial(model_rows, self.situation.models, self._engines))


def model_rows(models: Mapping[str, ModelStatus], engines: Mapping[str, str], width: int) -> Rows:
    """One row: name, engine and state of each model; on a short line the engines, then the words give way."""
    for names, engine_limit, gap in (
        (("Speech", "Summary"), 24, 4), (("Speech", "Summary"), 12, 2), (("Speech", "Summary"), 0, 2),
    ):  # fmt: skip
        parts: list[Part] = []
        for name, title in zip(("stt", "llm"), names, strict=True):
            status = models.get(name, ModelStatus())
            engine = one_line(status.engine or engines[name], engine_limit) if engine_limit else ""
            dot, style = mark(status.state)
            parts += [(f"{title} ", ".quiet"), (f"{engine} " if engine else "", ""), (dot, style)]
            parts += [(f" {status.state.value:<10}", style if status.state is not ModelState.UNLOADED else ".quiet")]
            parts += [(" " * gap, "")]
        row = Content.assemble(*parts[:-1])
        if row.cell_length <= width:
            break
    return [row]


class StatusLine(FactSheet):
    """What must never be out of sight: the recording, the work, and the last error."""

    def paint(self) -> None:
        self.show(partial(status_rows, self.situation, self.figures))


def status_rows(situation: Situation, figures: Figures, width: int) -> Rows:
    """One row: the recording on the left, the last error or the work at hand on the right."""
    left = Content.assemble(*_recording(situation, figures))
    room = width - left.cell_length - 3
    right = Content.assemble(*_rest(situation, figures, max(8, room)))
    gap = width - left.cell_length - right.cell_length
    return [Content.assemble(left, " " * max(2, gap), right)]


def _recording(situation: Situation, figures: Figures) -> Sequence[Part]:
    match situation.phase:
        case Phase.IDLE:
            return [("○ Not recording", ".quiet")]
        case Phase.STARTING:
            return [("◌ Starting", ".warn")]
        case Phase.RECORDING:
            return [("● REC ", ".rec"), (elapsed(figures.recording), ".strong")]
        case Phase.STOPPING:
            return [("◌ Stopping ", ".warn"), (elapsed(figures.recording), ".strong")]


def _rest(situation: Situation, figures: Figures, room: int) -> Sequence[Part]:
    if situation.trouble is not None:
        key = "  Esc"  # dismisses it
        said = one_line(f"{situation.trouble.title}: {situation.trouble.message}", room - len(key))
        return [(said, ".bad"), (key, ".key")]
    if situation.on_air and figures.recording is not None and figures.recording.detail:
        return [(one_line(figures.recording.detail, max(8, room)), ".warn")]
    if figures.job is not None:
        waiting = f"  +{figures.waiting} waiting" if figures.waiting else ""
        progress = figures.progress
        share = f" {progress.fraction:.0%}" if progress is not None and progress.fraction is not None else ""
        said = one_line(progress.what if progress is not None else "", 30).capitalize() or "Processing"
        return [(f"{said}{share}", ".accent"), (waiting, ".quiet")]
    return [(one_line(situation.title, max(8, room)) if situation.on_air else "", ".quiet")]


class KeyBar(FactSheet):
    """The keys that work now; those that make no sense now are dimmed.

    Args:
        keymap: The settings' keys by action.
    """

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__(id="keys")
        self._keymap = keymap

    def paint(self) -> None:
        footer = sorted((action for action in ACTIONS if action.footer), key=lambda action: action.footer)
        situation, figures = self.situation, self.figures
        keys = [
            (key_of(action, self._keymap), title_of(action, situation), action.enabled(situation, figures))
            for action in footer
        ]
        self.show(partial(key_rows, keys))


def key_of(action: Action, keymap: Mapping[str, str]) -> str:
    """The key of an action as a person writes it, with the settings' keymap applied."""
    if action.id in keymap:
        first = keymap[action.id].partition(",")[0]
        return _SHORT_KEYS.get(first, first.replace("ctrl+", "^"))
    return action.key


def title_of(action: Action, situation: Situation) -> str:
    """The footer's word for an action: the key that starts a recording stops it, too."""
    return "Stop" if action.id == "record" and situation.on_air else action.title


def key_rows(keys: Sequence[tuple[str, str, bool]], width: int) -> Rows:
    """One row of `(key, title, enabled)`; those that do not fit are left out, the last first."""
    parts: list[Part] = []
    used = 0
    for key, title, enabled in keys:
        needed = len(key) + 1 + len(title) + (3 if parts else 0)
        if used + needed > width:
            break
        if parts:
            parts.append(("   ", ""))
        parts += [(key, ".key" if enabled else ".off"), (f" {title}", "" if enabled else ".off")]
        used += needed
    return [Content.assemble(*parts)]
