"""What is installed, from where, and what a wheel of ours holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
LOCKS = ROOT / ".ci" / "locks"
NAMES = ("build", "run", "dev", "llama", "llama-build")

pytestmark = pytest.mark.skipif(not LOCKS.is_dir(), reason="not in a checkout")


def pins(name: str) -> dict[str, set[str]]:
    """The packages of a lock with their versions: more than one where Pythons or systems differ."""
    found: dict[str, set[str]] = {}
    for line in (LOCKS / f"{name}.lock").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([a-z0-9-]+)==([^ ]+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def package(requirement: str) -> str:
    return re.split(r"[\[<>=~! ]", requirement)[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_is_names_versions_and_hashes(name: str) -> None:
    lines = (LOCKS / f"{name}.lock").read_text(encoding="utf-8").splitlines()
    pin = re.compile(r"[a-z0-9-]+==\d[\w.]*( ; [\w.'<>=!() ]+)? \\")
    digest = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not pin.fullmatch(line) and not digest.fullmatch(line)] == []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert line.endswith("\\") == following.startswith("    --hash"), line


def test_every_dependency_is_locked() -> None:
    metadata = project()
    extras = metadata["project"]["optional-dependencies"]
    for name, requirements in {
        "run": metadata["project"]["dependencies"],
        "build": metadata["build-system"]["requires"],
        "dev": extras["dev"],
        "llama": extras["llama"],
    }.items():
        assert {package(requirement) for requirement in requirements} <= pins(name).keys(), name
    assert len(pins("run")["textual"]) == 1


def test_what_is_tested_is_what_runs() -> None:
    run = pins("run")
    for name in NAMES:
        different = {key: versions for key, versions in pins(name).items() if key in run and versions != run[key]}
        assert different == {}, name


def test_the_wheel_holds_the_programs_and_their_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "sotto = tui.__main__:main" in archive.read(entry).decode()
    for folder in ("services", "tui", "themes"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in {".py", ".toml", ".tcss", ".opus"}:
                assert str(file.relative_to(ROOT)) in names
    assert not any(name.startswith("tests") for name in names)


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / ".ci" / name), *arguments],
        text=True,
        capture_output=True,
        env=os.environ | environment,
        check=False,
        cwd=ROOT,
    )


def test_a_python_that_is_new_enough_is_found() -> None:
    found = script("python", PYTHON=sys.executable)
    assert found.stdout.strip() == sys.executable
    assert script("python", PYTHON="/does/not/exist").returncode == 0  # another one will do


def bare(folder: Path, *programs: str) -> str:
    """A PATH with nothing but these programs."""
    for program in programs:
        (folder / program).symlink_to(subprocess.check_output(["which", program], text=True).strip())
    return str(folder)


def test_without_a_python_there_is_one_clear_sentence(tmp_path: Path) -> None:
    found = script("python", PYTHON="", PATH=bare(tmp_path, "sh"))
    assert found.returncode == 1
    assert "Python 3.11 or newer" in found.stderr
    assert found.stdout == ""


def test_what_the_system_lacks_is_told_and_fails_nothing(tmp_path: Path) -> None:
    tools = bare(tmp_path, "sh", "uname", "cut", "grep", "id")
    missing = script("system-packages", "need", "flite", "the tests that speak cannot run", PATH=tools)
    assert missing.returncode == 0
    assert missing.stderr == (
        "Missing: flite. Without it the tests that speak cannot run. (Debian, Ubuntu: apt install flite)\n"
    )
    compiler = script("system-packages", "compile", PATH=tools)
    assert compiler.returncode == 0
    assert [line.split(".")[0] for line in compiler.stderr.splitlines()] == ["Missing: gcc", "Missing: g++"]
    (tmp_path / "flite").symlink_to("/bin/true")
    there = script("system-packages", "need", "flite", "nothing", PATH=tools)
    assert (there.returncode, there.stdout, there.stderr) == (0, "", "")


def test_missing_packages_are_installed_where_that_is_allowed(tmp_path: Path) -> None:
    """With an apt of our own that writes down what it is asked for: the real one would change the machine."""
    tools = bare(tmp_path, "sh", "uname", "cut", "grep", "env", "touch", "ln")
    log = tmp_path / "log"
    for name, body in {
        "id": "echo 0",
        "apt-cache": "exit 100",
        "apt-get": f'echo "$@" >> {log}\ncase "$*" in *flite) ln -s /bin/true {tmp_path}/flite ;; esac',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    done = script("system-packages", "need", "flite", "nothing", PATH=tools)
    assert (done.returncode, done.stderr) == (0, "Installing with apt: flite\n")
    asked = [line.split()[-1] for line in log.read_text().splitlines()]
    assert asked == ["update", "flite"]
    script("system-packages", "need", "flite", "nothing", PATH=tools)
    assert len(log.read_text().splitlines()) == 2


def test_wrong_use_is_two() -> None:
    assert script("system-packages").returncode == 2


def test_make_lists_its_targets() -> None:
    listed = subprocess.check_output(["make", "--no-print-directory", "help"], cwd=ROOT, text=True)
    assert {line.split()[1] for line in listed.splitlines()} >= {"run", "llama", "test", "check", "bench", "lock"}


_AUDIO_TESTS = """
import pytest

@pytest.mark.audio
def test_records():
    {body}
"""


@pytest.mark.parametrize(
    ("body", "required", "code"),
    [
        ("pass", "1", 0),
        ("pytest.skip('no sound server')", "1", 1),
        ("pytest.skip('no sound server')", "", 0),
        ("pytest.importorskip('there_is_no_such_module')", "1", 1),
    ],
)
def test_a_skipped_recording_test_fails_where_sound_is_required(
    tmp_path: Path, body: str, required: str, code: int
) -> None:
    assert _pytest(tmp_path, _AUDIO_TESTS.format(body=body), required) == code


def test_recording_tests_that_are_not_there_at_all_fail_too(tmp_path: Path) -> None:
    nothing = "def test_something_else():\n    pass\n"
    assert _pytest(tmp_path, nothing, "1") == 1
    assert _pytest(tmp_path, nothing, "") == 0


def _pytest(folder: Path, text: str, required: str) -> int:
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = audio: records\n")
    (folder / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.plugins", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env=os.environ | {"SOTTO_REQUIRE_AUDIO": required, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    ).returncode
