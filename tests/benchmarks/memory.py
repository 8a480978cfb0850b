"""What the models take and give back: one process for each, beside the same work in one process.

    python -m tests.benchmarks memory [--minutes 5] [--rounds 50]

A scripted Whisper of the size of `small` transcribes, and a scripted GGUF of 270 MB writes the summary: their weights
have the real shape. Three programs do that with the same code of ours on the same audio, each in a process of its own:
with a worker for each model, in one process that deletes each model and collects, and in one that keeps both. All
figures are PSS of the program with all that it started.

Goals: after each unloading within 10 MB of the start; a peak at least 30 % below that of the process that keeps both;
no growth over 50 rounds of loading and unloading; loading and unloading take less than 10 % of the work's time.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from services import sample
from services.hosted import HostedModel
from services.modelroom import ModelRoom
from services.models.catalogue import EngineSpec, parse_engine
from services.models.options import EngineOptions, SummaryOptions
from services.settings import MemorySettings
from services.worker.handler import Json, Method
from tests.benchmarks.tree import TreePeak, tree

_MOST_LEFT_MB = 10.0
_LEAST_SAVED = 0.3
_MOST_GROWN_MB = 2.0
_MOST_OVERHEAD = 0.1
_SETTLED_ROUND = 5
"""What is loaded once and stays (modules, buffers of the allocator) is there by then."""

_WORDS = 300


@dataclass(frozen=True, slots=True)
class Task:
    """What all three programs do.

    Attributes:
        audio: What is transcribed.
        transcript: What is summarised, whatever was understood.
        speech: Arguments of the speech worker's `load`.
        language: Arguments of the summary worker's `load`.
    """

    audio: str
    transcript: str
    speech: Json
    language: Json

    @property
    def hearing(self) -> Json:
        return {"path": self.audio, "language": "en"}

    @property
    def writing(self) -> Json:
        return {"transcript": self.transcript, "title": "", "date": "", "language": "en"}


@dataclass(slots=True)
class Outcome:
    """What a program measured: MB of PSS by checkpoint in order, the peak, and seconds by what was done."""

    held: dict[str, float] = field(default_factory=dict)
    peak: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def mark(self, checkpoint: str) -> None:
        self.held[checkpoint] = tree().pss

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[what] = time.monotonic() - begun


class _Quiet:
    """`services.worker.handler.Call` of a call whose items nobody wants."""

    cancelled = False

    def item(self, data: Json) -> None: ...

    def progress(self, done: float, total: float = 0.0, what: str = "") -> None: ...

    def check(self) -> None: ...


def _ignore(*_: object) -> None: ...


def workers(task: Task) -> Outcome:
    """One process a model, as the app does it."""
    room = ModelRoom(_ignore, MemorySettings())
    outcome = Outcome()

    def use(model: HostedModel, args: Json, method: str, given: Json, name: str) -> None:
        with room.residency.lease(model, name, args, threading.Event()) as leased:
            outcome.mark(f"{name}_loaded")
            with outcome.timed(f"{name} work"):
                leased.run(method, given, on_item=_ignore, on_progress=_ignore, step_work=60.0)
            outcome.mark(f"{name}_used")
        room.unload_idle("measured")
        outcome.mark(f"{name}_unloaded")
        outcome.seconds |= {f"{name} load": model.load_s, f"{name} unload": model.unload_s}

    outcome.mark("start")
    with TreePeak() as peak:
        use(room.stt, task.speech, "transcribe", task.hearing, "stt")
        use(room.llm, task.language, "summarize", task.writing, "llm")
    outcome.peak = peak.mb
    room.close()
    return outcome


def deleting(task: Task) -> Outcome:
    """Everything in one process; each model is deleted when its work is done."""
    return _in_one(task, keep=False)


def keeping(task: Task) -> Outcome:
    """Everything in one process; the models stay, as where nobody thinks of it."""
    return _in_one(task, keep=True)


def _in_one(task: Task, *, keep: bool) -> Outcome:
    from services.summarization import host as writer
    from services.transcription import host as listener

    outcome, call = Outcome(), _Quiet()
    kept: list[dict[str, Method]] = []

    def use(create: Callable[[], Any], args: Json, method: str, given: Json, name: str) -> None:
        model = dict(create())
        with outcome.timed(f"{name} load"):
            model["load"](args, call)
        outcome.mark(f"{name}_loaded")
        with outcome.timed(f"{name} work"):
            model[method](given, call)
        outcome.mark(f"{name}_used")
        if keep:
            kept.append(model)
            return
        with outcome.timed(f"{name} unload"):
            model["unload"]({}, call)
            del model
            gc.collect()
        outcome.mark(f"{name}_unloaded")

    outcome.mark("start")
    with TreePeak() as peak:
        use(listener.create, task.speech, "transcribe", task.hearing, "stt")
        use(writer.create, task.language, "summarize", task.writing, "llm")
    outcome.peak = peak.mb
    return outcome


def rounds(task: Task, count: int) -> dict[str, list[float]]:
    """Load and unload both models `count` times. For each round the PSS afterwards, seconds, threads and files."""
    room, own = ModelRoom(_ignore, MemorySettings()), psutil.Process()
    found: dict[str, list[float]] = {"held": [], "load": [], "unload": [], "threads": [], "files": []}
    for _ in range(count):
        before = [room.stt.load_s, room.llm.load_s, room.stt.unload_s, room.llm.unload_s]
        for model, args in ((room.stt, task.speech), (room.llm, task.language)):
            with room.residency.lease(model, model.name, args, threading.Event()):
                pass
        room.unload_idle("measured")
        after = [room.stt.load_s, room.llm.load_s, room.stt.unload_s, room.llm.unload_s]
        spent = [b - a for a, b in zip(before, after, strict=True)]
        found["held"].append(tree().pss)
        found["load"].append(sum(spent[:2]))
        found["unload"].append(sum(spent[2:]))
        found["threads"].append(own.num_threads())
        found["files"].append(own.num_fds() if hasattr(own, "num_fds") else 0)
    room.close()
    return found


def _material(folder: Path, minutes: float) -> Task:
    """Models, audio and a transcript; in a process of its own, because building takes memory of many kinds."""
    import soundfile

    from tests.models import gguf_llama, whisper_ct2
    from tests.models.meeting_texts import long_meeting

    whisper = whisper_ct2.build(folder / "whisper", whisper_ct2.SMALL)
    big = gguf_llama.Recipe(layers=16, width=1024, heads=16, vocabulary=8192, context=8192, quantisation="Q8_0")
    model = gguf_llama.build(folder / "scripted.gguf", big)
    samples, rate = soundfile.read(sample.MEETING, dtype="int16")
    audio = folder / "meeting.wav"
    with soundfile.SoundFile(audio, "w", rate, samples.shape[1], "PCM_16") as file:
        left = round(minutes * 60 * rate)
        while left > 0:
            file.write(samples[:left])
            left -= len(samples)
    transcript = folder / "transcript.jsonl"
    transcript.write_text("".join(json.dumps(s.to_dict()) + "\n" for s in long_meeting(_WORDS)), encoding="utf-8")
    writing = parse_engine("summary", f"llama:{model}").load_args() | {
        "transcript": str(transcript),
        "options": SummaryOptions(max_context=4096).to_dict(),
    }
    hearing = EngineSpec("whisper", str(whisper), EngineOptions()).load_args()
    return Task(str(audio), str(transcript), hearing, writing)


PROGRAMS: dict[str, Callable[[Task], Outcome]] = {"workers": workers, "deleting": deleting, "keeping": keeping}


def _child(*arguments: str) -> Any:
    """The answer of this module's `main` in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", *arguments]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def _answer(step: str, task: Path, options: argparse.Namespace) -> object:
    if step == "material":
        made = _material(task.parent, options.minutes)
        return {name: getattr(made, name) for name in Task.__slots__}
    given = Task(**json.loads(task.read_text(encoding="utf-8")))
    if step == "rounds":
        return rounds(given, options.rounds)
    outcome = PROGRAMS[step](given)
    return {name: getattr(outcome, name) for name in Outcome.__slots__}


