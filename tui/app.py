"""The terminal app. Services tell facts, one `handle` takes them; a timer fetches figures; panels paint both."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar, assert_never

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from services import paths
from services.core import Services
from services.errors import CancelledError, SottoError
from services.events import (
    CaptionChanged,
    Event,
    Failed,
    FellBack,
    MeetingFinished,
    MemoryAlerted,
    ModelChanged,
    ModelHandled,
    Optimized,
    RecordingStarted,
    RecordingStopped,
    SegmentReady,
    SettingsChanged,
    StageChanged,
    SummaryDelta,
    SummaryReady,
)
from services.plans import obstacles
from services.settings import Settings
from services.text import one_line
from tui import actions, keymap, notify, terminal, theme
from tui.commands import CommandsApp
from tui.facts import FactsApp
from tui.meeting import LEFT_RUNNING
from tui.panels.memory import MemoryPanel
from tui.panels.panel import Panel
from tui.panels.record import RecordPanel
from tui.panels.summary import SummaryPanel
from tui.panels.transcript import TranscriptPanel
from tui.release import forget_drawn
from tui.screens.base import Dialog
from tui.screens.main import MainScreen, Panels, TooSmall
from tui.situation import Figures
from tui.tuned import optimized
from tui.widgets.lines import KeyBar, ModelStrip, StatusLine, alerts_of

RESTING_SECONDS = 1.0
"""While nothing is at work, figures are fetched this often."""


_log = logging.getLogger(__name__)


class ServiceEvent(Message):
    """The one envelope in which facts from services' threads reach the screen."""

    def __init__(self, event: Event) -> None:
        self.event = event
        super().__init__()


