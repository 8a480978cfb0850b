"""The Models screen: what there is, choosing, and files that come and go while the app does other things."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from services.models import catalogue, tasks
from services.models.entry import Hub, ModelEntry
from services.models.store import folder_of, is_installed
from tests.functional.app_driver import AppPilot, running, screen_text, shown, tick, toasts, until
from tests.functional.hub import REVISION, ModelHub, model_hub
from tui.app import SottoApp
from tui.screens.main import MainScreen
from tui.widgets.model_table import CAPTIONS, CHOSEN

FILES = {"model.bin": random.Random(1).randbytes(300_000), "config.json": b"{}\n"}
TINY, BASE = "faster-whisper:tiny", "faster-whisper:base"


@pytest.fixture(autouse=True)
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A hub that has Whisper's models as the catalogue of this test names them."""
    for name in ("HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    whisper = catalogue.find_engine("stt", "faster-whisper")
    models = tuple(_from_hub(model) for model in whisper.models)
    changed = tuple(replace(each, models=models) if each is whisper else each for each in catalogue.CATALOGUE)
    for module in (catalogue, tasks):
        monkeypatch.setattr(module, "CATALOGUE", changed)
    with model_hub() as hub:
        hub.files["whisper/tiny"] = dict(FILES)
        hub.files["whisper/base"] = dict(FILES)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def _from_hub(model: ModelEntry) -> ModelEntry:
    return replace(model, origin=Hub(f"whisper/{model.name}", REVISION, tuple(FILES)))


async def marked(app: SottoApp, pilot: AppPilot, label: str) -> None:
    """Open the screen, and go down to a model."""
    if isinstance(app.screen, MainScreen):
        await pilot.press("M")
    await shown(pilot, app, "›")
    for _ in range(100):
        if f"  {label} ·" in screen_text(app):
            return
        await pilot.press("down")
        await pilot.pause()
    raise AssertionError(screen_text(app))


def row(app: SottoApp, name: str) -> str:
    """The line of a model in the table."""
    return next((line for line in screen_text(app).splitlines() if f" {name} " in line.partition("·")[0]), "")


async def fetched(app: SottoApp, pilot: AppPilot, label: str) -> None:
    await marked(app, pilot, label)
    await pilot.press("p")
    await shown(pilot, app, f"{label} is here now")
    await until(pilot, lambda: "here" in row(app, label.partition(":")[2]))


async def test_the_table_tells_what_there_is_and_what_is_in_use() -> None:
    async with running((120, 50)) as (app, pilot):
        await pilot.press("M")
        await shown(pilot, app, "Speech · moonshine")
        assert f"{CHOSEN}{CAPTIONS} tiny-en" in row(app, "tiny-en")
        assert "built in" in row(app, "tiny-en")
        small = catalogue.find_engine("stt", "faster-whisper").model("small")
        assert small is not None
        told = f"{small.size_mb} MB {small.memory_mb} MB {small.licence} to download"
        assert told in " ".join(row(app, "small").split())
        assert "In use." in screen_text(app)
        await pilot.press("end")
        await shown(pilot, app, "later meetings get no summary")
        assert "no address" in row(app, "whisper-1")


async def test_a_model_that_is_not_here_cannot_be_chosen_and_says_what_helps() -> None:
    async with running((60, 20)) as (app, pilot):
        await marked(app, pilot, TINY)
        await pilot.press("enter")
        await shown(pilot, app, "It is not on this machine: p downloads it")
        assert app.services.plan.stt.label == "moonshine:tiny-en"
        await pilot.press("x")
        await shown(pilot, app, "There is nothing of it that could be removed.")


async def test_a_model_is_downloaded_and_chosen_until_sotto_ends() -> None:
    async with running((80, 24)) as (app, pilot):
        await fetched(app, pilot, TINY)
        assert is_installed("faster-whisper", "tiny")
        await pilot.press("enter")
        await shown(pilot, app, "In use until sotto ends.")
        assert (app.services.plan.stt.engine, app.services.plan.stt.model) == ("faster-whisper", "tiny")
        assert CHOSEN in row(app, "tiny")
        await pilot.press("escape")
        await shown(pilot, app, f"Speech {TINY} ○ Unloaded")
        # What the settings name needs no such words.
        await marked(app, pilot, "moonshine:tiny-en")
        await pilot.press("enter")
        await shown(pilot, app, "In use.")
        assert app.services.plan.stt.label == "moonshine:tiny-en"


async def test_a_summary_can_be_left_out() -> None:
    async with running((80, 24)) as (app, pilot):
        await pilot.press("M")
        await shown(pilot, app, "›")
        await pilot.press("end")
        await shown(pilot, app, "No summary")
        await pilot.press("enter")
        await shown(pilot, app, "In use until sotto ends.")
        assert app.services.plan.summary is None


async def test_a_download_goes_on_without_its_screen_and_can_be_seen_everywhere(hub: ModelHub) -> None:
    hub.faults.stalls = True
    async with running((80, 24)) as (app, pilot):
        await marked(app, pilot, TINY)
        await pilot.press("p")
        await until(pilot, lambda: "50%" in row(app, "tiny"))
        await shown(pilot, app, f"Fetching {TINY} 50%")
        assert "c Cancel" in screen_text(app)
        await pilot.press("escape", "question_mark")
        await shown(pilot, app, f"Fetching {TINY} 50%")
        await pilot.press("escape")
        hub.faults.go_on.set()
        await until(pilot, lambda: f"{TINY} is here now" in toasts(app))
        await tick(app, pilot)
        assert "Fetching" not in screen_text(app)
        await marked(app, pilot, TINY)
        assert "here" in row(app, "tiny")


async def test_a_cancelled_download_keeps_what_has_arrived(hub: ModelHub) -> None:
    hub.faults.stalls = True
    async with running((80, 24)) as (app, pilot):
        await marked(app, pilot, TINY)
        await pilot.press("p")
        await shown(pilot, app, "50%")
        await pilot.press("c")
        await shown(pilot, app, "The download was cancelled.")
        assert not is_installed("faster-whisper", "tiny")
        hub.faults.stalls = False
        hub.faults.go_on.set()
        await pilot.press("up", "down")
        await fetched(app, pilot, TINY)
        assert f"bytes={len(FILES['model.bin']) // 2}-" in hub.ranges()


async def test_downloads_wait_for_their_turn_and_can_be_taken_out(hub: ModelHub) -> None:
    hub.faults.stalls = True
    async with running((80, 24)) as (app, pilot):
        await marked(app, pilot, BASE)
        await pilot.press("p")
        await shown(pilot, app, "50%")
        await marked(app, pilot, TINY)
        await pilot.press("p")
        await shown(pilot, app, "+1 waiting")
        await shown(pilot, app, "It waits for its turn.")
        await pilot.press("c")
        await until(pilot, lambda: "+1 waiting" not in screen_text(app))
        hub.faults.go_on.set()
        await until(pilot, lambda: "here" in row(app, "base"))
        assert not is_installed("faster-whisper", "tiny")


async def test_a_failed_download_says_in_the_screen_what_to_do(hub: ModelHub) -> None:
    del hub.files["whisper/tiny"]
    async with running((80, 24)) as (app, pilot):
        await marked(app, pilot, TINY)
        await pilot.press("p")
        await shown(pilot, app, "has it no longer (404)")
        assert not toasts(app)
        # It is there again when one comes back to it.
        await pilot.press("down")
        await until(pilot, lambda: "(404)" not in screen_text(app))
        await pilot.press("up")
        await shown(pilot, app, "has it no longer (404)")


async def test_a_download_that_fails_without_its_screen_is_a_toast(hub: ModelHub) -> None:
    hub.faults.stalls = hub.faults.corrupt = True
    async with running((80, 24)) as (app, pilot):
        await marked(app, pilot, TINY)
        await pilot.press("p")
        await shown(pilot, app, "50%")
        await pilot.press("escape")
        hub.faults.go_on.set()
        await until(pilot, lambda: "has another checksum than it should have" in toasts(app))
        assert app.situation.trouble is None
        assert not is_installed("faster-whisper", "tiny")


async def test_a_damaged_model_is_found_and_mended() -> None:
    async with running((80, 24)) as (app, pilot):
        await fetched(app, pilot, TINY)
        await pilot.press("v")
        await shown(pilot, app, f"{TINY} is whole")
        weights = folder_of("faster-whisper", "tiny") / "model.bin"
        weights.write_bytes(b"x" + weights.read_bytes()[1:])
        await pilot.press("v")
        await shown(pilot, app, "is damaged: model.bin")
        await pilot.press("p")
        await shown(pilot, app, "is here now")
        assert weights.read_bytes() == FILES["model.bin"]


async def test_a_model_is_removed_after_a_question_that_names_what_comes_free() -> None:
    async with running((80, 24)) as (app, pilot):
        await fetched(app, pilot, TINY)
        await pilot.press("x")
        await shown(pilot, app, "0.3 MB come free.")
        await pilot.press("enter")  # by accident, perhaps
        await pilot.pause()
        assert is_installed("faster-whisper", "tiny")
        await pilot.press("delete")
        await shown(pilot, app, "come free.")
        await pilot.press("x")
        await shown(pilot, app, "MB are free again")
        assert not is_installed("faster-whisper", "tiny")
        assert "to download" in row(app, "tiny")


async def test_what_is_in_use_is_not_removed() -> None:
    async with running((80, 24)) as (app, pilot):
        await fetched(app, pilot, TINY)
        await pilot.press("enter")
        await shown(pilot, app, "In use until sotto ends.")
        await pilot.press("x")
        await shown(pilot, app, "It is in use. Choose another one first.")
        assert is_installed("faster-whisper", "tiny")


async def test_leaving_sotto_ends_a_download_and_says_that_nothing_is_lost(hub: ModelHub) -> None:
    hub.faults.stalls = True
    async with running((80, 24)) as (app, pilot):
        await marked(app, pilot, TINY)
        await pilot.press("p")
        await shown(pilot, app, "50%")
        await pilot.press("escape", "q")
        await pilot.pause()
        assert app.return_value == 0
        assert "what has arrived is kept" in app.farewell
    assert app.services.shelf.work is None


async def test_a_model_of_ones_own_is_chosen_by_its_path(home: Path) -> None:
    own = home / "my model"
    own.mkdir()
    async with running((80, 24)) as (app, pilot):
        await marked(app, pilot, "faster-whisper")
        await pilot.press("enter")
        await shown(pilot, app, "A model for faster-whisper")
        line = app.screen.query_one(Input)
        for nothing in ("nothing", "x" * 300):
            line.value = str(home)
            await until(pilot, lambda: "There is nothing of that name." not in screen_text(app))
            line.value = str(home / nothing)
            await pilot.press("enter")
            await shown(pilot, app, "There is nothing of that name.")
        line.value = f"{own}/"
        await pilot.press("enter")
        await until(pilot, lambda: CHOSEN in row(app, "my model"))
        assert app.services.plan.stt.model == str(own)
        await marked(app, pilot, "faster-whisper:my model")
        await shown(pilot, app, "In use until sotto ends.")
        await pilot.press("p")
        await shown(pilot, app, "is nothing that is downloaded.")
