"""The table of models: it fits, shows the marked one, and says of each what can be done."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from services.events import Progress
from services.models.catalogue import EngineSpec
from services.models.entry import ModelEntry
from services.models.offers import NO_SUMMARY, Offer, offers
from services.models.shelf import Work
from tui.widgets.model_table import DETAIL_ROWS, InUse, detail_rows, megabytes, name_of, table_rows

OWN = EngineSpec("faster-whisper", "/models/会議のモデル-with-a-long-name")
USED = InUse(EngineSpec("moonshine", "tiny-en"), OWN, EngineSpec("extractive"), ("moonshine:tiny-en", "extractive"))
WORK = st.sampled_from(
    [None, Work("faster-whisper:tiny", "pull"), Work("faster-whisper:tiny", "verify", Progress("Checking", 9, 9)),
     Work("faster-whisper:tiny", "pull", Progress("Fetching", 1, 3), ("faster-whisper:base",))]
)  # fmt: skip
MESSAGE = st.just(("", "")) | st.tuples(st.text(min_size=1), st.sampled_from([".bad", ".quiet"]))


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> list[Offer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOTTO_HOME", str(tmp_path_factory.mktemp("home")))
        return offers(chosen=[("stt", OWN), ("summary", EngineSpec("llama-cpp-python", "/a/some.gguf"))])


@given(data=st.data(), width=st.integers(54, 130), height=st.integers(2, 60), work=WORK)
def test_the_table_fits_and_shows_the_marked_model(
    listed: list[Offer], data: st.DataObject, width: int, height: int, work: Work | None
) -> None:
    """Feature: models-screen, Property 1: no row is too long, none too many, and the marked model is among them."""
    marked = data.draw(st.integers(0, len(listed) - 1))
    rows = table_rows(listed, USED, work, marked, width, height)
    assert len(rows) <= height
    assert all(row.cell_length <= width for row in rows)
    [line] = [row.plain for row in rows if row.plain.startswith("›")]
    assert name_of(listed[marked])[:8] in line


@given(data=st.data(), width=st.integers(54, 130), work=WORK, message=MESSAGE | st.just((" \x07", ".bad")))
def test_what_is_said_of_a_model_fits(
    listed: list[Offer], data: st.DataObject, width: int, work: Work | None, message: tuple[str, str]
) -> None:
    """Feature: models-screen, Property 2: whatever is said takes its four rows, on one screen as on another."""
    offer = data.draw(st.sampled_from(listed))
    rows = detail_rows(offer, USED, work, message, width)
    assert len(rows) == DETAIL_ROWS
    assert all(cell_len(row.plain) <= width for row in rows)
    assert rows[1].plain


def said(offer: Offer, used: InUse = USED) -> str:
    return " ".join(row.plain for row in detail_rows(offer, used, None, ("", ""), 120)[1:]).strip()


def test_each_state_says_what_can_be_done(listed: list[Offer]) -> None:
    by_label = {offer.spec.label: offer for offer in listed}
    assert said(by_label["moonshine:tiny-en"]) == "In use."
    assert said(by_label["faster-whisper:tiny"]) == "p downloads it (78 MB)."
    assert "SOTTO_TRANSCRIPTION_URL" in said(by_label["openai:whisper-1"])
    assert "helps the engine" in said(Offer("stt", EngineSpec("vosk", "spk"), "here", helper=True))
    assert said(Offer("stt", EngineSpec("openai", "x"), "remote")).endswith("Their sound leaves this machine.")
    assert said(Offer("stt", EngineSpec("a", "b"), "absent", size_mb=1531, arrived_mb=4.2)) == (
        "p downloads it (1.5 GB). 4.2 MB of it are here already."
    )
    assert said(by_label[NO_SUMMARY.label]) == "Enter: later meetings get no summary."


def test_what_is_chosen_for_now_says_how_it_is_kept() -> None:
    german = EngineSpec("vosk", "small-de")
    used = InUse(german, None, NO_SUMMARY, (), brought="de")
    offer = Offer("stt", german, "here", ("de",))
    told = "In use until sotto ends. To keep it, below [transcription] in config.toml:"
    assert said(offer, used) == f'{told} engine = "vosk:small-de", language = "de".'


@pytest.mark.parametrize(("mb", "text"), [(0, ""), (4.26, "4.3 MB"), (44, "44 MB"), (999, "999 MB"), (1531, "1.5 GB")])
def test_sizes(mb: float, text: str) -> None:
    assert megabytes(mb) == text


def test_a_model_without_facts_has_empty_cells() -> None:
    entry = ModelEntry("bare")
    offer = Offer("stt", EngineSpec("engine", entry.name), "here", entry.languages, entry.size_mb, entry.memory_mb)
    [_, _, row] = table_rows([offer], USED, None, 0, 80, 10)
    assert row.plain.split() == ["›", "bare", "here"]
    assert Path(entry.name).name in row.plain
