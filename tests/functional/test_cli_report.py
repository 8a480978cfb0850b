"""`sotto report` and `sotto monitor` on real programs that hold real memory, and on what a meeting has kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from services import sample
from services.files import JsonLines
from services.library.meeting import Meeting
from services.memory.account import mapped
from services.memory.published import published
from tests.functional.command import Done, sotto, start
from tests.functional.memory_holders import HOLD, holder, program, run_script, write_modules
from tests.functional.waiting import until

_APP = """
import os, subprocess, sys
from services.events import FellBack, ModelChanged, Optimized
from services.memory.monitor import MemoryMonitor
from services.memory.optimization import Effect, Optimization
from services.settings import MemorySettings
from pathlib import Path
host = subprocess.Popen(
    [sys.executable, "-X", "utf8", "-m", "services.worker.host", "stt", "5"], cwd={modules!r},
    env=os.environ | {{"PYTHONPATH": {modules!r}}}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
host.stdout.readline()
facts = {{"stt": {{"context": 4096, "context_mb": 128.0, "kv_cache": "f16"}}}}
monitor = MemoryMonitor(publish=True, facts=lambda: facts,
    next_steps=lambda: ["Unload the models that nobody uses."])
monitor.configure(MemorySettings(max_stt_mb=48, warning_threshold=100, critical_threshold=100, own_warning_mb=0))
monitor.start()
for old, new in (("Unloaded", "Loading"), ("Loading", "Ready")):
    monitor.tell(ModelChanged("stt", "moonshine:tiny-en", old, new))
monitor.tell(Optimized(Optimization("Caches dropped", "UI", 200.0, 150.0, user=Effect.MINIMAL)))
monitor.tell(FellBack("stt", "whisper:large", "moonshine:tiny-en", "It was too large.", Path("/m")))
print("ready", os.getpid(), host.pid, flush=True)
sys.stdin.read()
monitor.close()
host.stdin.close()
host.wait()
"""


@contextmanager
def app(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A program by the name of ours, with a monitor that publishes and a model that holds 64 MB. Gives both PIDs."""
    modules = write_modules(tmp_path / "modules", {"services.worker.host": 64})
    text = _APP.format(modules=str(modules))
    with run_script(tmp_path / "sotto", text, PYTHONPATH=os.getcwd()) as (_, (pid, stt)):
        until(lambda: _told(pid).get("fallbacks", []) != [])
        yield pid, stt


def _told(pid: int) -> dict[str, Any]:
    told = published(pid)
    return told.report if told is not None else {}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path / "home"))


