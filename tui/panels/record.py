"""The Record panel: state, clock, levels, and where the recording goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from services.recording.messages import SYSTEM, ChannelLevel, RecordingStatus, is_file
from services.settings import Settings
from services.text import clock, one_line
from tui.actions import BY_ID
from tui.panels.panel import Panel, Part, fact
from tui.situation import Figures, Phase, Situation, live_status, phase_of
from tui.widgets.glyphs import FLOOR_DB, big, decibels, meter, size
from tui.widgets.lines import PHASES, SEVERITIES, elapsed, key_of
from tui.widgets.sheet import Rows, Sheet
from tui.wrapping import wrap

_HOLD_TICKS = 8
"""A peak stays marked for two seconds of the screen's quarter-second ticks, then falls."""
_FALL_DB = 3.0

_WIDE = 50
"""From this width on a device is named beside its meter."""

SOURCES = {"mic": "microphone", SYSTEM: "speakers"}
"""Sources in words."""


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

    def __init__(self, settings: Settings, keymap: Mapping[str, str]) -> None:
        super().__init__(id="record")
        self._settings = settings
        self._keymap = keymap
        self._holds: list[Hold] = []
        self._held: tuple[float, ...] = ()

    def use_settings(self, settings: Settings) -> None:
        """Say what these settings want to be recorded."""
        self._settings = settings
        self._refresh()

    def content(self) -> ComposeResult:
        with VerticalScroll(classes="body"):
            yield Sheet(id="record-sheet")

    @property
    def target(self) -> Widget:
        return self.query_one(".body")

    def watch_figures(self) -> None:
        status = live_status(self.situation, self.figures)
        levels = status.channels if status is not None else ()
        if len(levels) != len(self._holds):
            self._holds = [Hold() for _ in levels]
        self._held = tuple(hold.feed(level.peak_db) for hold, level in zip(self._holds, levels, strict=True))
        super().watch_figures()

    def paint(self) -> None:
        self.query_one("#record-sheet", Sheet).show(
            partial(record_rows, self.situation, self.figures, self._held, self._settings, self._keymap)
        )

    def headline(self, width: int) -> Sequence[Part | Content]:
        situation, status = self.situation, live_status(self.situation, self.figures)
        if not situation.on_air:
            return [("Press ", ".quiet"), (key_of(BY_ID["record"], self._keymap), ".key"), (" to record", ".quiet")]
        phase = phase_of(situation, self.figures)
        sign, style = PHASES[phase]
        parts: list[Part | Content] = [(f"{sign} {phase.value}  ", style), (f"{elapsed(status)}  ", ".strong")]
        if status is not None and status.channels and phase is Phase.RECORDING:
            loudest = max(level.peak_db for level in status.channels)
            bar = meter(loudest, max(self._held, default=loudest), max(8, min(20, width - 34)))
            parts += [bar, (f" {decibels(loudest)} dB", ".quiet")]
        return parts


def record_rows(
    situation: Situation,
    figures: Figures,
    held: Sequence[float],
    settings: Settings,
    keymap: Mapping[str, str],
    width: int,
) -> Rows:
    """The rows of the panel.

    Args:
        situation: The facts.
        figures: The figures.
        held: The held peak of each channel, in dB of full scale.
        settings: Where recordings go, and from which sources.
        keymap: The keys that a person chose, by action.
        width: In cells.
    """
    status = live_status(situation, figures) if situation.on_air else figures.recording
    phase = phase_of(situation, figures)
    sign, style = PHASES[phase]
    title = one_line(situation.title, max(8, width - 14)) if situation.on_air else ""
    clock_style = ".strong" if situation.on_air else ".line"
    rows = [Content.assemble((f"{sign} {phase.value}", style), (f"   {title}", ".quiet"))]
    length = elapsed(live_status(situation, figures))
    rows += [Content(), *(Content.styled(row, clock_style) for row in big(length)), Content()]
    if not situation.on_air:
        return [*rows, *_idle_rows(situation, status, settings, keymap, width)]
    return [*rows, *(_live_rows(status, phase, held, keymap, width) if status is not None else ())]


def _live_rows(
    status: RecordingStatus, phase: Phase, held: Sequence[float], keymap: Mapping[str, str], width: int
) -> Rows:
    """Levels, what is wrong, and where the recording goes."""
    rows = [*level_rows(status.channels, held, width), *_alert_rows(status, keymap, width), Content()]
    if status.stops_in is not None and not any(alert.kind == "stopping" for alert in status.alerts):
        more = _hint(keymap, ("more_time", "more time"))
        rows.append(fact("Stops in", Content.assemble(clock(status.stops_in), "   ", more)))
    if shared := _shared(status.channels):
        rows.append(fact("Source", one_line(shared, max(8, width - 9))))
    rows.append(fact("On disk", size(status.bytes)))
    if status.meeting is not None:
        rows.append(fact("Folder", shorten(status.meeting, width - 9)))
    if status.lost_s and not any(alert.kind == "overflow" for alert in status.alerts):
        rows.append(fact("Lost", f"{status.lost_s:.2f} s of sound", ".warn"))
    hints = [("record", "stops and transcribes")]
    if phase is Phase.PAUSED:
        hints.insert(0, ("pause", "goes on, "))
    return [*rows, Content(), _hint(keymap, *hints)]


