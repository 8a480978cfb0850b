"""What the keys do: the methods behind `tui.actions`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from textual.widget import Widget

from tui import actions
from tui.panels.memory import MemoryPanel
from tui.situation import Phase
from tui.tuned import TunedApp
from tui.widgets.lines import key_of, title_of
from tui.widgets.transcript_view import TranscriptView


class CommandsApp(TunedApp):
    """The actions of the app. Screens of their own are imported when they are wanted for the first time."""

    leave_when_stopped = False
    last_folder: Path | None = None
    _memory_watched = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dimmed, not hidden, where it makes no sense now."""
        return True if actions.enabled(action, self.situation, self.figures) else None

    # Meeting

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

    def action_models(self) -> None:
        from tui.screens.models import Models

        def chosen(model: str, label: str) -> None:
            self.situation = self.situation.chose(model, label)

        def fetch() -> None:
            self.figures = self.fetch()

        self.push_screen(Models(self.services, chosen, fetch))

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
            if self.figures.shelf is not None and self.figures.shelf.task == "pull":
                self.farewell = (
                    f"{self.figures.shelf.label}: what has arrived is kept, the next download goes on there."
                )
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
