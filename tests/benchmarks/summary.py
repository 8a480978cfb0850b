"""Summaries: how good the built-in engine is on real meetings, how long ten hours take, what both workers hold.

    python -m tests.benchmarks.summary [quality] [time] [memory]

Quality is measured on the meeting texts of the speech set against the summaries that people wrote: ROUGE F1 of ours
beside the opening of the meeting cut to the same number of words, and the share of the decisions, action items and open
problems of the reference that are found.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from services.library.segments import Segment
from services.memory.probe import usage
from services.summarization.engine import Summary, Watch
from services.summarization.extractive import Extractive
from services.worker.client import Worker
from tests import speechset
from tests.benchmarks.rouge import Rouge, mean, recall, rouge
from tests.models.meeting_texts import LAUNCH, meeting

_SECONDS_PER_WORD = 0.35
_TURN = re.compile(r"\[(\d+):(\d+):(\d+)\] ([^:]+): (.*)")
_CORPUS_MARK = re.compile(r"\{[a-z]+\}|@@")
_SPELLED = re.compile(r"\b((?:[A-Z]_ ?)+)")
_TEN_HOURS = 100_000


def _ignore(*_: object) -> None:
    """Nobody watches."""


_QUIET = Watch(text=_ignore, progress=_ignore, check=_ignore)


def _plain(text: str) -> str:
    """A corpus transcript as a recogniser would write it: without marks, letters spelled in a row."""
    text = _SPELLED.sub(lambda match: re.sub("[_ ]", "", match[1]) + " ", _CORPUS_MARK.sub(" ", text))
    return re.sub(r"\s+([.,?!;:])", r"\1", " ".join(text.split()))


def _transcript(root: Path, name: str) -> list[Segment]:
    ami = root / "ami" / f"{name}.transcript.txt"
    return list(_ami(ami) if ami.exists() else _qmsum(root / "qmsum" / f"{name}.json"))


def _ami(path: Path) -> Iterator[Segment]:
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _TURN.match(line)
        if match is not None:
            start = float(int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]))
            text = _plain(match[5])
            yield Segment(start, start + _SECONDS_PER_WORD * len(text.split()), text, match[4])


def _qmsum(path: Path) -> Iterator[Segment]:
    at = 0.0
    for turn in json.loads(path.read_text(encoding="utf-8"))["meeting_transcripts"]:
        text = _plain(turn["content"])
        end = at + _SECONDS_PER_WORD * len(text.split())
        if text:
            yield Segment(at, end, text, turn["speaker"])
        at = end + 0.3


def _opening(segments: Sequence[Segment], words: int) -> str:
    said = (word for segment in segments for word in f"{segment.speaker}: {segment.text}".split())
    return " ".join(word for _, word in zip(range(words), said, strict=False))


class _Table:
    """Scores of ours and of the opening, by reference."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[list[Rouge], list[Rouge]]] = {}

    def add(self, kind: str, ours: str, segments: Sequence[Segment], reference: str) -> None:
        rows = self._rows.setdefault(kind, ([], []))
        rows[0].append(rouge(ours, reference))
        rows[1].append(rouge(_opening(segments, len(ours.split())), reference))

    def show(self) -> None:
        print(f"\n{'ROUGE F1, percent':38} {'n':>3}   {'R-1':>5} {'R-2':>5} {'R-L':>5}")
        for kind, (ours, opening) in self._rows.items():
            for who, scores in (("ours", ours), ("opening", opening)):
                score = mean(scores)
                print(
                    f"{kind + ', ' + who:38} {len(scores):3}   "
                    f"{100 * score.one:5.1f} {100 * score.two:5.1f} {100 * score.longest:5.1f}"
                )


def quality(root: Path) -> None:
    """ROUGE against the references of the AMI and QMSum texts, and how many of their items are found."""
    table = _Table()
    found: dict[str, list[float]] = {}
    for name in sorted({path.name.split(".")[0] for path in root.glob("*/*.json")}):
        segments = _transcript(root, name)
        ours = Extractive().summarize(segments, "", "", "en", _QUIET)
        text = re.sub(r"^- ", "", ours.text, flags=re.MULTILINE)
        answers = root / "qmsum" / f"{name}.json"
        if answers.exists():
            general = json.loads(answers.read_text(encoding="utf-8"))["general_query_list"][0]["answer"]
            table.add("summary against QMSum", text, segments, general)
        path = root / "ami" / f"{name}.summary.json"
        if path.exists():
            reference = json.loads(path.read_text(encoding="utf-8"))
            table.add("summary against AMI abstract", text, segments, " ".join(reference["abstract"]))
            parts = ("abstract", "decisions", "actions", "problems")
            whole = " ".join(sentence for part in parts for sentence in reference[part])
            table.add("all of summary.md against all of AMI", ours.markdown, segments, whole)
            _count(found, ours, segments, reference)
    table.show()
    print(f"\n{'share of the reference items found':38} {'section':>8} {'summary.md':>11} {'opening':>8}")
    for part in ("decisions", "actions", "problems"):
        shares = (found[f"{part} {where}"] for where in ("section", "all", "opening"))
        section, everything, opening = (100 * sum(values) / len(values) for values in shares)
        print(f"{part:38} {section:7.1f}% {everything:10.1f}% {opening:7.1f}%")


