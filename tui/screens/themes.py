"""Choosing the colours, which are put on while one looks through the list."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

from tui.screens.finder import Item, Picker


class ThemePicker(Picker):
    """Puts on the marked theme at once; Esc puts the old one back.

    Args:
        current: Name of the theme that is on.
        themes: All themes by name.
    """

    def __init__(self, current: str, themes: Mapping[str, Theme]) -> None:
        ours = sorted(themes, key=lambda name: (name != current, not name.startswith("sotto"), name))
        super().__init__("Theme", [Item(name, name) for name in ours])
        self._before = current

    def highlighted(self, item: Item) -> None:
        self.app.theme = item.value

    async def submit(self, item: Item | None, typed: str) -> None:
        if item is not None:
            self.app.theme = item.value
            self.app.notify(f'theme = "{item.value}" under [screen] in config.toml keeps it.', markup=False)
        await super().submit(item, typed)

    def action_close(self) -> None:
        self.app.theme = self._before
        super().action_close()
