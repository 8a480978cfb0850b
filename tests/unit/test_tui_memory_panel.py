"""What the Memory panel shows, on any size."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from services.events import ModelChanged
from services.memory.alert import MemoryAlert, Severity
from services.memory.trend import Trend
from tests.unit.tui_pictures import component, snapshot, text_of
from tui.panels.memory import MemoryPanel
from tui.panels.memory_rows import memory_rows
from tui.situation import Figures, Situation
from tui.widgets.steady import Steady


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=50))
def test_a_steady_figure_is_never_far_off_and_moves_only_for_a_reason(values: list[float]) -> None:
    """Feature: few-bytes, Property 2: what is shown is within the tolerance, and noise does not move it."""
    steady = Steady(2.0, 0.04)
    before: float | None = None
    for value in values:
        shown = steady("x", value)
        tolerance = max(2.0, 0.04 * (before or shown))
        assert abs(shown - value) < tolerance
        assert shown in (before, value)
        before = shown
    assert steady("x", 0.0) == 0.0


def test_the_memory_panel_lists_all_components_and_what_came_back() -> None:
    memory = snapshot(component("UI", 46.4, 47.0), component("STT", 0.0, 228.0), component("Other", 9.0, 9.0))
    situation = Situation().model_changed(ModelChanged("stt", "moonshine", "Unloading", "Unloaded", "", 212.4))
    picture = MemoryPanel({})._look(memory, situation, Figures())
    said = text_of(memory_rows(picture, 60)).splitlines()
    assert [line.split()[0] for line in said[1:7]] == ["UI", "Recorder", "STT", "LLM", "Other", "Total"]
    assert "46    47  ━━" in said[1]
    assert said[1].endswith("─ Stable")
    assert "0   228  gave back 212 MB" in said[3]
    [system] = (line for line in said if line.startswith("System"))
    assert "8.0 of 16.0 GB available  ━" in system
    assert system.endswith("Medium pressure")
    assert all(len(line) <= 60 for line in said)


def test_growth_is_told() -> None:
    picture = MemoryPanel({})._look(snapshot(component("UI", 90.0, 90.0, Trend.GROWING)), Situation(), Figures())
    assert "▲ Growing" in text_of(memory_rows(picture, 40))


def test_noise_does_not_change_the_picture() -> None:
    panel = MemoryPanel({})
    first = panel._look(snapshot(component("UI", 46.0, 46.4)), Situation(), Figures())
    second = panel._look(snapshot(component("UI", 46.9, 46.9)), Situation(), Figures())
    assert first == second
    third = panel._look(snapshot(component("UI", 60.0, 60.0)), Situation(), Figures())
    assert third != first


def test_nothing_is_shown_above_its_peak() -> None:
    panel = MemoryPanel({})
    panel._look(snapshot(component("UI", 345.0, 355.0)), Situation(), Figures())
    picture = panel._look(snapshot(component("UI", 367.0, 367.0)), Situation(), Figures())
    assert all(row.peak >= row.now for row in (*picture.rows, picture.total))


@given(
    st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 5000), st.sampled_from((0.0, 400.0))), min_size=1, max_size=5),
    st.integers(20, 120),
    st.integers(3, 40),
)
def test_the_memory_panel_fits_and_shows_every_component(
    parts: list[tuple[float, float, float]], width: int, height: int
) -> None:
    """Feature: memory-panel, Property 1: on any size every component and every alert is there."""
    names = ("UI", "Recorder", "STT", "LLM", "Other")
    held = [replace(component(n, mb, peak), limit=limit) for n, (mb, peak, limit) in zip(names, parts, strict=False)]
    alert = MemoryAlert("pressure", Severity.WARNING, "System", "Memory is short.", "End other programs.", "low_memory")
    memory = replace(snapshot(*held), alerts=(alert,), recent=tuple(mb for mb, _, _ in parts))
    rows = memory_rows(MemoryPanel({})._look(memory, Situation(), Figures()), width, height)
    said = [row.plain for row in rows]
    for each in (each for each in held if each.running or each.name != "Other"):  # of what else runs only what does
        assert any(line.startswith(each.name) for line in said)
    words = " ".join(line.strip() for line in said)
    assert "! Memory is short." in " ".join(words.split())
    if width >= 40:
        assert max(len(line) for line in said) <= width


def test_what_can_give_way_does_so_before_what_matters() -> None:
    held = tuple(component(name, 100.0, 200.0) for name in ("UI", "Recorder", "STT", "LLM"))
    memory = replace(snapshot(*held), recent=(90.0, 100.0))
    picture = MemoryPanel({})._look(memory, Situation(), Figures())
    heights = [len(memory_rows(picture, 40, height)) for height in (20, 10, 9, 8, 7)]
    assert heights == [11, 10, 9, 8, 7]
    assert "P Preset" in text_of(memory_rows(picture, 40, 9))
    assert "P Preset" not in text_of(memory_rows(picture, 40, 8))
    assert "min" in text_of(memory_rows(picture, 40, 8))
    assert "min" not in text_of(memory_rows(picture, 40, 7))


def test_a_bar_ends_at_the_limit_and_warns_when_it_is_near() -> None:
    def row(mb: float, limit: float) -> Content:
        memory = snapshot(replace(component("STT", mb, mb), limit=limit))
        return next(
            row for row in memory_rows(MemoryPanel({})._look(memory, Situation(), Figures()), 76)
            if row.plain.startswith("STT")
        )  # fmt: skip

    half, near, over, free = row(200.0, 400.0), row(370.0, 400.0), row(400.0, 400.0), row(200.0, 0.0)
    assert half.plain.count("━") == half.plain.count("─") - 1  # the sign of the trend is one, too
    assert {".warn"} == {str(span.style) for span in near.spans if near.plain[span.start] == "━"}
    assert {".bad"} == {str(span.style) for span in over.spans if over.plain[span.start] == "━"}
    assert free.plain.count("─") == 1  # no track without a limit


def test_the_key_that_helps_is_not_offered_where_it_was_pressed() -> None:
    alert = MemoryAlert("pressure", Severity.CRITICAL, "System", "Memory is short.", "Less.", "low_memory")
    memory = replace(snapshot(component("UI", 50.0, 50.0)), alerts=(alert,))
    picture = MemoryPanel({})._look(memory, Situation(), Figures())
    assert picture.alerts[0].key == "L"
    picture = MemoryPanel({})._look(memory, Situation(), Figures(preset="lightweight"))
    assert picture.alerts[0].key == ""
