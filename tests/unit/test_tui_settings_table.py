"""The table of settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import settings
from services.settings import MemorySettings
from tui.widgets.settings_table import DETAIL_ROWS, Entry, detail_rows, entries, table_rows


@pytest.fixture(scope="module")
def all_settings(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOTTO_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("SOTTO_MEMORY_PRESET", "balanced")
        return entries(settings.load({"memory": {"max_stt_mb": 300}}))


def find(found: list[Entry], key: str) -> Entry:
    return next(entry for entry in found if entry.key == key)


def test_every_setting_is_there_once_with_its_manual(all_settings: list[Entry]) -> None:
    keys = [entry.key for entry in all_settings]
    assert len(set(keys)) == len(keys)
    assert {key for key in keys if key.startswith("memory.")} == {
        f"memory.{name}" for name in MemorySettings.model_fields
    }
    assert all(entry.manual.endswith((".", "`.")) for entry in all_settings)


def test_origin_and_limits_are_those_of_the_settings(all_settings: list[Entry]) -> None:
    assert find(all_settings, "memory.max_stt_mb").origin == "flag"
    assert find(all_settings, "memory.preset").origin == "environment"
    assert find(all_settings, "memory.idle_seconds").origin == "preset"
    rate = find(all_settings, "recording.rate")
    assert (rate.origin, rate.lowest, rate.highest) == ("default", 8000, 48000)
    assert find(all_settings, "memory.preset").choices[1:] == (
        "conservative", "balanced", "performance", "lightweight",
    )  # fmt: skip
    assert find(all_settings, "summary.kv_cache").choices == ("f16", "q8_0", "q4_0")


@given(st.integers(40, 120), st.integers(3, 40), st.data())
def test_the_marked_setting_is_always_in_sight(width: int, height: int, data: st.DataObject) -> None:
    """Feature: settings-screen, Property 1: rows and details fit, and the marked one is among them."""
    found = [Entry(f"section{n // 4}.name_{n}", "x" * n, "default", "What it is. " * n, str) for n in range(40)]
    marked = data.draw(st.integers(0, len(found) - 1))
    rows = table_rows(found, marked, width, height)
    assert len(rows) <= height
    assert [row.plain.split()[1] for row in rows if row.plain.startswith("›")] == [found[marked].name]
    assert all(row.cell_length <= max(width, 50) for row in rows)
    assert len(detail_rows(found[marked], "Balanced", ("", ""), width)) == DETAIL_ROWS


def test_a_message_is_never_pushed_out_by_a_long_manual() -> None:
    entry = Entry("memory.preset", "", "file", "What it is. " * 100, str)
    said = "\n".join(row.plain for row in detail_rows(entry, "Balanced", ("It is not allowed.", ".bad"), 60))
    assert "It is not allowed." in said
    assert "from config.toml" in said


def test_a_path_below_the_home_folder_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    entry = Entry("folder", "/home/ana/recordings", "default", "Where.", Path)
    [_, row] = table_rows([entry], 0, 60, 5)
    assert "~/recordings" in row.plain