def level_rows(channels: Sequence[ChannelLevel], held: Sequence[float], width: int) -> Rows:
    """A meter for each channel, with who speaks and through what: beside it where there is room, else below it."""
    rows: list[Content] = []
    names = _names(channels)
    devices = ["" if _shared(channels) else _device(level) for level in channels]
    label = min(max(12, width // 4), max(map(len, names), default=0))
    beside = width >= _WIDE and any(devices)
    column = min(width * 2 // 5, max(map(len, devices), default=0)) if beside else 0
    for name, device, level, peak in zip(names, devices, channels, held, strict=False):
        room = width - label - 10 - (column + 2 if beside else 0)
        parts: list[Part | Content] = [(f"{one_line(name, label):<{label}}  ", "")]
        if beside:
            parts.append((f"{one_line(device, column):<{column}}  ", ".quiet"))
        bar = meter(level.peak_db, peak, max(8, min(48, room)))
        rows.append(Content.assemble(*parts, bar, (f" {decibels(level.peak_db)} dB", ".quiet")))
        if device and not beside:
            rows.append(Content.styled(" " * (label + 2) + one_line(device, max(8, width - label - 2)), ".quiet"))
    return rows


def _names(channels: Sequence[ChannelLevel]) -> list[str]:
    """Who speaks on each channel, or what it is; no two alike."""
    names = [level.speaker or _source(level.source) for level in channels]
    if len(set(names)) < len(names):
        names = [f"{number} {name}" for number, name in enumerate(names, 1)]
    return names


def _source(source: str) -> str:
    """A source's name; of a file that is played, the file's."""
    return one_line(Path(source).name if is_file(source) else SOURCES.get(source, source))


def _device(level: ChannelLevel) -> str:
    """Through what a channel hears, where its name does not tell already."""
    return one_line(level.device) or (_source(level.source) if level.speaker else "")


def _shared(channels: Sequence[ChannelLevel]) -> str:
    """What all of several channels hear through; empty where each has its own."""
    devices = {_device(level) for level in channels}
    return devices.pop() if len(channels) > 1 and len(devices) == 1 else ""


def _alert_rows(status: RecordingStatus, keymap: Mapping[str, str], width: int) -> Rows:
    """What is wrong, the worst first, and what can be done about each."""
    rows: list[Content] = []
    for alert in status.alerts:
        sign, style = SEVERITIES[alert.severity]
        lines = wrap(one_line(alert.message, 400), max(8, width - len(sign)))
        rows += [Content.styled((" " * len(sign) if n else sign) + line, style) for n, line in enumerate(lines)]
        if alert.kind == "stopping":
            rows.append(_hint(keymap, ("more_time", "more time"), lead=" " * len(sign)))
        if alert.hint:
            hints = wrap(one_line(alert.hint, 400), max(8, width - len(sign)))
            rows += [Content.styled(" " * len(sign) + line, ".quiet") for line in hints]
    if status.detail:
        rows += [Content.styled(line, ".warn") for line in wrap(one_line(status.detail, 400), max(8, width))]
    return [Content(), *rows] if rows else []


def _idle_rows(
    situation: Situation, status: RecordingStatus | None, settings: Settings, keymap: Mapping[str, str], width: int
) -> Rows:
    """What to press, and what the last recording came to."""
    rows = [_hint(keymap, ("record", "to record, "), ("open", "to open a file"), lead="Press ")]
    if situation.unfinished:
        count = len(situation.unfinished)
        what = "an unfinished meeting" if count == 1 else f"{count} unfinished meetings"
        rows.append(_hint(keymap, ("finish", f"to finish {what}"), lead="      "))
    if situation.trouble is not None:
        # The status line has room for its beginning only.
        said = one_line(f"{situation.trouble.message} {situation.trouble.hint}", 1000)
        rows += [Content(), *(Content.styled(line, ".bad") for line in wrap(said, width))]
    rows.append(Content())
    chosen = settings.recording.sources
    sources = " + ".join(map(_source, chosen))
    if chosen[0] in SOURCES:
        sources = sources[:1].upper() + sources[1:]
    rows += [fact("Source", sources), fact("Folder", shorten(settings.folder, width - 9))]
    if status is not None and status.meeting is not None and status.meeting == situation.meeting:
        length = Content.assemble(elapsed(status), (f"   {size(status.bytes)}", ".quiet"))
        rows += [Content(), fact("Recorded", situation.title), fact("Length", length)]
        rows.append(fact("Folder", shorten(status.meeting, width - 9)))
    return rows


def _hint(keymap: Mapping[str, str], *hints: tuple[str, str], lead: str = "") -> Content:
    """Keys, by their actions' ids, and what they do."""
    parts: list[Part] = [(lead, ".quiet")]
    for action, what in hints:
        parts += [(key_of(BY_ID[action], keymap), ".key"), (f" {what}", ".quiet")]
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
