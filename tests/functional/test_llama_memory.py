"""What a language model takes, with the real llama.cpp: its context, how its file is held, what happens at a limit."""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.errors import MemoryLimitError
from services.library.segments import Segment
from services.models.options import KvCache, SummaryOptions
from services.summarization.cost import Shape
from services.summarization.runtime import Model
from services.worker.client import Worker
from tests.models.fixtures import scripted_gguf as scripted_gguf
from tests.models.gguf_llama import TEXT, Recipe
from tests.models.meeting_texts import long_meeting

pytestmark = [
    pytest.mark.llama,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"),
]
linux = pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")

Build = Callable[[Recipe], Path]

DEEP = Recipe(layers=8, width=256, heads=8, context=32768)
"""A token of its context takes 8 KB with 16 bits, beside weights of 9 MB."""

MB = 2**20


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Worker("llm", tmp_path / "llm.log") as started:
        yield started


@pytest.fixture
def transcript(tmp_path: Path) -> str:
    """A transcript of more than 8,000 tokens, in a vocabulary of bytes: what a context is opened for."""
    return _written(tmp_path / "transcript.jsonl", long_meeting(1600))


@pytest.fixture
def short(tmp_path: Path) -> str:
    """One that is summarised quickly, in whatever context."""
    return _written(tmp_path / "short.jsonl", long_meeting(30))


def _written(path: Path, segments: list[Segment]) -> str:
    path.write_text("".join(json.dumps(segment.to_dict()) + "\n" for segment in segments), encoding="utf-8")
    return str(path)


def _load(worker: Worker, model: Path, transcript: str, **options: Any) -> dict[str, Any]:
    args = {"engine": "llama", "model": str(model), "transcript": transcript}
    return worker.call("load", args | {"options": SummaryOptions(**options).to_dict()})


def _summary(worker: Worker, transcript: str) -> str:
    return str(worker.call("summarize", {"transcript": transcript, "title": "", "language": "en"})["markdown"])


@pytest.mark.parametrize("kv_heads", [8, 2])
def test_the_size_of_a_model_is_read_from_its_file(scripted_gguf: Build, kv_heads: int) -> None:
    recipe = Recipe(layers=3, width=256, heads=8, kv_heads=kv_heads, vocabulary=600)
    model = Model(scripted_gguf(recipe), lambda _: None)
    try:
        assert model.shape == Shape(layers=3, kv_heads=kv_heads, key=32, value=32, width=256, vocabulary=600)
    finally:
        model.close()


@linux
def test_each_kind_of_context_takes_what_was_worked_out(
    scripted_gguf: Build, tmp_path: Path, transcript: str, short: str
) -> None:
    model = scripted_gguf(DEEP)
    held: dict[KvCache, float] = {}
    told: dict[KvCache, float] = {}
    kinds: tuple[KvCache, ...] = ("f16", "q8_0", "q4_0")
    for kind in kinds:
        with Worker("llm", tmp_path / "llm.log") as worker:
            facts = _load(worker, model, transcript, kv_cache=kind, max_context=8192)
            assert (facts["kv_cache"], facts["context"], facts["mapped"]) == (kind, 8192, True)
            assert _summary(worker, short) == TEXT
            held[kind], told[kind] = worker.memory().anonymous, facts["context_mb"]
    assert told["f16"] > 64
    for kind in kinds[1:]:
        assert held["f16"] - held[kind] == pytest.approx(told["f16"] - told[kind], abs=8)


@linux
def test_a_file_is_mapped_or_read_as_told(scripted_gguf: Build, tmp_path: Path, transcript: str) -> None:
    model = scripted_gguf(Recipe(layers=4, width=512, heads=8, vocabulary=8000, quantisation="Q8_0"))
    size = model.stat().st_size / MB
    held = {}
    for mmap in (True, False):
        with Worker("llm", tmp_path / "llm.log") as worker:
            facts = _load(worker, model, transcript, mmap=mmap, max_context=1024)
            assert facts["mapped"] is mmap
            held[mmap] = worker.memory()
    assert held[True].file > size * 0.9
    assert held[False].anonymous - held[True].anonymous > size * 0.9


