"""What our screens share: styles by name, and the recording's state in sight."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Generic, TypeVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from services.events import Event
from tui.facts import FactsApp
from tui.release import forget_closed
from tui.widgets.lines import StatusLine, key_rows
from tui.widgets.sheet import Sheet

STYLES = {"quiet", "line", "good", "warn", "bad", "rec", "accent", "strong", "title", "key", "off", "h1", "h2", "h3"}
"""Names of the styles that content uses, as `.quiet`; base.tcss says what they look like."""

MARKED = "bold $block-cursor-foreground on $block-cursor-background"
"""Style of the entry that Enter takes. (A style by name cannot have a background.)"""

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], Generic[Answer], inherit_bindings=False):
    """A box over the main screen. The lines below it stay: the recording is never out of sight.

    Keys are never bound with priority: one that overtakes letters on their way to an input would act on half a line.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", show=False)]
    KEYS: ClassVar[Sequence[tuple[str, str]]] = (("Esc", "Close"),)

    app = getters.app(FactsApp)

    def __init__(self, heading: str) -> None:
        super().__init__()
        self._heading = heading

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self._heading
            yield from self.content()
        with Vertical(classes="bottom"):
            yield StatusLine()
            yield Sheet(classes="keys")

    def content(self) -> ComposeResult:
        """The widgets in the box."""
        raise NotImplementedError

    def on_mount(self) -> None:
        keys = [(key, title, True) for key, title in self.KEYS]
        self.query_one(".keys", Sheet).show(partial(key_rows, keys))
        self.learn()

    def on_unmount(self) -> None:
        forget_closed()

    def learn(self) -> None:
        """The app knows something new: it calls this on every dialog that is open.

        A dialog does not watch the app instead: who watches is held, with all its widgets, until the app next has news.
        """
        status = self.query_one(StatusLine)
        status.situation, status.figures = self.app.situation, self.app.figures

    def action_close(self) -> None:
        self.dismiss(None)

    def hears(self, event: Event) -> bool:
        """A service has told something; returns whether the dialog itself shows it, so that no toast has to."""
        return False

    def forsake(self) -> None:
        """The terminal is gone, or a signal ends the app: keep at once what would be lost, and raise nothing."""