def _goal(met: bool) -> str:
    return "met" if met else "MISSED"


def _show(name: str, outcome: Outcome) -> None:
    print(name)
    for checkpoint, mb in outcome.held.items():
        print(f"  {checkpoint:<14}{mb:8.1f} MB  {mb - outcome.held['start']:+8.1f}")
    print(f"  {'peak':<14}{outcome.peak:8.1f} MB")
    print("  " + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in outcome.seconds.items()), flush=True)


def _judge(ours: Outcome, deleted: Outcome, kept: Outcome) -> list[bool]:
    """Print and return whether each goal is met."""
    met = []
    for name in ("stt_unloaded", "llm_unloaded"):
        left = abs(ours.held[name] - ours.held["start"])
        alone = deleted.held[name] - deleted.held["start"]
        met.append(left <= _MOST_LEFT_MB)
        print(f"{name}: {left:.1f} MB from the start, in one process {alone:.1f} MB: goal 10 MB {_goal(met[-1])}")
    saved = 1 - ours.peak / kept.peak
    met.append(saved >= _LEAST_SAVED)
    print(f"peak: {saved:.0%} below one process that keeps both: goal 30 % {_goal(met[-1])}")
    moving = sum(seconds for what, seconds in ours.seconds.items() if not what.endswith("work"))
    share = moving / sum(ours.seconds.values())
    met.append(share < _MOST_OVERHEAD)
    print(f"loading and unloading: {moving:.1f} s, {share:.1%} of the time: goal 10 % {_goal(met[-1])}")
    return met


