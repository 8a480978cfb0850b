"""Every action of the app, once: bindings, footer, palette and help are made from this list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

from services.lifecycle import ModelState
from tui.situation import Figures, Phase, Situation, live_status, phase_of

Group = Literal["Meeting", "Move", "App", "Memory"]
Condition = Callable[[Situation, Figures], bool]


def _always(_: Situation, __: Figures) -> bool:
    return True


def _not_stopping(situation: Situation, figures: Figures) -> bool:
    """A recording that is about to stop takes no further order; one that is about to start can be given up."""
    return phase_of(situation, figures) is not Phase.STOPPING


def _recorded(situation: Situation, figures: Figures) -> bool:
    """There is a meeting that grows, or could grow on."""
    return phase_of(situation, figures) in (Phase.RECORDING, Phase.PAUSED)


def _under_way(situation: Situation, figures: Figures) -> bool:
    """There is a recording to leave alone, or there will be one in a moment."""
    return situation.phase is Phase.STARTING or _recorded(situation, figures)


def _stops_by_itself(situation: Situation, figures: Figures) -> bool:
    status = live_status(situation, figures)
    return status is not None and status.stops_in is not None and _recorded(situation, figures)


def _something_to_end(situation: Situation, figures: Figures) -> bool:
    return situation.trouble is not None or figures.processing


def _written_up(situation: Situation, _: Figures) -> bool:
    """The meeting that is shown has been transcribed, maybe in part."""
    state = situation.stages.get("transcribe")
    return not situation.on_air and state is not None and state.status in ("done", "failed", "skipped")


def _idle_model(situation: Situation, _: Figures) -> bool:
    """A model is loaded that nobody uses now."""
    return any(status.state is ModelState.READY for status in situation.models.values())


def _unfinished(situation: Situation, _: Figures) -> bool:
    return bool(situation.unfinished)


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do.

    Attributes:
        id: Its name in the settings' keymap.
        keys: The keys, comma-separated; the first one is shown.
        call: The textual action that runs.
        title: Two or three words: footer and palette.
        help: A sentence: palette and help screen.
        group: Where the help screen lists it.
        enabled: Whether it makes sense now.
        footer: Its place in the footer; 0 is not there. The last ones give way when the line is short.
        live: Likewise while a meeting is recorded, when other keys matter.
        shy: It is in the footer only while it makes sense; the others are dimmed when they make none.
        shown: How its key is written.
        palette: Whether the palette offers it.
        panel: Number of the panel in which alone its key works; 0 for all.
    """

    id: str
    keys: str
    call: str
    title: str
    help: str
    group: Group
    enabled: Condition = _always
    footer: int = 0
    live: int = 0
    shy: bool = False
    shown: str = ""
    palette: bool = True
    panel: int = 0

    @property
    def name(self) -> str:
        """The method of the action, without arguments."""
        return self.call.partition("(")[0]

    @property
    def key(self) -> str:
        """The first key, as a person writes it."""
        return self.shown or self.keys.partition(",")[0]


