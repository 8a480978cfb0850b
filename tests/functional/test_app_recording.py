"""The real app records with the real recorder, from a file that is played as a microphone would be heard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from services.files import read_json_lines
from services.plans import request_of
from services.recording.client import attach, start
from tests.functional.app_driver import AppPilot, running, screen_text, shown, until
from tui.app import SottoApp
from tui.situation import Phase

SAMPLE = Path(__file__).parents[2] / "services" / "sample" / "meeting.opus"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    yield
    if (left := attach()) is not None:
        left.stop()


def settings(captions: bool, source: Path = SAMPLE) -> dict[str, object]:
    return {"recording": {"sources": (f"file:{source}",), "captions": captions}, "screen": {}}


def captions_of(folder: Path) -> list[dict[str, Any]]:
    """What has been understood so far."""
    return [record for record in read_json_lines(folder / "live.jsonl") if "text" in record]


async def record(app: SottoApp, pilot: AppPilot) -> Path:
    await pilot.press("r")
    assert app.situation.phase in (Phase.STARTING, Phase.RECORDING)
    await until(pilot, lambda: app.situation.phase is Phase.RECORDING)
    assert app.situation.recording is not None
    return app.situation.recording


async def test_r_records_and_r_stops() -> None:
    async with running((120, 40), settings(captions=False)) as (app, pilot):
        folder = await record(app, pilot)
        await shown(pilot, app, "● REC 0:02")
        said = screen_text(app)
        assert "meeting.opus" in said
        assert "━" in said
        assert list((folder / "audio").glob("*.wav"))
        await pilot.press("r")
        await until(pilot, lambda: app.situation.phase is Phase.IDLE)
        await shown(pilot, app, "✓ Record")
        assert attach() is None


async def test_the_app_finds_a_recording_that_it_left_running() -> None:
    async with running((80, 24), settings(captions=False)) as (app, pilot):
        folder = await record(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: app.return_value == 0)
    client = attach()
    assert client is not None
    assert client.status().state == "recording"
    client.close()
    async with running((80, 24), settings(captions=False)) as (app, pilot):
        await until(pilot, lambda: app.situation.phase is Phase.RECORDING)
        assert app.situation.recording == folder
        await pilot.press("r")
        await until(pilot, lambda: app.situation.phase is Phase.IDLE)


async def test_an_app_that_comes_back_shows_what_was_said_and_noted_meanwhile(tmp_path: Path) -> None:
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    soundfile.write(tmp_path / "meeting.flac", np.tile(samples, (8, 1)), rate)  # a slow machine needs the time
    longer = settings(captions=True, source=tmp_path / "meeting.flac")
    async with running((120, 40), longer) as (app, pilot):
        folder = await record(app, pilot)
        await until(pilot, lambda: bool(captions_of(folder)))
        await pilot.press("n", *"who pays", "enter")
        await until(pilot, lambda: (folder / "notes.md").exists())
        await pilot.press("d")
        await until(pilot, lambda: app.return_value == 0)
    first = captions_of(folder)[0]
    async with running((120, 40), longer) as (app, pilot):
        await until(pilot, lambda: app.situation.phase is Phase.RECORDING)
        await shown(pilot, app, " ".join(first["text"].split()[:3]))
        await shown(pilot, app, "who pays")
        await shown(pilot, app, "● Recording   Meeting")
        await shown(pilot, app, "meeting.flac")
        await shown(pilot, app, "━")
        known = len(captions_of(folder))
        await until(pilot, lambda: len(captions_of(folder)) > known)  # they go on
        await pilot.press("d")
        await until(pilot, lambda: app.return_value == 0)
    starts = [record["start"] for record in captions_of(folder)]
    assert starts == sorted(set(starts))


async def test_a_device_that_is_not_there_is_told_with_what_to_do() -> None:
    wanted = {"recording": {"sources": ("file:/nowhere/at all.wav",)}}
    async with running((80, 24), wanted) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.situation.trouble is not None)
        assert app.situation.phase is Phase.IDLE
        assert app.situation.trouble is not None
        assert app.situation.trouble.hint


async def test_a_recording_becomes_captions_a_transcript_and_a_summary() -> None:
    async with running((120, 40), settings(captions=True)) as (app, pilot):
        folder = await record(app, pilot)
        # Captions come while it records.
        await until(pilot, lambda: not app.transcript.view.empty)
        await pilot.press("r")
        await until(pilot, lambda: app.situation.phase is Phase.IDLE)
        for stage in ("✓ Transcribe", "✓ Summarise", "✓ Archive"):
            await shown(pilot, app, stage)
        await shown(pilot, app, "gave back")
        assert (folder / "transcript.jsonl").stat().st_size
        assert (folder / "summary.md").stat().st_size
        assert app.transcript.view.path == folder / "transcript.jsonl"
        assert (folder / "audio.flac").exists()


async def test_work_that_was_given_up_is_no_failure() -> None:
    async with running((120, 40), settings(captions=False)) as (app, pilot):
        app.services.open_file(SAMPLE)
        await until(pilot, lambda: app.figures.processing)
        await pilot.press("escape")
        await shown(pilot, app, "Cancel the processing?")
        await pilot.press("c")
        await shown(pilot, app, "It was cancelled")
        said = screen_text(app)
        assert "– " in said
        assert "✗" not in said
        assert app.situation.trouble is None


async def test_an_open_app_notices_a_recording_that_began_elsewhere() -> None:
    async with running((80, 24), settings(captions=False)) as (app, pilot):
        await shown(pilot, app, "○ Not recording")
        for _ in range(2):  # the second one is another recording, at the same place
            begun = await asyncio.to_thread(start, request_of(app.settings))
            with begun:
                await shown(pilot, app, "● REC 0:01")
                await asyncio.to_thread(begun.stop)
            await until(pilot, lambda: app.situation.phase is Phase.IDLE)
