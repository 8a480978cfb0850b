"""What the keys of a meeting do: record, pause, mark, note, finish, and leave it running."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from services.core import Services
from services.errors import SottoError, StorageError
from services.library.meeting import Meeting
from services.library.moments import add_note
from services.recording.messages import EXTEND_SECONDS
from services.settings import Settings
from services.text import clock
from tui import actions, notify
from tui.facts import FactsApp
from tui.panels.transcript import TranscriptPanel
from tui.screens.main import MainScreen
from tui.situation import Figures, Phase, live_status
from tui.widgets.lines import key_of

if TYPE_CHECKING:
    from services.library.unfinished import Unfinished

_log = logging.getLogger(__name__)

LEFT_RUNNING = "The recording goes on.\n`sotto` comes back to it, `sotto status` shows it, `sotto stop` ends it."


class UnfinishedFound(Message):
    """The folder of meetings has been looked through, for the `number`th time."""

    def __init__(self, found: Sequence[Unfinished], number: int) -> None:
        self.found = found
        self.number = number
        super().__init__()


class MeetingApp(FactsApp):
    """The actions around one meeting."""

    settings: Settings
    keys: dict[str, str]
    """The keys that a person chose, by action."""

    services: Services
    fetch: Callable[[], Figures]
    """Where the figures come from."""

    farewell: str = ""
    """What is said on the terminal when the app has gone."""

    leave_when_started = False

    guiding = True
    """In the stack, the panel where something happens opens by itself, until a person chooses one."""

    notify_by: notify.Method = "off"
    """How a warning reaches somebody who looks elsewhere."""

    def __init__(self, ansi_color: bool | None) -> None:
        super().__init__(ansi_color=ansi_color)
        self._queued: set[Path] = set()
        """Meetings that wait for their processing, or are at it."""
        self._looks = 0

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

    def announce(self, text: str) -> None:
        """Reach somebody who looks elsewhere."""
        told = notify.sequence(self.notify_by, text, in_tmux="TMUX" in os.environ)
        # The driver's queue holds whole pictures: nothing that is put there stands inside one.
        if told and self._driver is not None and not self.is_headless:
            self._driver.write(told)

    def key(self, action: str) -> str:
        """The key of an action, as a person writes it."""
        return key_of(actions.BY_ID[action], self.keys)

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
        if self.situation.phase is Phase.STARTING:
            self.leave_when_started = True  # whether it begins is not known yet, and worth waiting for
            self.say("Detaches as soon as the recording has begun.")
            return
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
            self.push_screen(NoteLine(moment[1], partial(self._keep, *moment), partial(add_note, *moment)))

    async def _keep(self, meeting: Meeting, at_s: float, text: str = "") -> None:
        """Write a note, or without words a marker, at `at_s` seconds of the meeting.

        Raises:
            StorageError: It cannot be written.
        """
        await asyncio.to_thread(add_note, meeting, at_s, text)
        self.say(f"{'Noted' if text else 'Marked'} {clock(at_s)}.")
        if meeting.folder == self.situation.meeting:
            self.transcript.moments_changed()

    # What was not finished

    def look_for_unfinished(self) -> None:
        """Look for meetings that were cut off or never written up. A disk may be slow: nobody waits for it."""
        self._looks += 1
        threading.Thread(target=self._find_unfinished, args=(self._looks,), name="unfinished", daemon=True).start()

    def _find_unfinished(self, number: int) -> None:
        from services.library.unfinished import find

        try:
            found = find(self.settings.folder)
        except StorageError as error:
            _log.warning("%s", error)
            return
        self.tell(UnfinishedFound(found, number))

    def tell(self, message: Message) -> None:
        """Post a message from a thread."""
        raise NotImplementedError

    def on_unfinished_found(self, message: UnfinishedFound) -> None:
        if message.number < self._looks:
            return  # another look is under way, and knows more
        found = [each for each in message.found if each.state != "recording" and each.meeting not in self._queued]
        self.situation = replace(self.situation, unfinished=tuple(found))
        if found and message.number == 1:
            what = "A meeting is" if len(found) == 1 else f"{len(found)} meetings are"
            self.say(f"{what} not finished: {self.key('finish')} lists what can be done.")

    def action_finish(self) -> None:
        from tui.screens.unfinished import UnfinishedList

        self.push_screen(UnfinishedList(self.situation.unfinished), self._finish)

    def _finish(self, meetings: Sequence[Path] | None) -> None:
        if not meetings:
            return
        self.guiding = True
        for meeting in meetings:
            self.services.open_file(meeting)
        self.queued(*meetings)
        self.situation = replace(self.situation, trouble=None)

    def processed(self, meeting: Path | None = None) -> None:
        """The work on a meeting, or on all, has ended: see what is left."""
        self._queued = self._queued - {meeting} if meeting is not None else set()
        self.look_for_unfinished()

    def queued(self, *meetings: Path) -> None:
        """These are being taken care of."""
        self._queued.update(meetings)
        left = tuple(each for each in self.situation.unfinished if each.meeting not in self._queued)
        self.situation = replace(self.situation, unfinished=left)
