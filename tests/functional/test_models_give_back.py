"""The real runtimes, one after the other: what they take comes back, and they never share the memory."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from services import sample
from services.events import Event, ModelChanged, SummaryDelta
from services.hosted import HostedModel
from services.library.meeting import Meeting
from services.memory.monitor import MemoryMonitor
from services.models.catalogue import parse_engine
from services.models.options import SummaryOptions
from services.residency import Residency
from services.summarization.service import Summarizer
from services.transcription.service import Transcriber
from tests.models.fixtures import scripted_gguf
from tests.models.gguf_llama import Recipe

__all__ = ["scripted_gguf"]

BIG_ENOUGH_TO_SEE = Recipe(layers=4, width=512, heads=8, vocabulary=4096, quantisation="Q8_0")


def private_mb() -> float:
    return MemoryMonitor().sample().total.usage.pss


def workers() -> list[str]:
    lines = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    return [line for line in lines if "services.worker.host" in line]


@pytest.mark.llama
def test_speech_is_gone_before_the_language_model_loads_and_both_give_back(
    home: Path, scripted_gguf: Callable[[Recipe], Path]
) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    alive: list[tuple[str, int]] = []
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, ModelChanged) and event.new == "Loading":
            alive.append((event.model, len(workers())))

    stt, llm = HostedModel("stt", emit), HostedModel("llm", emit)
    residency, go_on = Residency((stt, llm)), threading.Event()
    engine = parse_engine("summary", f"llama:{scripted_gguf(BIG_ENOUGH_TO_SEE)}")

    def hear(meeting: Meeting) -> None:
        Transcriber(stt, residency, emit).transcribe(
            meeting, sample.MEETING, parse_engine("stt", "moonshine"), "en", lambda *_: None, go_on
        )

    def write(meeting: Meeting) -> None:
        Summarizer(llm, residency, emit).summarize(
            meeting, engine, "en", SummaryOptions(max_context=2048), lambda *_: None, go_on
        )

    # What this process itself takes for its first transcript and summary, code above all, is no model's.
    warm = Meeting.create(home / "recordings", "Warm")
    hear(warm)
    write(warm)
    residency.unload_all("warm")
    alive.clear()
    events.clear()
    meeting = Meeting.create(home / "recordings", "Launch")
    gc.collect()
    before = private_mb()

    hear(meeting)
    assert private_mb() > before + 100
    write(meeting)
    assert private_mb() > before + 30
    residency.unload_all("done")
    gc.collect()
    assert private_mb() < before + 10
    assert workers() == []
    assert alive == [("stt", 0), ("llm", 0)]
    freed = [event.freed_mb for event in events if isinstance(event, ModelChanged) and event.freed_mb]
    assert len(freed) == 2
    assert freed[0] > 100
    written = "".join(event.text for event in events if isinstance(event, SummaryDelta))
    assert len([e for e in events if isinstance(e, SummaryDelta)]) > 5, "it comes token by token"
    assert "send the report" in written
    assert "send the report" in meeting.summary.read_text()
