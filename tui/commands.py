"""What the keys do: the methods behind `tui.actions`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from textual.widget import Widget

from services.core import Services
from services.errors import SottoError, StorageError
from services.library.meeting import Meeting
from services.library.moments import add_note
from services.recording.messages import EXTEND_SECONDS
from services.settings import Settings
from services.text import clock
from tui import actions
from tui.facts import FactsApp
from tui.panels.memory import MemoryPanel
from tui.panels.transcript import TranscriptPanel
from tui.screens.main import MainScreen
from tui.situation import Figures, Phase, live_status
from tui.widgets.lines import key_of, title_of
from tui.widgets.transcript_view import TranscriptView

LEFT_RUNNING = "The recording goes on. `sotto` comes back to it, `sotto status` shows it, `sotto stop` ends it."


class CommandsApp(FactsApp):
    """The actions of the app. Screens of their own are imported when they are wanted for the first time."""

    settings: Settings
    keys: Mapping[str, str]
    """The keys that a person chose, by action."""

    services: Services
    farewell: str = ""
    """What is said on the terminal when the app has gone."""

    leave_when_stopped = False
    guiding = True
    """In the stack, the panel where something happens opens by itself, until a person chooses one."""

    fetch: Callable[[], Figures]
    """Where the figures come from."""

    last_folder: Path | None = None
    _memory_watched = False

    @property
    def main(self) -> MainScreen:
        screen = self.default_screen
        assert isinstance(screen, MainScreen)
        return screen

    @property
    def transcript(self) -> TranscriptPanel:
        return self.main.query_one(TranscriptPanel)

    def failed(self, error: SottoError) -> None:
        """Show that something that was wanted did not happen."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """A line that goes away by itself."""
        self.notify(text, markup=False)

    def key(self, action: str) -> str:
        """The key of an action, as a person writes it."""
        return key_of(actions.BY_ID[action], self.keys)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dimmed, not hidden, where it makes no sense now."""
        return True if actions.enabled(action, self.situation, self.figures) else None

    # Meeting

    def action_record(self) -> None:
        starts = self.situation.phase is Phase.IDLE
        phase = Phase.STARTING if starts else Phase.STOPPING
        self.situation = replace(self.situation, phase=phase, trouble=None)
        try:
            if starts:
                self.services.start_recording()
            else:
                self.services.stop_recording()
        except SottoError as error:
            self.failed(error)

    def action_pause(self) -> None:
        self.services.pause_recording()

    def action_more_time(self) -> None:
        self.services.extend_recording()
        self.say(f"{EXTEND_SECONDS / 60:.0f} minutes more.")

    def action_detach(self) -> None:
        self.farewell = LEFT_RUNNING
        self.exit(0)

    def _moment(self) -> tuple[Meeting, float] | None:
        """The meeting that is being recorded, and where it stands now."""
        status = live_status(self.situation, self.fetch())
        return (Meeting(status.meeting), status.seconds) if status is not None and status.meeting is not None else None

    def action_mark(self) -> None:
        moment = self._moment()
        if moment is not None:
            self.run_worker(self._mark(*moment))

    async def _mark(self, meeting: Meeting, at_s: float) -> None:
        try:
            await self._keep(meeting, at_s)
        except StorageError as error:
            self.failed(error)

    def action_note(self) -> None:
        from tui.screens.note import NoteLine

        moment = self._moment()
        if moment is not None:
            self.push_screen(NoteLine(moment[1], partial(self._keep, *moment)))

    async def _keep(self, meeting: Meeting, at_s: float, text: str = "") -> None:
        """Write a note, or without words a marker, at `at_s` seconds of the meeting.

        Raises:
            StorageError: It cannot be written.
        """
        await asyncio.to_thread(add_note, meeting, at_s, text)
        self.say(f"{'Noted' if text else 'Marked'} {clock(at_s)}.")
        if meeting.folder == self.situation.meeting:
            self.transcript.moments_changed()

    def action_open_file(self) -> None:
        from tui.screens.open_file import OpenFile

        def chosen(path: Path | None) -> None:
            if path is not None:
                self.last_folder = path.parent
                self.guiding = True
                self.situation = replace(self.situation, trouble=None)
                self.services.open_file(path)

        self.push_screen(OpenFile(self.last_folder or Path.cwd()), chosen)

    def action_escape(self) -> None:
        if self.situation.trouble is not None:
            self.situation = replace(self.situation, trouble=None)
            self.clear_notifications()
        elif self.figures.processing:
            self._ask_cancel()

    def _ask_cancel(self) -> None:
        from tui.screens.choice import Choice, Option

        def answered(answer: str | None) -> None:
            if answer == "cancel":
                self.services.cancel()

        text = "The work on this meeting ends now. What its finished steps made stays."
        options = (Option("cancel", "c", "Cancel the work"), Option("", "k", "Keep working"))
        self.push_screen(Choice("Cancel the processing?", text, options), answered)

    # Moving about

    def action_panel(self, number: int) -> None:
        self.guiding = False
        self.main.open_panel(number)

    def action_next_panel(self, step: int) -> None:
        self.guiding = False
        self.main.turn(step)

    def guide(self, number: int) -> None:
        """Open the panel where something happens, unless a person has chosen one. In the grid all are open."""
        if self.guiding and self.main.stacked:
            self.main.open_panel(number)

    def watch_memory(self) -> None:
        """The memory is measured more often while somebody looks at it."""
        watched = self.main.opened.NUMBER == MemoryPanel.NUMBER
        if watched != self._memory_watched:
            self._memory_watched = watched
            self.services.memory.watch(watched)

    def action_follow(self) -> None:
        target: Widget = self.main.opened.target
        if isinstance(target, TranscriptView):
            target.follow()
        else:
            target.scroll_end(animate=False)

    # App

    def action_help(self) -> None:
        from tui.screens.help import Help

        self.push_screen(Help(self.keys))

    def action_command_palette(self) -> None:
        from tui.screens.finder import Item, Picker

        async def chosen(call: str | None) -> None:
            if call is not None:
                await self.run_action(call)

        items = [
            Item(
                action.call,
                title_of(action, self.situation, self.figures),
                f"{key_of(action, self.keys):<10} {action.help}",
            )
            for action in actions.ACTIONS
            if action.palette and action.enabled(self.situation, self.figures)
        ]
        self.push_screen(Picker("Commands", items), chosen)

    def action_theme(self) -> None:
        from tui.screens.themes import ThemePicker

        self.push_screen(ThemePicker(self.theme, self.available_themes))

    def action_help_quit(self) -> None:
        self.say(f"{self.key('quit')} leaves sotto.")

    async def action_quit(self) -> None:
        if self.situation.on_air:
            self._ask_quit_recording()
        elif self.figures.processing:
            self._ask_quit_processing()
        else:
            self.exit(0)

    def _ask_quit_recording(self) -> None:
        from tui.screens.choice import Choice, Option

        def answered(answer: str | None) -> None:
            if answer == "leave" and self.situation.on_air:
                self.action_detach()
            elif answer == "stop" and self.situation.on_air:
                self.leave_when_stopped = True
                if self.situation.phase is not Phase.STOPPING:
                    self.action_record()
            elif answer:
                self.exit(0)

        text = "A recording is running. It goes on without this screen if you leave it."
        # Enter is pressed too soon at times: it must not end a meeting that happens once.
        options = (
            Option("leave", "d", "Detach: leave it recording"),
            Option("stop", "s", "Stop and quit"),
            Option("", "c", "Stay"),
        )
        self.push_screen(Choice("Quit?", text, options), answered)

    def _ask_quit_processing(self) -> None:
        from tui.screens.choice import Choice, Option

        def answered(answer: str | None) -> None:
            if answer == "quit":
                self.exit(0)

        text = "A meeting is being processed. What its finished steps made stays; the rest can be made later."
        self.push_screen(Choice("Quit?", text, (Option("quit", "y", "Quit"), Option("", "n", "Stay"))), answered)
