"""What reaches somebody who looks elsewhere: the terminal's own notification, or its bell.

Both are bytes to the terminal, so they also reach the other end of an SSH line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from services.recording.messages import Alert, AlertKind, Severity
from services.text import one_line

Method = Literal["osc9", "osc777", "bell", "off"]

PAUSE_SECONDS = 300.0
"""One kind of alert is told again after this at the earliest."""

_LONGEST = 160
_TITLE = "sotto"

# Who shows what: the manuals of iTerm2, kitty, WezTerm, Ghostty (OSC 9), foot and rxvt-unicode (OSC 777). A terminal
# that is not here may ignore either, or take OSC 9 for something else (ConEmu, Windows Terminal). All know the bell.
_OSC9_PROGRAMS = ("iTerm.app", "WezTerm", "ghostty")
_OSC9_TERMS = ("xterm-kitty", "xterm-ghostty", "wezterm")
_OSC777_TERMS = ("foot", "rxvt-unicode")


def method(wanted: Literal["auto", "osc9", "osc777", "bell", "off"], environ: Mapping[str, str]) -> Method:
    """How to notify: what a person chose, else what this terminal is known to show.

    Within tmux, screen and Zellij that is the bell: they hand it on and mark the window, and drop the rest.
    """
    if wanted != "auto":
        return wanted
    term = environ.get("TERM", "")
    if any(environ.get(name) for name in ("TMUX", "STY", "ZELLIJ")) or term.startswith(("screen", "tmux")):
        return "bell"
    if environ.get("TERM_PROGRAM") in _OSC9_PROGRAMS or environ.get("LC_TERMINAL") == "iTerm2":
        return "osc9"
    if term.startswith(_OSC9_TERMS):
        return "osc9"
    return "osc777" if term.startswith(_OSC777_TERMS) else "bell"


def sequence(how: Method, text: str, in_tmux: bool = False) -> str:
    """What to write to the terminal.

    Args:
        how: See `method`.
        text: May come from anywhere: what could end the sequence, or is too long, is taken out.
        in_tmux: Hand it through to the terminal around tmux, which needs its `allow-passthrough`.
    """
    said = one_line(text, _LONGEST)
    match how:
        case "osc9":
            told = f"\x1b]9;{_TITLE}: {said}\x07"
        case "osc777":
            told = f"\x1b]777;notify;{_TITLE};{said.replace(';', ',')}\x07"
        case "bell":
            return "\x07"
        case "off":
            return ""
    return f"\x1bPtmux;{told.replace(chr(27), chr(27) * 2)}\x1b\\" if in_tmux else told


class Alarm:
    """Chooses the alerts that are worth a notification.

    One that begins is told at once, and one that gets critical; then its kind is quiet for `PAUSE_SECONDS`. What is
    critical is told again after that for as long as it lasts.
    """

    def __init__(self) -> None:
        self._told: dict[AlertKind, tuple[float, Severity]] = {}
        self._known: set[AlertKind] = set()

    def feed(self, alerts: Sequence[Alert], now: float) -> list[Alert]:
        """Take what is wrong now, the worst first; returns what to tell.

        Args:
            alerts: All that last.
            now: `time.monotonic`.
        """
        lasting: dict[AlertKind, Alert] = {}
        for alert in alerts:
            if alert.severity != "info":
                lasting.setdefault(alert.kind, alert)
        self._known &= lasting.keys()
        due = [alert for alert in lasting.values() if self._due(alert, now)]
        for alert in due:
            self._told[alert.kind] = now, alert.severity
            self._known.add(alert.kind)
        return due

    def _due(self, alert: Alert, now: float) -> bool:
        if alert.kind in self._known and alert.severity != "critical":
            return False
        if alert.kind not in self._told:
            return True
        before, severity = self._told[alert.kind]
        return now - before >= PAUSE_SECONDS or (severity != "critical" and alert.severity == "critical")