def _judge_rounds(found: dict[str, list[float]]) -> bool:
    held, total = found["held"], len(found["held"])
    settled = min(_SETTLED_ROUND, total) - 1
    print(f"{total} rounds of both models")
    for number in sorted({0, settled, total // 2, total - 1}):
        load, unload = found["load"][number], found["unload"][number]
        times = f"load {load:.2f} s, unload {unload:.2f} s, total {load + unload:.2f} s"
        print(f"  round {number + 1:<4}{held[number]:8.1f} MB afterwards, {times}")
    load, unload = sum(found["load"]) / total, sum(found["unload"]) / total
    print(f"  mean       load {load:.2f} s, unload {unload:.2f} s, total {load + unload:.2f} s")
    grown = held[-1] - held[settled]
    same = all(found[what][-1] <= found[what][settled] for what in ("threads", "files"))
    flat = grown <= _MOST_GROWN_MB
    print(f"grown after round {settled + 1}: {grown:+.2f} MB: goal {_MOST_GROWN_MB:.0f} MB {_goal(flat)}")
    print(f"no thread and no open file more: {_goal(same)}")
    return flat and same


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks memory")
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the audio (default: 5)")
    parser.add_argument("--rounds", type=int, default=50, help="of loading and unloading (default: 50)")
    parser.add_argument("--step", choices=["material", "rounds", *PROGRAMS], help=argparse.SUPPRESS)
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.step:
        print(json.dumps(_answer(options.step, options.task, options)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder, "task.json")
        given = ["--task", str(task), "--minutes", str(options.minutes), "--rounds", str(options.rounds)]
        task.write_text(json.dumps(_child("--step", "material", *given)), encoding="utf-8")
        ran = {name: Outcome(**_child("--step", name, *given)) for name in PROGRAMS}
        _show("a worker for each model", ran["workers"])
        _show("one process, each model deleted and collected", ran["deleting"])
        _show("one process that keeps both", ran["keeping"])
        met = _judge(ran["workers"], ran["deleting"], ran["keeping"])
        met.append(_judge_rounds(_child("--step", "rounds", *given)))
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
