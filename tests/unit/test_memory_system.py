"""The machine's memory, the container's limit, and what they mean together."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.memory import cgroup, probe
from services.memory.cgroup import container
from services.memory.probe import Pressure, SystemMemory, system

_PERCENT = st.floats(0, 100, allow_nan=False)


def used(percent: float, some: float | None = None, full: float | None = None) -> SystemMemory:
    return SystemMemory(total=1000.0, available=1000.0 - 10 * percent, stall_some=some, stall_full=full)


def test_the_machine_is_what_the_kernel_says() -> None:
    machine = system()
    real = psutil.virtual_memory().total / 2**20
    assert 0 < machine.available <= machine.total <= real * 1.001
    assert 0 <= machine.used_percent <= 100
    if Path("/proc/pressure/memory").exists():
        assert machine.stall_some is not None
        assert machine.stall_full is not None
        assert 0 <= machine.stall_full <= machine.stall_some <= 100


@pytest.mark.parametrize(
    ("percent", "level"),
    [
        (0, Pressure.LOW),
        (64, Pressure.LOW),
        (66, Pressure.MEDIUM),
        (79, Pressure.MEDIUM),
        (81, Pressure.HIGH),
        (89, Pressure.HIGH),
        (91, Pressure.CRITICAL),
        (100, Pressure.CRITICAL),
    ],
)
def test_levels_begin_at_eighty_and_ninety_percent(percent: float, level: Pressure) -> None:
    assert used(percent).pressure() is level


def test_waiting_for_memory_is_pressure_whatever_is_free() -> None:
    assert used(10, some=12, full=0).pressure() is Pressure.HIGH
    assert used(10, some=40, full=15).pressure() is Pressure.CRITICAL
    assert used(95, some=0, full=0).pressure() is Pressure.CRITICAL


@settings(max_examples=200)
@given(one=_PERCENT, two=_PERCENT, some=st.none() | _PERCENT, full=st.none() | _PERCENT)
def test_more_in_use_is_never_less_pressure(one: float, two: float, some: float | None, full: float | None) -> None:
    """Feature: memory-optimization, Property 7: Memory Usage Reporting and Alerting."""
    less, more = sorted((one, two))
    rank = list(Pressure).index
    assert rank(used(less, some, full).pressure()) <= rank(used(more, some, full).pressure())
    assert rank(used(more).pressure()) <= rank(used(more, some, full).pressure())


def test_the_thresholds_can_be_moved() -> None:
    assert used(55).pressure(warning=50, critical=60) is Pressure.HIGH
    assert used(65).pressure(warning=50, critical=60) is Pressure.CRITICAL


def group(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")
    return folder


def proc(root: Path, membership: str, mount: str) -> Path:
    (root / "proc").mkdir()
    (root / "proc" / "cgroup").write_text(membership)
    (root / "proc" / "mountinfo").write_text("20 1 0:19 / /proc rw - proc proc rw\n" + mount)
    return root / "proc"


MB = 2**20


def test_version_2_counts_the_tightest_group_around_us_without_idle_cache(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    group(mount, memory__max="max", memory__current=0, memory__stat="")
    outer = group(mount / "machine", memory__max=900 * MB, memory__current=700 * MB)
    (outer / "memory.stat").write_text(f"anon {500 * MB}\ninactive_file {100 * MB}\n")
    inner = group(outer / "sotto", memory__max=1000 * MB, memory__current=300 * MB)
    (inner / "memory.stat").write_text(f"inactive_file {50 * MB}\n")
    where = proc(tmp_path, "0::/machine/sotto\n", f"31 23 0:28 / {mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
    found = container(8000.0, where)
    assert found is not None
    assert (found.limit, found.used, found.available) == (900.0, 600.0, 300.0)


def test_version_1_is_read_from_the_memory_controller(tmp_path: Path) -> None:
    mount = tmp_path / "memory"
    folder = group(mount / "docker" / "abc", memory__limit_in_bytes=512 * MB, memory__usage_in_bytes=400 * MB)
    (folder / "memory.stat").write_text(f"cache 1\ntotal_inactive_file {150 * MB}\n")
    where = proc(
        tmp_path,
        "9:cpu:/docker/abc\n8:memory:/docker/abc\n0::/\n",
        f"34 31 0:31 / {tmp_path / 'cpu'} rw - cgroup cgroup rw,cpu\n"
        f"35 31 0:32 / {mount} rw - cgroup cgroup rw,memory\n",
    )
    found = container(8000.0, where)
    assert found is not None
    assert (found.limit, found.used) == (512.0, 250.0)


def test_a_container_that_sees_its_group_as_the_root(tmp_path: Path) -> None:
    mount = group(tmp_path / "cgroup", memory__max=256 * MB, memory__current=64 * MB, memory__stat="inactive_file 0")
    where = proc(tmp_path, "0::/host/only/path\n", f"31 23 0:28 / {mount} rw - cgroup2 cgroup2 rw\n")
    found = container(8000.0, where)
    assert found is not None
    assert found.limit == 256.0


def test_no_limit_below_the_machine_is_none(tmp_path: Path) -> None:
    mount = group(tmp_path / "cgroup", memory__max=2**63, memory__current=1, memory__stat="inactive_file 0")
    where = proc(tmp_path, "0::/\n", f"31 23 0:28 / {mount} rw - cgroup2 cgroup2 rw\n")
    assert container(8000.0, where) is None
    assert container(8000.0, tmp_path / "nowhere") is None


def test_a_damaged_group_limits_nothing(tmp_path: Path) -> None:
    mount = group(tmp_path / "cgroup", memory__max="plenty", memory__current=1, memory__stat="inactive_file 0")
    where = proc(tmp_path, "0::/\n", f"31 23 0:28 / {mount} rw - cgroup2 cgroup2 rw\n")
    assert container(8000.0, where) is None


def test_the_containers_limit_is_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "container", lambda _total: cgroup.ContainerMemory(limit=500.0, used=460.0))
    machine = system()
    assert (machine.total, machine.available) == (500.0, 40.0)
    assert machine.used_percent == pytest.approx(92)
    assert machine.pressure() is Pressure.CRITICAL


def test_stall_information_is_read_and_may_be_missing(tmp_path: Path) -> None:
    file = tmp_path / "memory"
    assert probe._stalls(file) == (None, None)
    file.write_text("some avg10=3.25 avg60=1.00 avg300=0.20 total=5\nfull avg10=1.50 avg60=0.50 avg300=0.10 total=2\n")
    assert probe._stalls(file) == (3.25, 1.5)


def test_percent_is_of_the_machine() -> None:
    own = probe.usage(os.getpid())
    assert own.percent == pytest.approx(100 * own.pss / probe.machine_mb())
