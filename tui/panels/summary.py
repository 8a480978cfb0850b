"""The Summary panel: how far the meeting is, and the summary as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget

from services.events import Stage, StageStatus
from services.library.meeting import Meeting
from services.text import clean, one_line
from tui.markdown import markdown_rows
from tui.panels.panel import Panel, Part
from tui.situation import STAGES, Figures, Situation, StageState
from tui.widgets.glyphs import bar
from tui.widgets.sheet import Rows, Sheet, SheetView

_TITLES: dict[Stage, str] = {
    "record": "Record", "transcribe": "Transcribe", "summarize": "Summarise", "archive": "Archive",
}  # fmt: skip
_MARKS: dict[StageStatus, Part] = {
    "waiting": ("○", ".quiet"),
    "running": ("●", ".accent"),
    "done": ("✓", ".good"),
    "failed": ("✗", ".bad"),
    "skipped": ("–", ".quiet"),
}
_DOING: dict[Stage, str] = {
    "record": "Recording", "transcribe": "Transcribing", "summarize": "Summarising", "archive": "Archiving",
}  # fmt: skip
_LONGEST_BAR = 40


class SummaryPanel(Panel):
    """Stages of the shown meeting above, its summary below."""

    NUMBER = 3
    TITLE = "Summary"

    def __init__(self) -> None:
        super().__init__(id="summary")
        self._meeting: Path | None = None
        self._text = ""
        self._shown = ""

    def content(self) -> ComposeResult:
        yield Sheet(id="stages")
        yield SheetView(classes="body")

    @property
    def target(self) -> Widget:
        return self.query_one(SheetView)

    def add(self, text: str) -> None:
        """The next piece of the summary that is being written."""
        self._text += clean(text)

    def complete(self, markdown: str) -> None:
        """All of the summary."""
        self._text = clean(markdown)

    def flush(self) -> None:
        """Show what has been written since the last time."""
        if self._text == self._shown:
            return
        if not self._text.startswith(self._shown) or not self._shown:
            self.target.scroll_home(animate=False)
        self._shown = self._text
        self._refresh()

    def paint(self) -> None:
        if self.situation.meeting != self._meeting:
            self._meeting = self.situation.meeting
            self._text = self._read()
            self._shown = self._text
            self.target.scroll_home(animate=False)
        self.query_one("#stages", Sheet).show(partial(stage_rows, self.situation, self.figures))
        rows = partial(markdown_rows, self._shown) if self._shown else partial(_why_empty, self.situation)
        self.query_one(SheetView).show(rows)

    def _read(self) -> str:
        if self._meeting is None:
            return ""
        try:
            return clean(Meeting(self._meeting).summary.read_text("utf-8", "replace"))
        except OSError:
            return ""

    def headline(self, width: int) -> Sequence[Part]:
        situation = self.situation
        running = next((stage for stage in STAGES[1:] if _status(situation, stage) == "running"), None)
        if running is not None:
            return [(f"{_DOING[running]}{_share(self.figures)}", ".accent")]
        failed = next((stage for stage in STAGES if _status(situation, stage) == "failed"), None)
        if failed is not None:
            return [(f"✗ {_TITLES[failed]} failed", ".bad")]
        if self._text:
            return [(one_line(_first_words(self._text), 400), ".quiet")]
        return [("Nothing yet", ".quiet")]


def _first_words(markdown: str) -> str:
    """The first line that is not a heading."""
    lines = (line.strip(" *-#") for line in markdown.splitlines() if line.strip() and not line.startswith("#"))
    return next(lines, "")


def _status(situation: Situation, stage: Stage) -> StageStatus | None:
    state = situation.stages.get(stage)
    return state.status if state is not None else None


def _share(figures: Figures) -> str:
    fraction = figures.progress.fraction if figures.progress is not None else None
    return f" {fraction:.0%}" if fraction is not None else ""


def stage_rows(situation: Situation, figures: Figures, width: int) -> Rows:
    """The stages of the shown meeting in one row; below it the progress of the one at work, or why one failed."""
    if not situation.stages:
        return []
    parts: list[Part] = []
    recorded = "record" in situation.stages
    for stage in STAGES:
        if stage in ("record", "archive") and not recorded:
            continue  # a file that was opened is neither recorded nor archived
        state = situation.stages.get(stage, StageState("waiting"))
        sign, style = _MARKS[state.status]
        parts += [(f"{sign} ", style), (f"{_TITLES[stage]}   ", "" if state.status == "running" else ".quiet")]
    rows = [Content.assemble(*parts)]
    for stage, state in situation.stages.items():
        if state.status == "running" and stage != "record":
            rows.append(_progress_row(stage, figures, width))
        elif state.status == "failed" or (state.detail and state.status in ("waiting", "skipped")):
            style = ".bad" if state.status == "failed" else ".quiet"
            rows.append(Content.styled(one_line(f"{_TITLES[stage]}: {state.detail}", max(8, width)), style))
    return [*rows, Content()]


def _progress_row(stage: Stage, figures: Figures, width: int) -> Content:
    fraction = figures.progress.fraction if figures.progress is not None else None
    said = f"{_DOING[stage]}  "
    if fraction is None:
        return Content.styled(said, ".accent")
    room = max(8, min(_LONGEST_BAR, width - len(said) - 6))
    return Content.assemble((said, ".accent"), bar(fraction, room), (f" {fraction:4.0%}", ".quiet"))


def _why_empty(situation: Situation, _: int) -> Rows:
    match _status(situation, "summarize"):
        case "running":
            said = "The summary appears here as it is written."
        case "failed":
            said = "There is no summary. The transcript is safe."
        case "skipped":
            said = "There is no summary."
        case _:
            said = "The summary appears here by itself, after the transcript."
    return [Content.styled(said, ".quiet")]
