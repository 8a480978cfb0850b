"""The recorder's socket: lines from strangers, and followers that do not read."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recording.control import ControlServer, Peer
from services.recording.messages import MAX_LINE, RecordingStatus

STATUS = RecordingStatus("recording", title="Weekly sync")


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b" ")) | st.just(b"x" * (MAX_LINE + 1))),
    cuts=st.lists(st.sampled_from([5, 100, 5000, MAX_LINE, 3 * MAX_LINE]), min_size=1, max_size=6),
)
def test_lines_arrive_whole_however_they_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    """Feature: recording, Property 8: every line arrives once; an overlong one is told once, and only that."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        peer = Peer(ours)
        data = b"".join(line + b"\n" for line in lines)
        found: list[bytes] = []
        while data:
            piece, data = data[: cuts[0]], data[cuts[0] :]
            cuts = [*cuts[1:], cuts[0]]
            theirs.sendall(piece)
            for _ in range(2):  # a piece may be more than is read at a time
                found += peer.receive() or []
        assert found == [b"" if len(line) > MAX_LINE else line for line in lines]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ControlServer]:
    stops: list[int] = []
    server = ControlServer(
        tmp_path / "s", lambda: replace(STATUS, seconds=float(len(stops))), lambda _: stops.append(1)
    )
    yield server
    server.unlink()
    server.close()


def connect(server: ControlServer, tmp_path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(tmp_path / "s"))
    connection.settimeout(10)
    server.serve()
    return connection


def test_what_lies_in_the_sockets_place_goes_and_the_new_one_is_private(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("left over")
    server = ControlServer(tmp_path / "s", lambda: STATUS, lambda _: None)
    mode = (tmp_path / "s").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    server.unlink()
    assert not (tmp_path / "s").exists()
    server.close()


def test_commands_are_answered(server: ControlServer, tmp_path: Path) -> None:
    with connect(server, tmp_path) as connection, connection.makefile("rb") as replies:
        for command, seconds in (("status", 0.0), ("stop", 1.0), ("pause", 2.0), ("subscribe", 2.0)):
            connection.sendall(json.dumps({"command": command}).encode() + b"\n")
            server.serve()
            assert json.loads(replies.readline())["seconds"] == seconds


def test_a_follower_that_does_not_read_gets_the_newest_status_in_the_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(10)
        peer = Peer(ours)
        for number in range(20_000):
            assert peer.offer(b"%d\n" % number)
        assert peer.waiting
        received = b""
        while not received.endswith(b"\n19999\n"):
            received += theirs.recv(1 << 20)
            assert peer.flush()
        numbers = [int(line) for line in received.split()]
        assert numbers == sorted(numbers)
        assert len(numbers) < 20_000, "those in between were dropped"
        assert not peer.waiting


def test_a_line_without_an_end_is_told_at_once_and_not_kept() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        peer = Peer(ours)
        found: list[bytes] = []
        for _ in range(100):
            theirs.sendall(b"x" * MAX_LINE)
            found += peer.receive() or []
        assert found == [b""]
        theirs.sendall(b'x\n{"command": "status"}\n')
        assert peer.receive() == [b'{"command": "status"}']


def test_a_stranger_that_asks_and_does_not_read_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        peer = Peer(ours)
        assert not all(peer.reply(b"x" * 10_000) for _ in range(200))


def test_the_longest_silent_stranger_goes_when_there_are_too_many(server: ControlServer, tmp_path: Path) -> None:
    with connect(server, tmp_path) as follower:
        follower.sendall(b'{"command": "subscribe"}\n')
        server.serve()
        strangers = [connect(server, tmp_path) for _ in range(40)]
        first = strangers[0].makefile("rb").read()
        assert b"Too many connections" in first
        server.tell()
        assert follower.recv(10)
        strangers[-1].sendall(b'{"command": "status"}\n')
        server.serve()
        assert json.loads(strangers[-1].makefile("rb").readline())["title"] == "Weekly sync"
        for stranger in strangers:
            stranger.close()
