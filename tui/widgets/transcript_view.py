"""The transcript on the screen: only the lines in view are read and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.events import Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from services.text import clean, clock
from tui.transcript import Line, TranscriptIndex
from tui.widgets.growing import grow
from tui.wrapping import wrap

_VOICES = 6
_LOOKS = {
    "speech": "transcript--text",
    "skipped": "transcript--skipped",
    "note": "transcript--note",
    "event": "transcript--event",
}


@dataclass(frozen=True, slots=True)
class Caption:
    """One line of an utterance that is still going on."""

    speaker: str
    text: str
    first: bool


class TranscriptView(ScrollView, can_focus=True):
    """Follows the end of a transcript until the reader scrolls up, then stays where the reader is."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "transcript--time", "transcript--text", "transcript--skipped", "transcript--caption", "transcript--note",
        "transcript--event",
    } | {f"voice-{number}" for number in range(1, _VOICES + 1)}  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", show=False),
        Binding("down,j", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown,space", "page_down", show=False),
        Binding("home,g", "scroll_home", show=False),
    ]
    ALLOW_SELECT = False

    class Waiting(Message):
        """How many lines are below what the reader sees, since scrolling up; 0 while following."""

        def __init__(self, lines: int) -> None:
            self.lines = lines
            super().__init__()

    def __init__(self) -> None:
        super().__init__(id="transcript-view")
        self.following = True
        self._index: TranscriptIndex | None = None
        self._captions: dict[str, str] = {}
        self._caption_lines: list[Caption] = []
        self._stale = False
        self._let_go_at = 0
        self._waiting = 0
        self._strips: LRUCache[int, Strip] = LRUCache(256)

    def on_mount(self) -> None:
        super().on_mount()  # type: ignore[no-untyped-call]
        self.anchor()

    def on_unmount(self) -> None:
        if self._index is not None:
            self._index.close()

    @property
    def empty(self) -> bool:
        return not self._height

    @property
    def _height(self) -> int:
        return (self._index.height if self._index is not None else 0) + len(self._caption_lines)

    def open(self, path: Path | None) -> None:
        """Show another file; None for nothing."""
        if self._index is not None:
            if self._index.path == path:
                self.changed()
                return
            self._index.close()
        self._index = TranscriptIndex(path, self._text_width) if path is not None else None
        self._captions.clear()
        self._strips.clear()
        self.refresh()
        self.follow()
        self._stale = True
        self.flush()

    @property
    def path(self) -> Path | None:
        return self._index.path if self._index is not None else None

    def caption(self, speaker: str, text: str) -> None:
        """The words of an utterance that is still going on; empty when it is over."""
        if text:
            self._captions[speaker] = " ".join(clean(text).split())
        else:
            self._captions.pop(speaker, None)
        self._stale = True

    def changed(self) -> None:
        """The file has grown. It is read at the next `flush`."""
        self._stale = True

    def flush(self) -> None:
        """Show what has come in since the last time; cheap when that is nothing."""
        if not self._stale and (self._index is None or not self._index.changed()):
            return
        self._stale = False
        total = self._height
        if self._index is not None:
            self._index.extend()
        self._lay_out_captions()
        self._grown(self._index.stable if self._index is not None else 0, max(total, self._height))

    def follow(self) -> None:
        """Go to the newest line and stay at the end."""
        self.following = True
        self.anchor()
        self._tell()

    def action_scroll_end(self) -> None:
        self.follow()

    def release_anchor(self) -> None:
        """The reader scrolls, maybe only against the end."""
        super().release_anchor()
        if self.following and self.max_scroll_y > 0:
            self.following = False
            self._let_go_at = self._height
        self.call_later(self._follow_at_end)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value > old_value:
            # Not at once: this may be a step of an animation, which would end under the animator's feet.
            self.call_later(self._follow_at_end)

    def _follow_at_end(self) -> None:
        if not self.following and self.scroll_target_y >= self.max_scroll_y:
            self.follow()

    def on_resize(self, event: Resize) -> None:
        self._lay_out()

    def watch_show_vertical_scrollbar(self) -> None:
        # It takes a column and the size stays: it would stand on the last letter of every line that is there already.
        self.call_later(self._lay_out)

    def _lay_out(self) -> None:
        if self._index is not None:
            self._index.resize(self._text_width)
        self._lay_out_captions()
        self._grown(0, self._height)

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    @property
    def _text_width(self) -> int:
        return max(10, self.scrollable_content_region.width)

    def _grown(self, first: int, last: int) -> None:
        """Take over the present height, and repaint lines `first` to `last`."""
        grow(self, Size(self._text_width, self._height), stays=not self.following or self._height <= self.size.height)
        for y in [y for y in self._strips.keys() if y >= first]:
            self._strips.discard(y)
        top = max(0, first - self.scroll_offset.y)
        bottom = min(self.size.height, last - self.scroll_offset.y)
        if top < bottom:
            self.refresh(Region(0, top, self.size.width, bottom - top))
        self._tell()

    def _tell(self) -> None:
        waiting = 0 if self.following else max(0, self._height - self._let_go_at)
        if waiting != self._waiting:
            self._waiting = waiting
            self.post_message(self.Waiting(waiting))

    def _lay_out_captions(self) -> None:
        self._caption_lines = []
        if self._index is None:
            return
        for speaker, text in self._captions.items():
            self._index.voice(speaker)
            lines = wrap(text, self._index.columns.text)
            self._caption_lines += [Caption(speaker, line, not number) for number, line in enumerate(lines)]

    def render_line(self, y: int) -> Strip:
        y += self.scroll_offset.y
        width = self.scrollable_content_region.width
        if y >= self._height or self._index is None:
            return Strip.blank(width, self.rich_style)
        strip = self._strips.get(y)
        if strip is None:
            if y < self._index.height:
                strip = self._draw(self._index, self._index.line(y), width)
            else:
                strip = self._draw_caption(self._index, self._caption_lines[y - self._index.height], width)
            self._strips[y] = strip
        return strip

    def _draw(self, index: TranscriptIndex, line: Line, width: int) -> Strip:
        voice = self._voice(line.voice) if line.voice else self._look("transcript--text")
        time = clock(line.entry.start) if line.first else ""
        name = line.entry.speaker if line.first and line.named else ""
        style = self._look(_LOOKS[line.entry.kind])
        return self._row(index, width, (time, self._look("transcript--time")), (name, voice), (line.text, style))

    def _draw_caption(self, index: TranscriptIndex, caption: Caption, width: int) -> Strip:
        style = self._look("transcript--caption")
        voice = self._voice(index.voice(caption.speaker)) if caption.speaker else style
        name = index.name(caption.speaker) if caption.first else ""
        return self._row(index, width, ("···" if caption.first else "", style), (name, voice), (caption.text, style))

    def _row(self, index: TranscriptIndex, width: int, *cells: tuple[str, Style]) -> Strip:
        (time, time_style), (name, name_style), (text, style) = cells
        columns = index.columns
        segments = [Segment(f"{time:>{columns.time}}  ", time_style)]
        if columns.name:
            segments.append(Segment(f"{set_cell_size(name, columns.name)}  ", name_style))
        segments.append(Segment(text, style))
        used = sum(cell_len(segment.text) for segment in segments)
        return Strip(segments, used).adjust_cell_length(width, self.rich_style)

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(name)

    def _voice(self, number: int) -> Style:
        return self._look(f"voice-{(number - 1) % _VOICES + 1}")
