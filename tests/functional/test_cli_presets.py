"""Presets and settings in a shell and in the app: what the flags change, and what is said about a wrong value."""

from __future__ import annotations

from pathlib import Path

import pytest

from services import sample
from services.presets import PRESETS, fitting_here
from services.recording.chunkfiles import chunk_numbers
from tests.functional.app_driver import running, toasts, until
from tests.functional.command import sotto
from tests.functional.pty_screen import APP, Screen


@pytest.mark.parametrize(
    ("arguments", "chunks"),
    [(["record", "-l"], 3), (["-l", "record"], 3), (["record"], 1), (["-l", "record", "--preset", "balanced"], 1)],
)
def test_a_preset_reaches_the_recorder(home: Path, arguments: list[str], chunks: int) -> None:
    done = sotto(*arguments, "--source", f"file:{sample.MEETING}", "--for", 12, "--speed", 20, "--no-process")
    assert done.code == 0
    (folder,) = (home / "recordings").iterdir()
    assert len(chunk_numbers(folder / "audio")) == chunks


def test_everything_works_with_little_memory(home: Path) -> None:
    (result,) = sotto("process", sample.MEETING, "--lightweight", "--json").objects
    assert result["ok"], result["error"]
    assert "website" in result["text"].lower()
    assert result["summary"].startswith("# ")
    assert result["warnings"] == []
    assert result["peak_pss_mb"] < 500


def test_doctor_says_which_preset_holds_and_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "preset balanced\n" in sotto("doctor").out
    monkeypatch.delenv("SOTTO_MEMORY_PRESET")
    assert f"preset {fitting_here().name}, which fits this machine" in sotto("doctor").out


def test_every_command_that_reads_settings_says_what_is_wrong_with_them(home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text("[memory]\npreset = 'huge'\nkeep_mb = 'all'\n")
    names = " or ".join(f"'{name}'" for name in list(PRESETS)[-1:])
    for command in (["status"], ["export", "none"], ["recover"], ["process", "none"]):
        told = sotto(*command).err
        assert "Passed over: The setting `memory.preset`" in told, command
        assert names in told
        assert "Passed over: The setting `memory.keep_mb`" in told
    assert sotto("recover").code == 0


def test_the_app_starts_with_little_memory(home: Path) -> None:
    screen = Screen(120, 40, {"SOTTO_HOME": str(home), "TERM": "xterm-256color"}, (*APP, "--lightweight"))
    try:
        screen.wait_for("Low memory off")  # what the key would do
    finally:
        screen.close()


async def test_the_app_starts_and_says_what_is_wrong(home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text("[memory]\nkeep_mb = 'all'\n[transcription]\nengine = 'magic'\n")
    async with running() as (app, pilot):
        await until(pilot, lambda: "Some settings were passed over" in toasts(app))
        assert "memory.keep_mb" in toasts(app)
        assert "'magic'" in toasts(app)
