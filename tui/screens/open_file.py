"""The dialog that asks for a file."""

from __future__ import annotations

import asyncio
import os.path
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from services.text import one_line
from tui.completion import Match, common, matches, problem, resolve
from tui.screens.finder import Finder, Item


class OpenFile(Finder[Path]):
    """A path with completion. The answer is a file, or the folder of a meeting.

    Args:
        folder: Where the path begins at first, and what relative paths are relative to.
        heading: Title of the box.
        hint: What to type.
    """

    KEYS = (("Enter", "Open"), ("Tab", "Complete"), ("↑ ↓", "Choose"), ("Esc", "Close"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "Complete")]

    def __init__(
        self, folder: Path, heading: str = "Open a file", hint: str = "Path of an audio or video file"
    ) -> None:
        super().__init__(heading, hint, _tilde(folder), first=-1)
        self._folder = folder

    async def find(self, typed: str) -> Sequence[Item]:
        return [_item(match) for match in await asyncio.to_thread(matches, typed, self._folder)]

    async def action_complete(self) -> None:
        """Take over the marked entry, or as much as all entries share; where that adds nothing, mark the first."""
        typed = self.query_one(Input).value
        if self.item is not None:
            self.fill(self.item.value)
            return
        found = await asyncio.to_thread(matches, typed, self._folder)
        if self.query_one(Input).value != typed:
            return  # something was typed meanwhile
        shared = common(typed, found)
        if shared != typed:
            self.fill(shared)
        else:
            self.action_mark(1)

    async def refuse(self, typed: str) -> str:
        """Why this path will not do; empty where it can be tried."""
        return await asyncio.to_thread(problem, typed, self._folder)

    async def submit(self, item: Item | None, typed: str) -> None:
        if item is not None:
            typed = item.value
            self.fill(typed)
            if typed.endswith("/"):
                return
        why = await self.refuse(typed)
        if why:
            self.complain(why)
        else:
            self.dismiss(resolve(typed, self._folder))


class OpenModel(OpenFile):
    """The same for a model. The answer is a file or a folder.

    Args:
        folder: Where the path begins at first.
        engine: The model is for.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        super().__init__(folder, f"A model for {engine}", "Path of a model")

    async def refuse(self, typed: str) -> str:
        path = resolve(typed, self._folder)
        return "" if await asyncio.to_thread(os.path.exists, path) else "There is nothing of that name."


def _item(match: Match) -> Item:
    style = ".accent" if match.folder else "" if match.media else ".quiet"
    return Item(match.text, one_line(match.name, 255), style=style)


def _tilde(folder: Path) -> str:
    home = Path.home()
    if folder == home:
        return "~/"
    text = f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)
    return text if text.endswith("/") else f"{text}/"
