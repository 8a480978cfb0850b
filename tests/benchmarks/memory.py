"""What the models take and give back, as PSS of the whole process tree, beside the same models in one process.

    python -m tests.benchmarks.memory

The built-in speech engine transcribes the sample meeting; a GGUF of about 270 MB that the benchmark builds writes its
summary. Goals: after each unloading the tree is back within 10 MB of where it began; the peak is that of one model.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from services import sample
from services.events import Event, ModelChanged
from services.hosted import HostedModel
from services.library.meeting import Meeting
from services.memory.monitor import MemoryMonitor, Peak
from services.memory.probe import usage
from services.models.catalogue import EngineSpec, parse_engine
from services.residency import Residency
from services.summarization.service import Summarizer
from services.transcription.service import Transcriber
from tests.models.gguf_llama import Recipe, build

_BIG = Recipe(layers=16, width=1024, heads=16, vocabulary=8192, context=8192, quantisation="Q8_0")


def _now() -> float:
    return MemoryMonitor().sample().total.usage.pss


def _ours(home: Path, llm: EngineSpec) -> float:
    """Prints a line for each checkpoint; returns the peak."""
    events: list[Event] = []
    speech, language = HostedModel("stt", events.append), HostedModel("llm", events.append)
    residency = Residency((speech, language))
    meeting, go_on = Meeting.create(home, "Benchmark"), threading.Event()
    stt = parse_engine("stt", "moonshine")
    with Peak() as peak:
        start = _line("start", None)
        with residency.lease(speech, stt.label, stt.load_args(), go_on):
            _line("stt_loaded", start)
        Transcriber(speech, residency, events.append).transcribe(
            meeting, sample.MEETING, stt, "en", lambda *_: None, go_on
        )
        _line("stt_used", start)
        residency.unload_all("measured")
        _line("stt_unloaded", start)
        Summarizer(language, residency, events.append).summarize(meeting, llm, "en", 4096, lambda *_: None, go_on)
        _line("llm_used", start)
        residency.unload_all("measured")
        _line("llm_unloaded", start)
    for event in events:
        if isinstance(event, ModelChanged) and event.freed_mb is not None:
            print(f"  {event.engine}: gave back {event.freed_mb:.0f} MB")
    print(
        f"  load {speech.load_s:.2f} + {language.load_s:.2f} s,"
        f" unload {speech.unload_s:.2f} + {language.unload_s:.2f} s"
    )
    return peak.pss_mb


def _line(name: str, start: float | None) -> float:
    now = _now()
    print(f"  {name:<14}{now:8.1f} MB" + ("" if start is None else f"  {now - start:+8.1f}"), flush=True)
    return now


def _together(model: Path) -> None:
    """The same two models in this one process, deleted and collected."""
    import llama_cpp
    import numpy as np

    from services.models.options import EngineOptions
    from services.transcription.moonshine import Moonshine

    begin = _mine()
    speech = Moonshine("tiny-en", EngineOptions())
    speech.load()
    speech.transcribe(np.zeros(16000 * 30, np.float32), "en")
    language = llama_cpp.Llama(str(model), n_ctx=4096, verbose=False)
    language.create_completion("The meeting", max_tokens=32)
    print(f"  both loaded {_mine() - begin:+8.1f} MB", flush=True)
    language.close()
    speech.unload()
    del speech, language
    gc.collect()
    print(f"  after del and gc.collect() {_mine() - begin:+8.1f} MB")


def _mine() -> float:
    return usage(os.getpid()).pss


def main(arguments: list[str]) -> int:
    if arguments:
        _together(Path(arguments[0]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        model = build(Path(folder, "scripted.gguf"), _BIG)
        print(f"one process a model (the GGUF has {model.stat().st_size / 2**20:.0f} MB)")
        peak = _ours(Path(folder), parse_engine("summary", f"llama:{model}"))
        print(f"  peak          {peak:8.1f} MB")
        print("all in one process")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-m", "tests.benchmarks.memory", str(model)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