class SottoApp(CommandsApp):
    """The app.

    Args:
        settings: Those at the start; `SettingsChanged` brings others.
    """

    TITLE = "sotto"
    CSS_PATH = ["styles/base.tcss", "styles/main.tcss", "styles/dialogs.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings())
    NOTIFICATION_TIMEOUT = 6

    def __init__(self, settings: Settings) -> None:
        no_color = "NO_COLOR" in os.environ
        # With native colours from the start NO_COLOR leaves none; later it would leave greys.
        super().__init__(ansi_color=True if no_color else None)
        if "TEXTUAL_ANIMATIONS" not in os.environ:
            self.animation_level = "none"  # each step of one is a picture that the line has to carry
        self.settings = settings
        self.services = Services(settings, self._emit)
        self.services.caches.register(forget_drawn)
        self.fetch: Callable[[], Figures] = partial(Figures.of, self.services)
        """Where the figures come from."""
        self.keys, self._problems = keymap.checked(settings.screen.keymap)
        self._problems += theme.apply(self, settings.screen.theme, no_color)
        self._problems += [one_line(f"{each.message} {each.hint}", 240) for each in settings.problems]
        self.notify_by = notify.method(settings.screen.notify, os.environ)
        self._alarm = notify.Alarm()
        self._ticks = 0
        self._every = settings.screen.refresh_seconds
        self._preset = settings.preset.title

    def compose(self) -> ComposeResult:
        yield ModelStrip(self.settings).data_bind(FactsApp.situation, FactsApp.figures)
        with Panels(id="panels"):
            for panel in (
                RecordPanel(self.settings, self.keys),
                TranscriptPanel(),
                SummaryPanel(),
                MemoryPanel(self.keys),
            ):
                panel.set_class(panel.NUMBER > 1, "-folded")
                yield panel.data_bind(FactsApp.situation, FactsApp.figures)
        yield StatusLine(self.keys).data_bind(FactsApp.situation, FactsApp.figures)
        yield KeyBar(self.keys).data_bind(FactsApp.situation, FactsApp.figures)
        yield TooSmall()

    def get_default_screen(self) -> Screen[None]:
        return MainScreen(id="main")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return theme.defaults()

    def get_loading_widget(self) -> Widget:
        return Static("Loading", markup=False)

    def on_mount(self) -> None:
        self.set_keymap(self.keys)
        terminal.watch_signals(self.leave)
        self.main.open_panel(1)
        self._timer = self.set_interval(self._every, self.tick)
        # The first picture does not wait for the services.
        self.call_after_refresh(self._start_services)

    def _start_services(self) -> None:
        terminal.painted()
        if self._problems:
            self.notify(
                " ".join(self._problems), title="Some settings were passed over", severity="warning", markup=False
            )
        try:
            self.services.start()
        except SottoError as error:
            self.handle(Failed(error))
        self.look_for_unfinished()
        self._tell_what_is_missing()
        self.tell_the_preset()

    @work(thread=True)
    def _tell_what_is_missing(self) -> None:
        """Before a meeting, not after it. The disk may be slow, so it is looked at beside the screen."""
        for error in obstacles(self.services.plan).values():
            self._toast(error)

    @property
    def summary(self) -> SummaryPanel:
        return self.main.query_one(SummaryPanel)

    # What services tell

    def _emit(self, event: Event) -> None:
        self.tell(ServiceEvent(event))

    def tell(self, message: Message) -> None:
        # What comes while the event loop is closing has no screen to reach any more.
        with contextlib.suppress(RuntimeError):
            self.post_message(message)

    def on_service_event(self, message: ServiceEvent) -> None:
        if self.is_running:  # while the app ends, its widgets are gone already
            self.handle(message.event)

    def handle(self, event: Event) -> None:
        """Take one fact: the only way in which services change what is shown."""
        now = self.situation
        match event:
            case ModelChanged():
                self.situation = now.model_changed(event)
            case RecordingStarted():
                self._recording_started(event)
            case RecordingStopped():
                self.situation = now.stopped(event.meeting, event.error)
                self._recording_ended(event)
            case CaptionChanged(meeting=meeting, speaker=speaker, text=text):
                if meeting == now.meeting:
                    self.transcript.caption(one_line(speaker), text)
            case SegmentReady(meeting=meeting, segment=segment, preview=preview):
                if meeting == now.meeting:
                    self.transcript.segment(segment.text, preview)
            case StageChanged():
                self._stage_changed(event)
            case SummaryDelta(meeting=meeting, text=text):
                if meeting == now.meeting:
                    self.summary.add(text)
            case SummaryReady(meeting=meeting, markdown=markdown):
                if meeting == now.meeting:
                    self.summary.complete(markdown)
            case MeetingFinished(meeting=meeting, title=title, ok=ok):
                if meeting == now.meeting:
                    self.situation = replace(now, title=one_line(title))
                if ok:
                    self.say(f"{one_line(title, 60)} is done.")
                self.processed(meeting)
            case ModelHandled():
                self._model_handled(event)
            case FellBack(new=new, reason=reason):
                self.situation = now.fell_back(event)
                self.warn(f"{new} goes on.", reason)
            case MemoryAlerted(alert=alert):
                self.memory_alerted(alert)
            case Optimized(result=result):
                self.say(one_line(optimized(result), 240))
            case SettingsChanged():
                self.settings_changed(event)
            case Failed(error=error):
                self.failed(error)
            case _:
                assert_never(event)

    def _recording_started(self, event: RecordingStarted) -> None:
        self.guiding = True
        self.situation = self.situation.started(event.meeting, one_line(event.title))
        self.guide(TranscriptPanel.NUMBER)
        if self.leave_when_started:
            self.action_detach()
        elif event.attached:
            self.say("A recording is at work: here it is.")

    def _recording_ended(self, event: RecordingStopped) -> None:
        self.queued(event.meeting)
        if event.error is not None:
            self._toast(event.error)
            self.announce(f"The recording ended early. {event.error.message}")
        elif event.reason:
            said = f"The recording has ended: {one_line(event.reason)}."
            self.say(said)
            self.announce(said)
        if self.leave_when_stopped:
            where = shlex.quote(str(event.meeting))
            self.farewell = f"The recording is in {event.meeting}. To write it up: sotto process {where}"
            self.exit(0)

    def _stage_changed(self, event: StageChanged) -> None:
        now = self.situation
        other = event.meeting != now.meeting and event.status in ("running", "done") and not now.on_air
        if other:
            now = now.showing(event.meeting)
        self.situation = now.staged(event)
        if other and event.status == "done":
            self.guide(TranscriptPanel.NUMBER)  # it was written up before, and somebody wants to see it
        if event.status == "running" and event.meeting == self.situation.meeting and not self.situation.on_air:
            if event.stage == "transcribe":
                self.guide(TranscriptPanel.NUMBER)
            elif event.stage == "summarize":
                self.guide(SummaryPanel.NUMBER)

    def failed(self, error: SottoError) -> None:
        self.situation = self.situation.failed(error)
        if isinstance(error, CancelledError):
            self.say("Cancelled. What was done stays.")
        else:
            self._toast(error)
        if self.leave_when_stopped and not self.situation.on_air:
            self.exit(0)
        self.leave_when_stopped = self.leave_when_started = False

    def _model_handled(self, event: ModelHandled) -> None:
        self.figures = self.fetch()
        if isinstance(self.screen, Dialog) and self.screen.hears(event):
            return
        error = event.error
        if error is None:
            self.say(one_line(event.detail, 240))
        elif isinstance(error, CancelledError):
            self.say(one_line(f"{error.message} {error.hint}", 240))
        else:
            self._toast(error)

    def _toast(self, error: SottoError) -> None:
        text = one_line(f"{error.message} {error.hint}", 240)
        self.notify(text, title=error.title, severity="error", markup=False)

    # What is fetched

    def tick(self) -> None:
        """Fetch the figures and paint what came in since the last time."""
        if not self.is_running:
            return
        self._ticks += 1
        if terminal.gone():
            self.leave(signal.SIGHUP)
        self._look_every(self.services.in_force.screen.refresh_seconds)
        busy = self.situation.on_air or self.figures.processing or self.figures.shelf is not None
        resting = not self._ticks % max(1, round(RESTING_SECONDS / self._every))
        if resting and not self.situation.on_air:
            self.services.recording.look_again()
        if not busy and not resting:
            return
        before, self.figures = self.figures, self.fetch()
        if before.processing and not self.figures.processing:
            self.processed()
        for alert in self._alarm.feed(alerts_of(self.situation, self.figures), time.monotonic()):
            self.announce(alert.message)
        self.watch_memory()
        self.transcript.flush()
        self.summary.flush()

    def _look_every(self, seconds: float) -> None:
        """Go by another interval from now on, where it is one."""
        if seconds != self._every:
            self._every = seconds
            self._timer.stop()
            self._timer = self.set_interval(seconds, self.tick)

    def watch_figures(self) -> None:
        self._tell_screens()

    def watch_situation(self) -> None:
        self._tell_screens()

    def _tell_screens(self) -> None:
        for small in self.main.query(TooSmall):
            small.show(self.situation, self.figures)
        for screen in self.screen_stack:
            # One that is being closed while the app ends is still mounted, and its widgets are gone already.
            if isinstance(screen, Dialog) and screen.is_mounted and screen.query(StatusLine):
                screen.learn()

    def on_panel_chosen(self, message: Panel.Chosen) -> None:
        self.action_panel(message.number)

    # The end

    def leave(self, number: int) -> None:
        """A signal asks us to go. The recorder goes on, and a note that is being typed is kept as far as it goes."""
        for screen in self.screen_stack:
            if isinstance(screen, Dialog):
                screen.forsake()
        self.farewell = LEFT_RUNNING if self.situation.on_air else ""
        self.exit(128 + number)


def run(settings: Settings) -> int:
    """Run the app until it is left; returns its exit code. `terminal.prepare` was called before.

    Raises:
        UsageError: The settings name an engine or model that does not exist.
    """
    app: SottoApp | None = None
    try:
        app = SottoApp(settings)
        code = app.run()
        if code is None:
            code = app.return_code or 0
            app.farewell = f"sotto failed. What happened is in {paths.log_file()}." if code else ""
    finally:
        terminal.unwatch_signals()
        if app is not None:
            app.services.close()
        terminal.restore(app.farewell if app is not None else "")
    return code