def _count(
    found: dict[str, list[float]], ours: Summary, segments: Sequence[Segment], reference: dict[str, Any]
) -> None:
    lines = ours.markdown.splitlines()
    sections = {"decisions": ours.decisions, "actions": tuple(map(str, ours.actions)), "problems": ours.questions}
    opening = re.split(r"(?<=[.?!])\s+", _opening(segments, len(ours.markdown.split())))
    for part, section in sections.items():
        if reference[part]:
            for where, items in (("section", section), ("all", lines), ("opening", opening)):
                found.setdefault(f"{part} {where}", []).append(recall(items, reference[part], 0.4))


def _ten_hours(root: Path) -> list[Segment]:
    """A hundred thousand words of real meetings, one after the other."""
    segments: list[Segment] = []
    words, offset = 0, 0.0
    for path in sorted((root / "qmsum").glob("*.json")):
        for segment in _qmsum(path):
            segments.append(Segment(offset + segment.start, offset + segment.end, segment.text, segment.speaker))
            words += len(segment.text.split())
            if words >= _TEN_HOURS:
                return segments
        offset = segments[-1].end + 60
    return segments


def duration(root: Path) -> None:
    """Wall time of the built-in engine, for one hour and for ten."""
    segments = _ten_hours(root)
    Extractive().summarize(segments[:1000], "", "", "en", _QUIET)
    print()
    for share in (0.1, 0.5, 1.0):
        part = segments[: int(len(segments) * share)]
        words = sum(len(segment.text.split()) for segment in part)
        begun = time.perf_counter()
        Extractive().summarize(part, "", "", "en", _QUIET)
        print(f"extractive, {words:7} words: {time.perf_counter() - begun:5.2f} s")


class _Peak:
    """The largest PSS of a worker while it is watched, in MB."""

    def __init__(self, worker: Worker) -> None:
        self.mb = 0.0
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self.mb = max(self.mb, self._worker.memory().pss)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.mb = max(self.mb, self._worker.memory().pss)


def _tree() -> float:
    """PSS of this process and all below it, in MB."""
    own = psutil.Process()
    return sum(usage(process.pid).pss for process in (own, *own.children(recursive=True)))


def _hold(folder: Path, name: str, segments: Sequence[Segment], args: dict[str, Any]) -> None:
    transcript = folder / "transcript.jsonl"
    transcript.write_text("".join(json.dumps(segment.to_dict()) + "\n" for segment in segments), encoding="utf-8")
    before = _tree()
    with Worker("llm", folder / "log") as worker, _Peak(worker) as peak:
        started = worker.memory().pss
        facts = worker.call("load", args | {"transcript": str(transcript)})
        loaded = worker.memory()
        result = worker.call("summarize", {"transcript": str(transcript), "title": "", "date": "", "language": "en"})
        begun = time.perf_counter()
    gone = time.perf_counter() - begun
    times = f"load {facts['load_s']:.2f} s, summary {result['wall_s']:.2f} s, exit {gone:.2f} s"
    print(
        f"{name:34} started {started:5.1f}  loaded {loaded.pss:6.1f} ({loaded.anonymous:5.1f} anonymous)  "
        f"peak {peak.mb:6.1f}  tree after exit {_tree() - before:+4.1f}   {times}"
    )
    if "context" in facts:
        rate = facts["transcript_tokens"] / result["wall_s"]
        print(f"{'':34} context {facts['context']}, {facts['threads']} threads, {rate:.0f} tokens/s read and answered")


def memory(root: Path | None) -> None:
    """PSS in MB of the summary worker with either engine."""
    print("\nPSS of the summary worker, MB; tree: this process and all below it")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _hold(folder, "extractive, one minute", meeting(LAUNCH), {"engine": "extractive", "model": ""})
        if root is not None:
            _hold(folder, "extractive, ten hours", _ten_hours(root), {"engine": "extractive", "model": ""})
        if importlib.util.find_spec("llama_cpp") is None:
            print("llama-cpp-python is not installed: `make llama` adds it.")
            return
        from tests.models.gguf_llama import Recipe, build

        recipe = Recipe(layers=12, width=1024, heads=16, vocabulary=32_000, quantisation="Q8_0")
        model = build(folder / "scripted.gguf", recipe)
        size = model.stat().st_size / 2**20
        _hold(folder, f"llama, GGUF of {size:.0f} MB", meeting(LAUNCH), {"engine": "llama", "model": str(model)})


def main(parts: list[str]) -> int:
    """Run the parts named, or all."""
    speech = speechset.folder()
    root = speech / "text" if speech is not None else None
    wanted = parts or ["quality", "time", "memory"]
    if root is None:
        print("The speech set is not there (set SOTTO_SPEECH): no quality and no time on real meetings.")
    elif "quality" in wanted:
        quality(root)
    if root is not None and "time" in wanted:
        duration(root)
    if "memory" in wanted:
        memory(root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
