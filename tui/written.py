"""What the keys of a meeting that has been written up do: export it, and give its speakers names."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from services.errors import StorageError
from services.library.export import FORMATS, Format, export_beside
from services.library.meeting import Meeting
from services.text import one_line
from tui.meeting import MeetingApp

_FORMATS: dict[Format, tuple[str, str]] = {
    "md": ("m", "Markdown: summary, notes and transcript"),
    "txt": ("t", "Plain text: a line for each thing said"),
    "srt": ("s", "SubRip subtitles (.srt)"),
    "vtt": ("v", "WebVTT subtitles (.vtt)"),
    "json": ("j", "JSON, for programs"),
}


class WrittenApp(MeetingApp):
    """The actions around a meeting that has been written up."""

    def action_export(self) -> None:
        from tui.screens.choice import Choice, Option

        folder = self.situation.meeting
        if folder is None:
            return
        options = [Option(kind, *_FORMATS[kind]) for kind in FORMATS]

        def answered(answer: str | None) -> None:
            for kind in FORMATS:
                if kind == answer:
                    self.run_worker(self._export(folder, kind))

        text = f"“{one_line(self.situation.title, 120)}” goes into its own folder."
        self.push_screen(Choice("Export as", text, options), answered)

    async def _export(self, folder: Path, kind: Format) -> None:
        try:
            path = await asyncio.to_thread(partial(export_beside, Meeting(folder), kind))
        except StorageError as error:
            self.failed(error)
        else:
            self.say(f"Exported: {one_line(str(path), 400)}")

    def action_speakers(self) -> None:
        from tui.screens.speakers import Speakers

        def renamed() -> None:
            self.transcript.names_changed()

        if self.situation.meeting is not None:
            self.push_screen(Speakers(Meeting(self.situation.meeting), renamed))
