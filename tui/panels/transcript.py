"""The Transcript panel: captions while people speak, the final text afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget

from services.library.meeting import Meeting
from services.text import one_line
from tui.panels.panel import Panel, Part
from tui.widgets.sheet import Sheet
from tui.widgets.transcript_view import TranscriptView


class TranscriptPanel(Panel):
    """Shows the captions of the meeting at hand, and its final transcript as soon as that begins."""

    NUMBER = 2
    TITLE = "Transcript"

    def __init__(self) -> None:
        super().__init__(id="transcript")
        self._meeting: Path | None = None
        self._last = ""

    def content(self) -> ComposeResult:
        yield Sheet(id="transcript-empty", classes="empty")
        yield TranscriptView()

    @property
    def target(self) -> Widget:
        return self.view

    @property
    def view(self) -> TranscriptView:
        return self.query_one(TranscriptView)

    def segment(self, text: str, preview: bool) -> None:
        """A segment of the shown meeting is on disk."""
        self._last = text
        if self._meeting is not None:
            meeting = Meeting(self._meeting)
            if not preview:
                self.view.open(meeting.transcript)
            elif self.view.path == meeting.live:
                self.view.changed()

    def caption(self, speaker: str, text: str) -> None:
        """The words of an utterance of the shown meeting that is still going on."""
        if text:
            self._last = text
        self.view.caption(speaker, text)

    def moments_changed(self) -> None:
        """A note was taken, or the recorder noted something. It is read at the next `flush`."""
        self.view.changed()

    def names_changed(self) -> None:
        """Somebody has another name: it is shown at once."""
        self.view.changed()
        self.view.flush()

    def flush(self) -> None:
        """Paint what came in since the last time."""
        self.view.flush()
        self._show_empty()
        if self.has_class("-folded"):
            self._refresh()

    def paint(self) -> None:
        if self.situation.meeting != self._meeting:
            self._meeting = self.situation.meeting
            self._last = ""
            self.view.open(self._first_file())
        self._show_empty()

    def _first_file(self) -> Path | None:
        if self._meeting is None:
            return None
        meeting = Meeting(self._meeting)
        return meeting.transcript if meeting.transcript.exists() else meeting.live

    def _show_empty(self) -> None:
        self.set_class(self.view.empty, "-empty")
        if self.view.empty:
            self.query_one("#transcript-empty", Sheet).show(lambda _: [self._why_empty()])

    def _why_empty(self) -> Content:
        situation = self.situation
        if situation.on_air:
            return Content.styled("What is said appears here.", ".quiet")
        state = situation.stages.get("transcribe")
        if state is None:
            return Content.styled("What is said appears here, with time and speaker.", ".quiet")
        match state.status:
            case "waiting" | "running":
                said = "The transcript appears here as it is made."
            case "done":
                said = state.detail or "No speech was found."
            case "failed" | "skipped":
                said = state.detail or "There is no transcript."
        return Content.styled(one_line(said), ".quiet")

    def headline(self, width: int) -> Sequence[Part]:
        return [(one_line(self._last, 400), ".quiet")] if self._last else [("Nothing yet", ".quiet")]

    @on(TranscriptView.Waiting)
    def _waiting(self, message: TranscriptView.Waiting) -> None:
        message.stop()
        lines = message.lines
        self.border_subtitle = f"{lines} new line{'s' if lines > 1 else ''} · End follows" if lines else ""
