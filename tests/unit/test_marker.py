"""Markers: who holds one, who has left one, and what an odd file in its place is."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from services.errors import MeetingBusyError, StorageError
from services.library.marker import Marker, look

NOBODY = 1 << 22  # above the highest number of a process on Linux
HOLD = (
    "import sys; from pathlib import Path; from services.library.marker import Marker\n"
    "marker = Marker(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
)


def never(_: int) -> bool:
    return False


def always(_: int) -> bool:
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".recording"


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that refuses locks, as some network mounts do: the kernel's answer, given by us."""

    def refuse(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_marker_is_private_and_names_its_process(path: Path) -> None:
    before = os.umask(0)
    try:
        marker = Marker(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"pid": os.getpid(), "locked": True}
    assert look(path, never) == "held"
    marker.remove()
    marker.remove()
    assert look(path, always) == "none"
    assert not path.exists()


def test_it_is_held_as_long_as_its_process_lives_and_not_longer(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert look(path, never) == "held"
        with pytest.raises(MeetingBusyError, match=str(path.parent)):
            Marker(path)
        holder.kill()
    # Its number may be anybody's by now: a lock that is free says more.
    assert look(path, always) == "left"
    with Marker(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_child_does_not_hold_its_parent_s_marker(path: Path) -> None:
    marker = Marker(path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        marker.remove()
        Marker(path).remove()
        child.kill()


def test_whoever_looks_keeps_nobody_from_taking_it(path: Path) -> None:
    done = threading.Event()

    def stare() -> None:
        while not done.is_set():
            look(path, never)

    watchers = [threading.Thread(target=stare) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(50):
            with Marker(path):
                assert look(path, never) == "held"
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()


def test_of_many_who_want_it_one_at_a_time_has_it(path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            try:
                with Marker(path):
                    inside.append(number)
                    most.append(len(inside))
                    inside.remove(number)
            except MeetingBusyError:
                continue

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


@pytest.fixture
def removed_meanwhile(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker whose holder removes it just when somebody else, who has opened it already, asks for its lock."""
    holder = Marker(path)
    lock = fcntl.flock

    def late(fd: int, operation: int) -> None:
        holder.remove()
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)


@pytest.mark.usefixtures("removed_meanwhile")
def test_the_lock_of_a_file_that_is_gone_holds_nothing(path: Path) -> None:
    with Marker(path), pytest.raises(MeetingBusyError):
        Marker(path)


@pytest.mark.usefixtures("removed_meanwhile")
def test_a_marker_that_went_while_somebody_looked_was_not_left(path: Path) -> None:
    assert look(path, never) == "none"


@pytest.mark.usefixtures("no_locks")
def test_without_locks_the_process_decides(path: Path) -> None:
    marker = Marker(path)
    assert json.loads(path.read_text())["locked"] is False
    assert look(path, always) == "held"
    assert look(path, never) == "left"
    marker.remove()
    path.write_text(json.dumps({"pid": NOBODY, "locked": False}))
    with pytest.raises(MeetingBusyError):
        Marker(path, always)
    Marker(path, never).remove()


def test_a_marker_that_its_maker_had_no_time_to_fill(path: Path) -> None:
    path.touch()
    asked: list[int] = []

    def could_hold(pid: int) -> bool:
        asked.append(pid)
        return True

    assert look(path, could_hold, 4711) == "held"
    assert look(path, never, 4711) == "left"
    assert asked == [4711]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00", b"[]", b"{}", b'{"pid": "x", "locked": 1}', b'{"pid": -5}', b"[" * 500, b"9" * 900]
)
def test_garbage_in_it_names_nobody(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert look(path) == "left"
    Marker(path).remove()


def test_what_is_no_file_is_nobody_s_marker(path: Path) -> None:
    outside = path.with_name("outside")
    outside.write_text("precious")
    path.symlink_to(outside)
    assert look(path, always) == "none"
    with pytest.raises(StorageError):
        Marker(path)
    assert outside.read_text() == "precious"
    path.unlink()
    path.mkdir()
    assert look(path, always) == "none"
    with pytest.raises(StorageError):
        Marker(path)
    path.rmdir()
    os.mkfifo(path)
    assert look(path, always) == "none"  # and does not wait for somebody to write


def test_a_folder_that_is_gone_is_told(path: Path) -> None:
    with pytest.raises(StorageError):
        Marker(path.parent / "gone" / ".recording")
