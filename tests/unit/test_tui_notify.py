"""What reaches somebody who looks elsewhere."""

from __future__ import annotations

from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recording.messages import Alert, AlertKind, Severity
from tui.notify import PAUSE_SECONDS, Alarm, method, sequence

KINDS: tuple[AlertKind, ...] = get_args(AlertKind)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "osc9"),
        ({"TERM": "xterm-ghostty"}, "osc9"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "osc9"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "osc9"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "osc9"),
        ({"TERM": "foot-extra"}, "osc777"),
        ({"TERM": "rxvt-unicode-256color"}, "osc777"),
        ({"TERM": "xterm-256color"}, "bell"),
        ({"TERM": "linux"}, "bell"),
        ({}, "bell"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-1000/default,1,0"}, "bell"),
        ({"TERM": "tmux-256color", "LC_TERMINAL": "iTerm2"}, "bell"),
        ({"TERM": "screen.xterm-256color"}, "bell"),
        ({"TERM": "xterm-kitty", "STY": "1234.pts-0"}, "bell"),
    ],
)
def test_a_terminal_gets_what_it_is_known_to_show(environ: dict[str, str], expected: str) -> None:
    assert method("auto", environ) == expected


@pytest.mark.parametrize("wanted", ["osc9", "osc777", "bell", "off"])
def test_what_a_person_chose_counts(wanted: Literal["osc9", "osc777", "bell", "off"]) -> None:
    assert method(wanted, {"TERM": "tmux", "TMUX": "x"}) == wanted


def test_the_sequences() -> None:
    assert sequence("osc9", "Nothing is heard.") == "\x1b]9;sotto: Nothing is heard.\x07"
    assert sequence("osc777", "Nothing; is heard.") == "\x1b]777;notify;sotto;Nothing, is heard.\x07"
    assert sequence("bell", "Nothing is heard.") == "\x07"
    assert sequence("off", "Nothing is heard.") == ""
    assert sequence("osc9", "Hush", in_tmux=True) == "\x1bPtmux;\x1b\x1b]9;sotto: Hush\x07\x1b\\"
    assert sequence("bell", "Hush", in_tmux=True) == "\x07"


@given(
    st.text() | st.from_regex(r"(\x1b|\x07|\x9c|\x1b\\|a|;|\n)+", fullmatch=True), st.sampled_from(["osc9", "osc777"])
)
def test_no_text_gets_out_of_its_sequence(text: str, how: Literal["osc9", "osc777"]) -> None:
    """Feature: notifications, Property 1: one sequence, ended once, of bounded length."""
    told = sequence(how, text)
    body = told.removesuffix("\x07").partition("sotto")[2]
    assert told.startswith("\x1b]")
    assert told.endswith("\x07")
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in body)
    assert len(body) <= 170
    told.encode("utf-8")


def alert(kind: AlertKind = "no_signal", severity: Severity = "warning") -> Alert:
    return Alert(kind, f"{kind} {severity}", "", severity)


def test_an_alert_is_told_when_it_begins_and_not_while_it_lasts() -> None:
    alarm = Alarm()
    assert alarm.feed([alert()], 0.0) == [alert()]
    for now in (1.0, 299.0, 301.0, 5000.0):
        assert alarm.feed([alert()], now) == []


def test_one_that_comes_and_goes_is_told_every_five_minutes_at_most() -> None:
    alarm = Alarm()
    told = [now for now in range(0, 1300, 10) if alarm.feed([alert()] if now % 20 == 0 else [], float(now))]
    assert told == [0, 300, 600, 900, 1200]


def test_one_that_came_back_too_early_is_told_when_its_time_has_come() -> None:
    alarm = Alarm()
    alarm.feed([alert()], 0.0)
    alarm.feed([], 10.0)
    assert not alarm.feed([alert()], 20.0)
    assert alarm.feed([alert()], 300.0)


def test_what_gets_critical_is_told_at_once_and_again_as_long_as_it_lasts() -> None:
    alarm = Alarm()
    assert alarm.feed([alert("disk_low")], 0.0)
    assert alarm.feed([alert("disk_low", "critical")], 5.0)
    assert not alarm.feed([alert("disk_low", "critical")], 6.0)
    assert not alarm.feed([alert("disk_low")], 7.0)
    assert not alarm.feed([alert("disk_low", "critical")], 300.0)
    assert alarm.feed([alert("disk_low", "critical")], 305.0)


def test_what_is_only_worth_knowing_is_not_told() -> None:
    assert Alarm().feed([alert(severity="info")], 0.0) == []


STEPS = st.lists(
    st.tuples(st.floats(0.2, 400), st.lists(st.builds(alert, st.sampled_from(KINDS), st.sampled_from(SEVERITIES)))),
    max_size=40,
)


@given(STEPS)
def test_a_kind_is_told_once_in_five_minutes_and_once_more_when_it_gets_critical(
    steps: list[tuple[float, list[Alert]]],
) -> None:
    """Feature: notifications, Property 2: never more than that, never what does not last, and never nothing."""
    alarm, now = Alarm(), 0.0
    told: list[tuple[float, AlertKind, Severity]] = []
    for step, alerts in steps:
        now += step
        worst = sorted(alerts, key=lambda each: -SEVERITIES.index(each.severity))
        found = alarm.feed(worst, now)
        assert all(each in alerts and each.severity != "info" for each in found)
        told += [(now, each.kind, each.severity) for each in found]
        for each in worst:
            if each.severity != "info":
                assert any(kind == each.kind for _, kind, _ in told)
    for kind in KINDS:
        times = [(when, severity) for when, other, severity in told if other == kind]
        for (before, first), (after, second) in zip(times, times[1:], strict=False):
            assert after - before >= PAUSE_SECONDS or (first, second) == ("warning", "critical")