def one(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    (found,) = done.objects
    return found


def test_the_report_of_a_running_sotto_has_all_that_it_knows(tmp_path: Path) -> None:
    """Feature: memory-optimization, Property 7: Memory Usage Reporting and Alerting."""
    with app(tmp_path) as (pid, stt):
        told = one(sotto("report", "--json"))
        text = sotto("report", pid).out
        page = tmp_path / "page.md"
        assert sotto("report", pid, "-o", page).code == 0
    assert told["pid"] == pid
    components = {component["name"]: component for component in told["components"]}
    assert components["STT"]["pids"] == [stt]
    assert components["STT"]["pss_mb"] >= 64
    assert components["STT"]["limit_mb"] == 48
    model = told["models"][0]
    assert (model["engine"], model["state"], model["context"]) == ("moonshine:tiny-en", "Ready", 4096)
    assert told["loaded_mb"] >= 64
    assert {alert["key"]: alert["severity"] for alert in told["alerts"]} == {
        "limit STT": "Critical",
        "allocation STT": "Warning",
    }
    (step,) = told["optimizations"]
    assert (step["saved_mb"], step["saved_percent"], step["user"]) == (50.0, 25.0, "Minimal")
    assert [operation["name"] for operation in told["operations"]] == ["load stt"]
    assert [point["name"] for point in told["checkpoints"]] == ["stt_loaded"]
    assert any("idle: unloading it gives back" in line for line in told["opportunities"])
    assert any("kv_cache" in line for line in told["opportunities"])
    assert any("`memory.max_stt_mb`" in line for line in told["suggestions"])
    assert told["next_steps"] == ["Unload the models that nobody uses."]
    assert told["estimated"] == []
    for heading in ("Components", "Models", "Checkpoints", "What was done", "Alerts", "Opportunities", "Suggestions"):
        assert f"\n{heading}\n" in text
        assert f"\n## {heading}\n" in page.read_text()
    assert "Saved by what was done: 50 MB." in text
    assert page.read_text().startswith(f"# Memory of process {pid}, ")
    assert page.stat().st_mode & 0o777 == 0o600


def test_monitor_shows_the_limits_and_alerts_of_the_program_that_it_watches(tmp_path: Path) -> None:
    with app(tmp_path) as (pid, _):
        told = one(sotto("monitor", "--once", "--json"))
        text = sotto("monitor", pid, "--once").out
    assert told["pid"] == pid
    assert [alert["key"] for alert in told["alerts"]] == ["limit STT"]
    assert {c["name"]: c["limit_mb"] for c in told["components"]} == {"UI": None, "STT": 48}
    assert told["models"][0]["engine"] == "moonshine:tiny-en"
    assert "Max MB" in text
    assert "STT: Ready moonshine:tiny-en" in text
    assert "Critical: STT takes" in text
    assert max(map(len, text.splitlines()[:5])) <= 80


def test_what_a_program_published_goes_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "run"
    with app(tmp_path) as (pid, _):
        assert published(pid) is not None
        assert (folder / f"memory-{pid}.json").stat().st_mode & 0o777 == 0o600
        (folder / "memory-4194309.json").write_text("{}")
    assert published(pid) is None
    assert not (folder / f"memory-{pid}.json").exists()
    with app(tmp_path):
        assert not (folder / "memory-4194309.json").exists()  # of one that did not end in order


@pytest.mark.parametrize("text", ["", "[]", "{", '{"sections": 3}', '{"report": {}, "title": "", "sections": [{}]}'])
def test_what_cannot_be_understood_is_passed_over(tmp_path: Path, text: str) -> None:
    with program(tmp_path, [["-c", HOLD.format(mb=32)]], home=tmp_path / "home") as pids:
        folder = tmp_path / "home" / "run"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"memory-{pids[0]}.json").write_text(text)
        told = one(sotto("report", pids[0], "--json"))
        assert told["total"]["pss_mb"] >= 32
        assert told["models"] == []


def test_any_process_can_be_reported_on_with_the_limits_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTTO_MEMORY_MAX_TOTAL_MB", "20")
    with holder(64) as process:
        told = one(sotto("report", process.pid, "--json"))
        once = one(sotto("monitor", process.pid, "--once", "--json"))
    assert told["total"]["limit_mb"] == once["total"]["limit_mb"] == 20
    assert [alert["key"] for alert in told["alerts"]] == [alert["key"] for alert in once["alerts"]] == ["limit Total"]
    assert told["components"][0]["pss_mb"] >= 64


def test_a_watched_process_that_ends_is_told_and_the_watching_ends() -> None:
    with holder(16) as process:
        watching = start(["monitor", process.pid, "--json"])
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        assert first["pid"] == process.pid
    out, err = watching.communicate(timeout=30)
    assert watching.returncode == 0, err
    assert f"Process {process.pid} has ended." in out


