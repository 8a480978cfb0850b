"""Components are found and measured on real processes with the command lines of ours."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from services.errors import UsageError
from services.memory.components import (
    LLM,
    OTHER,
    RECORDER,
    STT,
    UI,
    children,
    command_line,
    detached_recorder,
    parts,
    programs,
)
from services.memory.monitor import look
from services.memory.probe import _estimate, peak_rss, usage
from services.memory.report import table, to_json
from services.memory.usage import MemoryUsage
from tests.functional.memory_holders import FORK, HOLD, holder, program, run_script, write_modules

_GONE = 2**22 + 5
"""Above the largest PID that Linux gives."""


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    (tmp_path / "python").mkdir()
    return write_modules(tmp_path / "python", {"services.recording.recorder": 8, "services.worker.host": 16})


RECORD = ["-P", "-m", "services.recording.recorder", "run"]


def host(kind: str) -> list[str]:
    return ["-X", "utf8", "-P", "-m", "services.worker.host", kind, "5"]


def test_a_process_is_measured_by_what_it_holds() -> None:
    with holder(64) as process:
        held = usage(process.pid)
        assert not held.estimated
        assert 64 <= held.anonymous < 84
        assert held.anonymous <= held.pss <= held.rss <= held.vms
        assert held.anonymous + held.file == pytest.approx(held.pss, abs=0.1)
        assert peak_rss(process.pid) >= 64
    assert usage(process.pid).rss == 0
    assert peak_rss(process.pid) == 0


def test_where_the_kernel_tells_no_share_the_resident_set_stands_in() -> None:
    with holder(64) as process:
        exact, estimate = usage(process.pid), _estimate(process.pid)
        assert estimate.estimated
        assert estimate.pss == estimate.rss == pytest.approx(exact.rss, abs=1)
        assert estimate.anonymous == pytest.approx(exact.anonymous, abs=2)
        assert estimate.anonymous + estimate.file == pytest.approx(estimate.rss)
    assert _estimate(process.pid) == MemoryUsage()


def test_what_is_gone_or_a_zombie_holds_nothing() -> None:
    with holder(1) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked how
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        assert usage(process.pid).rss == 0
        assert command_line(process.pid) == []
        assert children(process.pid) == []
    assert parts(_GONE) == {}
    assert command_line(_GONE) == []
    assert children(_GONE) == []
    assert usage(_GONE).rss == 0
    assert peak_rss(_GONE) == 0


def test_every_component_of_a_running_sotto_is_found(modules: Path, tmp_path: Path) -> None:
    """Feature: memory-optimization, Property 1: Memory Monitoring Completeness."""
    others = ["-c", HOLD.format(mb=32)]
    started = [RECORD, host("stt"), host("llm"), host("archive"), others]
    with program(modules, started, home=tmp_path) as pids:
        app, recorder, stt, llm, archive, other = pids
        assert parts(app) == {
            UI: (app,),
            RECORDER: (recorder,),
            STT: (stt,),
            LLM: (llm,),
            OTHER: tuple(sorted((archive, other))),
        }
        assert app in programs()
        assert recorder not in programs()
        picture = look(app)
        held = {component.name: component.usage.pss for component in picture.components}
        assert held[RECORDER] >= 8
        assert held[STT] >= 16
        assert held[OTHER] >= 48
        assert picture.total.usage.pss == pytest.approx(sum(held.values()), abs=0.01)
        for entry in to_json(picture)["components"]:
            assert entry["peak_mb"] >= entry["rss_mb"] - 0.1 >= entry["pss_mb"] - 0.2
        assert max(map(len, table(picture).splitlines())) <= 80
    assert app not in programs()


def test_a_process_that_is_not_ours_is_one_component(modules: Path, tmp_path: Path) -> None:
    with program(modules, [["-c", HOLD.format(mb=32)]], home=tmp_path, name="backup") as pids:
        picture = look(pids[0])
        assert [component.name for component in picture.components] == [psutil.Process(pids[0]).name()]
        assert picture.components[0].pids == tuple(pids)
        assert picture.total.usage.pss >= 32
        assert pids[0] not in programs()


def test_a_part_of_ours_by_its_number_bears_its_name(modules: Path, tmp_path: Path) -> None:
    with program(modules, [host("stt")], home=tmp_path) as pids:
        assert parts(pids[1]) == {STT: (pids[1],)}


def test_a_child_that_is_still_a_picture_of_the_app_is_not_counted(tmp_path: Path) -> None:
    with run_script(tmp_path / "sotto", FORK) as (_, (app, child)):
        assert children(app) == [child]
        assert parts(app) == {UI: (app,)}
    with run_script(tmp_path / "backup", FORK) as (_, both):
        assert list(parts(both[0]).values()) == [tuple(both)]


def test_who_only_looks_on_is_not_found(modules: Path, tmp_path: Path) -> None:
    with program(modules, [], home=tmp_path, arguments=("monitor",)) as pids:
        assert pids[0] not in programs()


def test_a_recorder_that_outlived_its_app_is_found_by_its_folder(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with program(modules, [RECORD], home=home, leave=True) as (_, recorder):
        assert recorder in programs()
        with program(modules, [], home=home) as served, program(modules, [], home=tmp_path / "other") as stranger:
            assert detached_recorder(served[0]) == recorder
            assert detached_recorder(stranger[0]) is None
            assert recorder not in programs()
            found = {component.name: component.pids for component in look(served[0]).components}
            assert found == {UI: (served[0],), RECORDER: (recorder,)}
        monkeypatch.setenv("SOTTO_HOME", str(home))
        assert detached_recorder(os.getpid()) == recorder


def test_a_number_that_is_no_process_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match=f"no process {_GONE}"):
        look(_GONE)
