"""The engines and their models: which there are, which are in use, and getting, choosing and removing them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from services.core import Services
from services.errors import CancelledError, SottoError
from services.events import Event, ModelHandled
from services.models.catalogue import EngineSpec, Job
from services.models.offers import NO_SUMMARY, Offer, offers
from services.models.shelf import Work
from services.models.store import folder_of, part_of, size_of
from tui.screens.base import Dialog
from tui.widgets.lines import key_rows
from tui.widgets.model_table import LEGEND, InUse, detail_rows, megabytes, table_rows
from tui.widgets.sheet import Rows, Sheet

if TYPE_CHECKING:
    from services.models.tasks import Task

_PAGE = 8


class Models(Dialog[None]):
    """The Models screen. What is begun here goes on when it is left.

    Args:
        services: Choose, download and remove.
        chosen: Hears which engine is in use now: `stt` or `llm`, and its label.
        fetch: Fetches the figures at once, because something was begun or ended here.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        ("up", "move(-1)", "Up"), ("down", "move(1)", "Down"), ("pageup", f"move(-{_PAGE})", "Up"),
        ("pagedown", f"move({_PAGE})", "Down"), ("home", "move(-1000)", "First"), ("end", "move(1000)", "Last"),
        ("enter", "choose", "Choose"), ("p", "pull", "Download"), ("c", "cancel", "Cancel"), ("v", "verify", "Verify"),
        ("x,delete", "remove", "Remove"),
    ]  # fmt: skip

    def __init__(self, services: Services, chosen: Callable[[str, str], None], fetch: Callable[[], None]) -> None:
        super().__init__("Models")
        self._services = services
        self._chosen = chosen
        self._fetch = fetch
        self.offers: Sequence[Offer] = ()
        self._marked = 0
        self._problem = ""
        self._told: dict[str, ModelHandled] = {}
        self._known: Work | None = None

    def content(self) -> ComposeResult:
        yield Sheet(classes="table")
        yield Sheet(classes="legend")
        yield Sheet(classes="about")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(".legend", Sheet).show(lambda _: [Content.styled(LEGEND, ".quiet")])
        self.look()

    @work(exclusive=True, group="look")
    async def look(self) -> None:
        """List what there is. A disk may be slow: the screen does not wait for it."""
        used = self._used()
        url = self._services.settings.transcription.url
        given: list[tuple[Job, EngineSpec]] = [("stt", used.stt), ("summary", used.summary)]
        if used.captions is not None:
            given.append(("stt", used.captions))
        marked = self.offers[self._marked].spec if self.offers else used.stt
        self.offers = await asyncio.to_thread(offers, url, given)
        same = [n for n, offer in enumerate(self.offers) if offer.spec.label == marked.label]
        self._marked = same[0] if same else min(self._marked, len(self.offers) - 1)
        self._paint()

    def _used(self) -> InUse:
        plan, settings = self._services.plan, self._services.settings
        return InUse(
            plan.stt,
            plan.captions,
            plan.summary or NO_SUMMARY,
            self._services.kept,
            plan.language if plan.language != settings.transcription.language else "",
        )

    def learn(self) -> None:
        """Where another task is at work, what is on the disk has changed."""
        super().learn()
        now = self.app.figures.shelf
        before, self._known = self._known, now
        if (before and (before.label, before.task)) != (now and (now.label, now.task)):
            self.look()
        self._paint()

    @property
    def _offer(self) -> Offer | None:
        """The marked one; None until they are listed."""
        return self.offers[self._marked] if self.offers else None

    def _paint(self) -> None:
        offer = self._offer
        if offer is None:
            return
        for table in self.query(".table").results(Sheet):
            table.show(partial(self._table, table))
        for about in self.query(".about").results(Sheet):
            about.show(partial(detail_rows, offer, self._used(), self._known, self._message(offer)))
        for keys in self.query(".keys").results(Sheet):
            keys.show(partial(key_rows, self._keys(offer)))

    def _message(self, offer: Offer) -> tuple[str, str]:
        """What is said instead of what can be done, and its style: why a key did nothing, or how the last task went."""
        told = self._told.get(offer.spec.label)
        if self._problem or told is None or self._busy(offer):
            return self._problem, ".bad"
        if told.error is None:
            return told.detail, ".good"
        return f"{told.error.message} {told.error.hint}", ".quiet" if isinstance(told.error, CancelledError) else ".bad"

    def hears(self, event: Event) -> bool:
        if not isinstance(event, ModelHandled):
            return False
        self._told[event.model] = event
        self.look()
        offer = self._offer
        return offer is not None and offer.spec.label == event.model

    def _table(self, table: Sheet, width: int) -> Rows:
        return table_rows(self.offers, self._used(), self._known, self._marked, width, table.size.height)

    def _keys(self, offer: Offer) -> list[tuple[str, str, bool]]:
        """Those that work on the marked one are bright."""
        busy = self._busy(offer)
        free = not busy and offer.downloads
        return [
            ("Enter", "Choose", (offer.usable and not self._used().chosen(offer)) or offer.state == "a path"),
            ("c", "Cancel", True) if busy else ("p", "Download", free),
            ("v", "Verify", free and offer.state == "here"),
            ("x", "Remove", free and (offer.state == "here" or offer.arrived_mb > 0)),
            ("Esc", "Close", True),
        ]

    def _busy(self, offer: Offer) -> bool:
        work = self._known
        return work is not None and offer.spec.label in (work.label, *work.waiting)

    def _say(self, problem: str) -> None:
        self._problem = problem
        self._paint()

    def action_move(self, step: int) -> None:
        last = len(self.offers) - 1
        if abs(step) == 1:
            self._marked = (self._marked + step) % (last + 1) if last >= 0 else 0
        else:
            self._marked = max(0, min(last, self._marked + step))
        self._told = {label: told for label, told in self._told.items() if told.error is not None}
        self._say("")

    def action_choose(self) -> None:
        offer = self._offer
        if offer is None:
            return
        if offer.state == "a path":
            self._ask_path(offer)
        elif not offer.usable:
            self._say(_why_not(offer))
        else:
            self._choose(offer, offer.spec)

    def _choose(self, offer: Offer, spec: EngineSpec) -> None:
        try:
            self._services.choose(offer.job, f"{spec.engine}:{spec.model}" if spec.model else spec.engine)
        except SottoError as error:
            self._say(f"{error.message} {error.hint}")
        else:
            self._chosen("stt" if offer.job == "stt" else "llm", spec.label)
            self._told.pop(offer.spec.label, None)
            self._problem = ""
            self.look()

    def _ask_path(self, offer: Offer) -> None:
        from tui.screens.open_file import OpenModel

        def chosen(path: Path | None) -> None:
            if path is not None:
                self._choose(offer, EngineSpec(offer.spec.engine, str(path)))

        self.app.push_screen(OpenModel(Path.home(), offer.spec.engine), chosen)

    def action_pull(self) -> None:
        offer = self._offer
        if offer is not None and not offer.downloads:
            self._say(f"{offer.spec.label} is nothing that is downloaded.")
        elif offer is not None:
            self._submit("pull", offer)

    def action_verify(self) -> None:
        offer = self._offer
        if offer is not None and not (offer.downloads and offer.state == "here"):
            self._say("Only what was downloaded can be verified.")
        elif offer is not None:
            self._submit("verify", offer)

    def _submit(self, task: Task, offer: Offer) -> None:
        self._told.pop(offer.spec.label, None)
        self._services.shelf.submit(task, offer.spec)
        self._problem = ""
        self._fetch()

    def action_cancel(self) -> None:
        if self._offer is not None:
            self._services.shelf.cancel(self._offer.spec)
            self._fetch()

    def action_remove(self) -> None:
        offer = self._offer
        if offer is None or self._busy(offer):
            return
        used = self._used()
        if not offer.downloads or not (offer.state == "here" or offer.arrived_mb):
            self._say("There is nothing of it that could be removed.")
        elif used.chosen(offer) or used.captioning(offer):
            self._say("It is in use. Choose another one first.")
        else:
            self._ask_removal(offer)

    @work(exclusive=True, group="ask")
    async def _ask_removal(self, offer: Offer) -> None:
        from tui.screens.choice import Choice, Option

        engine, model = offer.spec.engine, offer.spec.model
        here = await asyncio.to_thread(lambda: size_of(folder_of(engine, model)) + size_of(part_of(engine, model)))
        text = f"{megabytes(here / 1e6)} come free. It can be downloaded again."
        options = (Option("", "k", "Keep it"), Option("remove", "x", "Remove it"))

        def answered(answer: str | None) -> None:
            if answer == "remove":
                self._submit("remove", offer)

        self.app.push_screen(Choice(f"Remove {offer.spec.label}?", text, options), answered)


def _why_not(offer: Offer) -> str:
    """Why Enter does nothing, and what does."""
    if offer.helper:
        return "It helps the engine beside it and writes nothing by itself."
    return offer.hint if offer.hint else f"It is not on this machine: p downloads it ({megabytes(offer.size_mb)})."