def test_the_report_of_a_meeting_is_what_its_folder_has_kept(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path, "weekly")
    with JsonLines(meeting.memory) as file:
        for minute, pss in enumerate((50.0, 250.0, 60.0)):
            held = {"UI": 50.0, "STT": pss - 50.0} if pss > 60 else {"UI": pss}
            file.append({
                "time": f"2026-03-14T10:0{minute}:00+00:00", "pss_mb": held, "total_mb": pss,
                "available_mb": 900.0 - pss, "pressure": "High" if pss > 100 else "Low",
            })  # fmt: skip
        file.append({"time": "t", "operation": "transcribe", "seconds": 3.0, "peak_mb": {"STT": 320.0, "Total": 370.0}})
        file.append({"pss_mb": "\x1b[2J", "total_mb": None, "peak_mb": [], "checkpoint": "\x1b[31mred"})
        file.append({"checkpoint": "summarize", "gave_up": ["big gave up: \x1b[2Jtoo much. small went on.", 7]})
        file.append({"checkpoint": "archive", "gave_up": "all"})
    told = one(sotto("report", meeting.folder, "--json"))
    assert told["measurements"] == 3
    assert told["components"]["Total"] == {"peak_mb": 370.0, "average_mb": 120.0, "last_mb": 60.0}
    assert told["components"]["STT"]["peak_mb"] == 320.0
    assert told["lowest_available_mb"] == 650.0
    assert told["pressure"] == {"Low": 2, "High": 1}
    assert len(told["gave_up"]) == 1
    text = sotto("report", meeting.folder).out
    assert "transcribe" in text
    assert "Memory was short at 1 of 3 measurements" in text
    assert "\x1b" not in text
    assert "| transcribe | operation |" in sotto("report", meeting.folder, "--markdown").out


def test_what_a_real_run_took_is_reported_unless_it_is_not_to_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, rate = soundfile.read(sample.MEETING, dtype="float32")
    file = tmp_path / "twelve.wav"
    soundfile.write(file, samples[: 12 * rate], rate)
    kept = Path(one(sotto("process", file, "--json"))["meeting"])
    told = one(sotto("report", kept, "--json"))
    named = [record.get("checkpoint", record.get("operation")) for record in told["named"]]
    assert {"stt_loaded", "stt_unloaded", "load stt", "transcribe", "summarize"} <= set(named)
    assert told["measurements"] >= 2
    assert told["components"]["STT"]["peak_mb"] > 50
    assert told["components"]["Total"]["peak_mb"] >= told["components"]["STT"]["peak_mb"]
    monkeypatch.setenv("SOTTO_MEMORY_MEMORY_REPORT", "false")
    secret = Path(one(sotto("process", file, "--json"))["meeting"])
    assert not Meeting(secret).memory.exists()


def test_what_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    meeting = Meeting.create(tmp_path, "silent")
    nothing = sotto("report", meeting.folder)
    assert nothing.code == 1
    assert "memory.memory_report" in nothing.err
    assert sotto("report", tmp_path / "nowhere").code == 1
    gone = sotto("report", "4194309")
    assert gone.code == 2
    assert "no process 4194309" in gone.err
    nobody = sotto("report")
    assert nobody.code == 0 or "No sotto is running" in nobody.err  # another one of this user may run


def test_a_report_replaces_files_and_nothing_else(tmp_path: Path) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file.md"
    os.mkfifo(pipe)
    link.symlink_to(file)
    for bad in (pipe, tmp_path, tmp_path / "missing" / "file.md", ""):
        refused = sotto("report", str(os.getpid()), "--output", bad)
        assert refused.code == 1
        assert "disk refused" not in refused.err
        assert "mistake" not in refused.err
    assert pipe.is_fifo()
    assert sotto("report", str(os.getpid()), "--output", link).code == 0
    assert link.is_symlink()
    assert file.read_text().startswith("# Memory of process")


@pytest.mark.parametrize(("rights", "mb"), [("PROT_READ", 32), ("PROT_READ | mmap.PROT_EXEC", 0)])
def test_mapped_weights_are_seen_from_outside_and_code_is_none(tmp_path: Path, rights: str, mb: int) -> None:
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"\0" * (32 << 20))
    code = (
        f"import mmap, sys; f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.{rights});"
        "m[::4096]; print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code, weights], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        assert mapped(process.pid) == pytest.approx(mb, abs=0.1)
        process.stdin.close()
    assert mapped(process.pid) == 0
    with holder(32) as plain:
        assert mapped(plain.pid) == 0
