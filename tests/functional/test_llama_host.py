"""The summary worker as the app uses it: real processes, both engines."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from services.errors import CancelledError, ModelError, StorageError, UsageError, WorkerError
from services.library.segments import Segment
from services.summarization.engine import NO_SPEECH
from services.worker.client import Worker
from tests.models.fixtures import scripted_gguf as scripted_gguf
from tests.models.gguf_llama import TEXT, Recipe
from tests.models.meeting_texts import LAUNCH, long_meeting, meeting

_LLAMA = (
    pytest.mark.llama,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"),
)
ENGINES = ["extractive", pytest.param("llama", marks=_LLAMA)]


def needs_llama(test: Callable[..., None]) -> Callable[..., None]:
    for mark in _LLAMA:
        test = mark(test)
    return test


Build = Callable[[Recipe], Path]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Worker("llm", tmp_path / "llm.log") as started:
        yield started


def _written(path: Path, segments: Sequence[Segment]) -> str:
    path.write_text("".join(json.dumps(segment.to_dict()) + "\n" for segment in segments), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_summary_is_streamed_and_counted(worker: Worker, tmp_path: Path, scripted_gguf: Build, engine: str) -> None:
    transcript = _written(tmp_path / "transcript.jsonl", meeting(LAUNCH))
    model = str(scripted_gguf(Recipe())) if engine == "llama" else ""
    loaded = worker.call("load", {"engine": engine, "model": model, "transcript": transcript})
    assert loaded["load_s"] >= 0
    pieces: list[str] = []
    progress: list[tuple[float, float]] = []
    result = worker.call(
        "summarize",
        {"transcript": transcript, "title": "", "date": "2026-02-23", "language": "en"},
        on_item=lambda item: pieces.append(item["text"]),
        on_progress=lambda done, total, what: progress.append((done, total)),
    )
    assert "".join(pieces) == result["markdown"]
    assert result["decisions"] == result["markdown"].split("## Decisions")[1].split("##")[0].count("\n- ")
    assert result["action_items"] >= 1
    assert result["open_questions"] >= 1
    assert result["title"]
    assert progress[-1][0] == progress[-1][1]
    assert worker.call("unload") == {}
    with pytest.raises(WorkerError, match="No summary engine"):
        worker.call("summarize", {"transcript": transcript})


@pytest.mark.parametrize("engine", ENGINES)
def test_a_transcript_without_speech_is_told(worker: Worker, tmp_path: Path, scripted_gguf: Build, engine: str) -> None:
    transcript = _written(tmp_path / "transcript.jsonl", [])
    model = str(scripted_gguf(Recipe())) if engine == "llama" else ""
    worker.call("load", {"engine": engine, "model": model, "transcript": transcript})
    result = worker.call("summarize", {"transcript": transcript, "title": "Sync", "date": "", "language": "en"})
    assert result["markdown"] == f"# Sync\n\n{NO_SPEECH}\n"
    assert (result["title"], result["decisions"]) == ("", 0)


@needs_llama
def test_a_summary_at_work_is_cancelled_and_the_model_stays_usable(
    worker: Worker, tmp_path: Path, scripted_gguf: Build
) -> None:
    long, short = (_written(tmp_path / f"{n}.jsonl", long_meeting(n)) for n in (4000, 100))
    worker.call("load", {"engine": "llama", "model": str(scripted_gguf(Recipe())), "transcript": long})
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        worker.call("summarize", {"transcript": long}, on_progress=lambda *_: cancel.set(), cancel=cancel)
    assert worker.call("summarize", {"transcript": short})["markdown"] == TEXT


@needs_llama
def test_a_damaged_model_is_an_error_and_the_worker_lives(worker: Worker, tmp_path: Path) -> None:
    transcript = _written(tmp_path / "transcript.jsonl", meeting(LAUNCH))
    path = tmp_path / "model.gguf"
    path.write_bytes(b"RIFF" + bytes(64))
    with pytest.raises(ModelError, match="not a GGUF"):
        worker.call("load", {"engine": "llama", "model": str(path), "transcript": transcript})
    assert (
        worker.call("load", {"engine": "extractive", "model": "", "transcript": transcript})["engine"] == "extractive"
    )


def test_wrong_engines_and_missing_transcripts_are_told(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no summary engine") as caught:
        worker.call("load", {"engine": "oracle", "model": "", "transcript": str(tmp_path / "none")})
    assert "extractive" in caught.value.hint
    with pytest.raises(StorageError, match="no transcript"):
        worker.call("load", {"engine": "extractive", "model": "", "transcript": str(tmp_path / "none")})


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")
@needs_llama
def test_all_memory_of_the_model_is_back_when_its_process_is_gone(tmp_path: Path, scripted_gguf: Build) -> None:
    transcript = _written(tmp_path / "transcript.jsonl", [Segment(0, 1, "The beta is ready.", "You")])
    model = scripted_gguf(Recipe(layers=4, width=512, heads=8, vocabulary=8000, quantisation="Q8_0"))
    size_mb = model.stat().st_size / 2**20
    own = psutil.Process()
    before = {child.pid for child in own.children()}
    with Worker("llm", tmp_path / "llm.log") as worker:
        empty = worker.memory().pss
        worker.call("load", {"engine": "llama", "model": str(model), "transcript": transcript})
        worker.call("summarize", {"transcript": transcript})
        held = worker.memory().pss
        pid = worker.pid
        assert held > empty + size_mb * 0.8
    assert not psutil.pid_exists(pid)
    assert {child.pid for child in own.children()} <= before


@pytest.mark.skipif(sys.platform != "linux", reason="loaded libraries are read from /proc")
def test_the_built_in_engine_loads_no_model_library(worker: Worker, tmp_path: Path) -> None:
    transcript = _written(tmp_path / "transcript.jsonl", long_meeting(20_000))
    worker.call("load", {"engine": "extractive", "model": "", "transcript": transcript})
    worker.call("summarize", {"transcript": transcript})
    mapped = Path(f"/proc/{worker.pid}/maps").read_text()
    assert not [name for name in ("numpy", "libllama", "onnxruntime", "libav") if name in mapped]
    assert worker.memory().pss < 60
