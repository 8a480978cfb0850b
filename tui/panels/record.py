"""The Record panel: state, clock, levels, and where the recording goes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from services.recording.messages import ChannelLevel, RecordingStatus, is_file
from services.settings import Settings
from services.text import one_line
from tui.panels.panel import Panel, Part, fact
from tui.situation import Figures, Phase, Situation
from tui.widgets.glyphs import FLOOR_DB, big, decibels, meter, size
from tui.widgets.lines import elapsed
from tui.widgets.sheet import Rows, Sheet

_HOLD_TICKS = 8
"""A peak stays marked for two seconds of the screen's quarter-second ticks, then falls."""
_FALL_DB = 3.0

_STATE_STYLE = {Phase.IDLE: ".quiet", Phase.STARTING: ".warn", Phase.RECORDING: ".rec", Phase.STOPPING: ".warn"}


class Hold:
    """The highest level of late, as meters show it."""

    def __init__(self) -> None:
        self.db = FLOOR_DB
        self._age = 0

    def feed(self, db: float) -> float:
        """Take the next level; returns the level to mark."""
        if db >= self.db:
            self.db, self._age = db, 0
        else:
            self._age += 1
            if self._age > _HOLD_TICKS:
                self.db = max(db, self.db - _FALL_DB)
        return self.db


class RecordPanel(Panel):
    """What is being recorded now, or what to press."""

    NUMBER = 1
    TITLE = "Record"

    def __init__(self, settings: Settings) -> None:
        super().__init__(id="record")
        self._settings = settings
        self._holds: list[Hold] = []
        self._held: tuple[float, ...] = ()

    def content(self) -> ComposeResult:
        with VerticalScroll(classes="body"):
            yield Sheet(id="record-sheet")

    @property
    def target(self) -> Widget:
        return self.query_one(".body")

    def watch_figures(self) -> None:
        status = self.figures.recording
        levels = status.channels if status is not None and self.situation.on_air else ()
        if len(levels) != len(self._holds):
            self._holds = [Hold() for _ in levels]
        self._held = tuple(hold.feed(level.peak_db) for hold, level in zip(self._holds, levels, strict=True))
        super().watch_figures()

    def paint(self) -> None:
        self.query_one("#record-sheet", Sheet).show(
            partial(record_rows, self.situation, self.figures, self._held, self._settings)
        )

    def headline(self, width: int) -> Sequence[Part | Content]:
        situation, status = self.situation, self.figures.recording
        if not situation.on_air:
            return [("Press ", ".quiet"), ("r", ".key"), (" to record", ".quiet")]
        state = f"{_dot(situation.phase)} {situation.phase.value}  "
        parts: list[Part | Content] = [(state, _STATE_STYLE[situation.phase]), (f"{elapsed(status)}  ", ".strong")]
        if status is not None and status.channels:
            loudest = max(level.peak_db for level in status.channels)
            bar = meter(loudest, max(self._held, default=loudest), max(8, min(20, width - 34)))
            parts += [bar, (f" {decibels(loudest)} dB", ".quiet")]
        return parts


def record_rows(situation: Situation, figures: Figures, held: Sequence[float], settings: Settings, width: int) -> Rows:
    """The rows of the panel.

    Args:
        situation: The facts.
        figures: The figures.
        held: The held peak of each channel, in dB of full scale.
        settings: Where recordings go, and from which sources.
        width: In cells.
    """
    status = figures.recording if situation.on_air else None
    title = one_line(situation.title, max(8, width - 14)) if situation.on_air else ""
    clock_style = ".strong" if situation.on_air else ".line"
    rows = [Content.assemble((f"{_dot(situation.phase)} {situation.phase.value}", _STATE_STYLE[situation.phase]))]
    rows[0] = Content.assemble(rows[0], (f"   {title}", ".quiet"))
    rows += [Content(), *(Content.styled(row, clock_style) for row in big(elapsed(status))), Content()]
    if not situation.on_air:
        return [*rows, *_idle_rows(situation, figures, settings, width)]
    return [*rows, *(_live_rows(status, held, width) if status is not None else ())]


def _dot(phase: Phase) -> str:
    return {Phase.IDLE: "○", Phase.RECORDING: "●"}.get(phase, "◌")


def _live_rows(status: RecordingStatus, held: Sequence[float], width: int) -> Rows:
    """Levels, and where the recording goes."""
    rows: list[Content] = []
    names = [_source(level) for level in status.channels]
    label = min(max(12, width // 4), max(map(len, names), default=0))
    for source, level, peak in zip(names, status.channels, held, strict=False):
        bar = meter(level.peak_db, peak, max(8, min(48, width - label - 10)))
        name = f"{one_line(source, label):<{label}}  "
        rows.append(Content.assemble(name, bar, (f" {decibels(level.peak_db)} dB", ".quiet")))
    rows += [Content(), fact("On disk", size(status.bytes))]
    if status.meeting is not None:
        rows.append(fact("Folder", shorten(status.meeting, width - 9)))
    if status.overflows:
        rows.append(fact("Lost", f"{status.overflows} frames: this machine is too busy", ".warn"))
    if status.detail:
        rows.append(fact("Waits", one_line(status.detail), ".warn"))
    return [*rows, Content(), _hint(("r", "stops and transcribes"))]


def _source(level: ChannelLevel) -> str:
    """A source's name; of a file that is played, the file's."""
    return Path(level.source).name if is_file(level.source) else one_line(level.source)


def _idle_rows(situation: Situation, figures: Figures, settings: Settings, width: int) -> Rows:
    """What to press, and what the last recording came to."""
    rows = [_hint(("r", "to record, "), ("o", "to open a file"), lead="Press "), Content()]
    sources = ", ".join(one_line(source, 30) for source in settings.recording.sources)
    rows += [fact("Source", sources), fact("Folder", shorten(settings.folder, width - 9))]
    status = figures.recording
    if status is not None and status.meeting is not None and status.meeting == situation.meeting:
        length = Content.assemble(elapsed(status), (f"   {size(status.bytes)}", ".quiet"))
        rows += [Content(), fact("Recorded", situation.title), fact("Length", length)]
        rows.append(fact("Folder", shorten(status.meeting, width - 9)))
    return rows


def _hint(*keys: tuple[str, str], lead: str = "") -> Content:
    parts: list[Part] = [(lead, ".quiet")]
    for key, what in keys:
        parts += [(key, ".key"), (f" {what}", ".quiet")]
    return Content.assemble(*parts)


def shorten(path: Path, width: int) -> str:
    """A path in `width` cells: the home folder as `~`, and the middle left out where it is too long."""
    text = one_line(str(path), 4096)
    home = str(Path.home())
    if text == home or text.startswith(f"{home}/"):
        text = f"~{text[len(home) :]}"
    if len(text) <= width:
        return text
    name = one_line(path.name, max(8, width - 6))
    room = width - len(name) - 2
    return f"{text[:room]}…/{name}" if room > 2 else f"…/{name}"