REFUSE_MAPPING = """
import ctypes, platform, struct, sys
from pathlib import Path

from services.summarization.runtime import Model

# A filter of system calls (seccomp(2)): mmap with MAP_SHARED fails with ENODEV, as on a file system without mapping.
number, arch = {"x86_64": (9, 0xC000003E), "aarch64": (222, 0xC00000B7)}[platform.machine()]
program = b"".join(struct.pack("<HBBI", *instruction) for instruction in [
    (0x20, 0, 0, 4), (0x15, 0, 5, arch), (0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 40),
    (0x45, 0, 1, 1), (0x06, 0, 0, 0x00050000 | 19), (0x06, 0, 0, 0x7FFF0000),
])
code = ctypes.create_string_buffer(program)
fprog = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, fprog, 0, 0):
    sys.exit(77)
model = Model(Path(sys.argv[1]), lambda share: None)
print(model.mapped)
model.open_context(256)
model.close()
"""


@linux
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the filter names this machine's calls")
def test_a_file_that_cannot_be_mapped_is_read(scripted_gguf: Build) -> None:
    model = scripted_gguf(Recipe())
    done = subprocess.run(
        [sys.executable, "-c", REFUSE_MAPPING, str(model)], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode == 77:
        pytest.skip("this system lets nobody filter system calls")
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


def test_heads_that_are_no_whole_blocks_have_a_context_of_16_bits(
    scripted_gguf: Build, worker: Worker, transcript: str, short: str
) -> None:
    model = scripted_gguf(Recipe(width=160, heads=4))
    assert _load(worker, model, transcript, kv_cache="q4_0")["kv_cache"] == "f16"
    assert _summary(worker, short) == TEXT


@linux
def test_the_context_is_fitted_to_what_the_process_may_take(
    scripted_gguf: Build, worker: Worker, transcript: str, short: str
) -> None:
    model = scripted_gguf(DEEP)
    whole = _load(worker, model, transcript, max_context=8192)
    limit = worker.memory().pss + 32 - 40  # 40 MB less than that takes, with what an engine keeps for its own work
    worker.call("unload")
    with Worker("llm", Path(transcript).with_name("limited.log")) as limited:
        fitted = _load(limited, model, transcript, max_context=8192, limit_mb=limit)
        assert 0 < fitted["context"] < whole["context"]
        assert fitted["context"] % 256 == 0
        assert _summary(limited, short) == TEXT
        assert limited.memory().pss < limit


def test_a_limit_that_leaves_no_useful_context_is_told(
    scripted_gguf: Build, worker: Worker, transcript: str, short: str
) -> None:
    model = scripted_gguf(DEEP)
    with pytest.raises(MemoryLimitError, match=r"needs \d+ MB, and there are \d+ MB for it, of the 20 MB") as caught:
        _load(worker, model, transcript, limit_mb=20)
    assert "memory.max_llm_mb" in caught.value.hint
    _load(worker, model, transcript)
    assert _summary(worker, short) == TEXT


@linux
def test_memory_that_the_system_refuses_makes_the_context_smaller(
    scripted_gguf: Build, worker: Worker, transcript: str, short: str
) -> None:
    import resource

    model = scripted_gguf(DEEP)
    _load(worker, model, transcript, max_context=1024)
    worker.call("unload")
    status = dict(line.split(":", 1) for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines())
    data = int(status["VmData"].split()[0]) * 1024
    resource.prlimit(worker.pid, resource.RLIMIT_DATA, (data + 100 * MB, resource.RLIM_INFINITY))
    fitted = _load(worker, model, transcript, max_context=8192)
    assert 1024 < fitted["context"] < 8192
    assert _summary(worker, short) == TEXT
    resource.prlimit(worker.pid, resource.RLIMIT_DATA, (data, resource.RLIM_INFINITY))
    with pytest.raises(MemoryLimitError, match="The system refuses"):
        _load(worker, model, transcript)