ACTIONS: tuple[Action, ...] = (
    Action(
        "record", "r", "record", "Record", "Start recording; the same key stops it.", "Meeting", _not_stopping,
        footer=1, live=1,
    ),
    Action(
        "pause", "p", "pause", "Pause", "Keep nothing of what is heard; the same key goes on.", "Meeting", _recorded,
        live=2,
    ),
    Action("mark", "m", "mark", "Mark", "Mark this moment of the recording.", "Meeting", _recorded, live=3),
    Action("note", "n", "note", "Note", "Write a line about this moment.", "Meeting", _recorded, live=4),
    Action(
        "more_time", "plus,equals_sign", "more_time", "More time", "Let an automatic stop come 15 minutes later.",
        "Meeting", _stops_by_itself, live=5, shy=True, shown="+",
    ),
    Action(
        "detach", "d", "detach", "Detach", "Leave sotto, and let the recording go on without it.", "Meeting",
        _under_way, live=6,
    ),
    Action(
        "open", "o", "open_file", "Open", "Transcribe and summarise an audio or video file.", "Meeting",
        footer=2, live=9,
    ),
    Action(
        "export", "e", "export", "Export", "Write this meeting as Markdown, text, subtitles or JSON.", "Meeting",
        _written_up, footer=4, shy=True,
    ),
    Action(
        "speakers", "s", "speakers", "Speakers", "See who speaks in this meeting, and give them names.", "Meeting",
        _written_up, footer=11, shy=True,
    ),
    Action(
        "finish", "f", "finish", "Finish", "Finish meetings that were cut off or never written up.", "Meeting",
        _unfinished, footer=3, shy=True,
    ),
    Action(
        "escape", "escape", "escape", "Cancel", "Dismiss the last error; else cancel the processing (it asks).",
        "Meeting", _something_to_end, footer=7, live=10, shown="Esc",
    ),
    Action("record_panel", "1", "panel(1)", "Record panel", "Go to the recording.", "Move"),
    Action("transcript_panel", "2", "panel(2)", "Transcript panel", "Go to the transcript.", "Move"),
    Action("summary_panel", "3", "panel(3)", "Summary panel", "Go to the summary.", "Move"),
    Action("memory_panel", "4", "panel(4)", "Memory panel", "Go to the memory.", "Move"),
    Action(
        "next_panel", "tab", "next_panel(1)", "Next panel", "Go to the next panel.", "Move", footer=8, live=11,
        shown="Tab",
    ),
    Action(
        "previous_panel", "shift+tab", "next_panel(-1)", "Previous panel", "Go to the panel before.", "Move",
        shown="Shift+Tab",
    ),
    Action("follow", "end,G", "follow", "Follow the end", "Go to the newest line and stay there.", "Move", shown="End"),
    Action(
        "help", "question_mark,f1", "help", "Help", "All keys and what they do.", "App", footer=6, live=8,
        shown="?",
    ),
    Action(
        "palette", "ctrl+p", "command_palette", "Commands", "Find an action by its name.", "App", footer=9,
        live=12, shown="^P", palette=False,
    ),
    Action(
        "models", "M", "models", "Models", "Engines and their models: choose, download, verify, remove.", "App",
        footer=10,
    ),
    Action(
        "unload", "u", "unload", "Unload", "Give back the memory of models that nobody uses now.", "Memory",
        _idle_model, footer=12, shy=True,
    ),
    Action("preset", "P", "preset", "Preset", "Take more or less of the machine: the next preset.", "Memory"),
    Action(
        "low_memory", "L", "low_memory", "Low memory", "All of sotto below 500 MB; the same key goes back.", "Memory",
    ),
    Action(
        "memory_details", "enter", "memory_details", "Report", "In the Memory panel: all figures, and what to do.",
        "Memory", shown="Enter", panel=4,
    ),
    Action(
        "settings", "comma", "settings", "Settings", "All settings: what they mean, and where each is from.", "App",
        footer=13, shown=",",
    ),
    Action("theme", "t", "theme", "Theme", "Choose the colours.", "App"),
    Action("quit", "q,ctrl+q", "quit", "Quit", "Leave; it asks while something is at work.", "App", footer=5, live=7),
)  # fmt: skip

BY_ID = {action.id: action for action in ACTIONS}
_BY_NAME = {action.name: action for action in ACTIONS}

SCROLL_KEYS = (("↑ ↓", "A line up or down."), ("PgUp PgDn", "A page up or down."), ("Home", "The beginning."))
"""Keys that textual's scrolling views bring along; the help screen lists them."""


def bindings(panel: int = 0) -> Iterator[Binding]:
    """The bindings of the app, or those of one of its panels."""
    for action in (action for action in ACTIONS if action.panel == panel):
        yield Binding(
            action.keys, f"app.{action.call}" if panel else action.call, action.title, show=False, tooltip=action.help,
            id=action.id, key_display=action.shown or None,
        )  # fmt: skip


def enabled(name: str, situation: Situation, figures: Figures) -> bool:
    """Whether the textual action `name` makes sense now; those that are not ours always do."""
    action = _BY_NAME.get(name)
    return action is None or action.enabled(situation, figures)


def remedy(name: str, situation: Situation, figures: Figures) -> Action | None:
    """The action that an alert about the memory names, where it would help now."""
    action = BY_ID.get(name)
    done = name == "low_memory" and figures.low_memory
    return None if action is None or done or not action.enabled(situation, figures) else action


def footer(situation: Situation, figures: Figures) -> list[Action]:
    """What the footer names, in order: while a meeting is recorded, first what a meeting needs."""
    places = {action.id: action.live if situation.on_air else action.footer for action in ACTIONS}
    named = [action for action in ACTIONS if places[action.id]]
    named = [action for action in named if not action.shy or action.enabled(situation, figures)]
    return sorted(named, key=lambda action: places[action.id])
