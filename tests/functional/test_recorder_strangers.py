"""What strangers cannot do to a recorder: its socket takes any garbage, and orders of its own user only."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from services.recording.client import start
from tests.functional.recordings import file_of, last_of, noise, recorded, request, running


def raw(home: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(home / "run" / "recorder.sock"))
    connection.settimeout(30)
    return connection


def lines(connection: socket.socket, count: int) -> list[dict[str, object]]:
    with connection.makefile("rb") as file:
        return [json.loads(file.readline()) for _ in range(count)]


def test_garbage_on_the_socket_changes_nothing(home: Path, tmp_path: Path) -> None:
    samples = noise(6)
    client = start(request(home, file_of(tmp_path, samples)))
    garbage = [
        b"hello\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b'"stop"\n',
        b'{"command": ["stop"]}\n',
        b'{"command": "format c:"}\n',
        b'{"COMMAND": "stop"}\n',
        b"[" * 10_000 + b"\n",
        b"\n",
        b"x" * 1_000_000 + b"\n",
    ]
    with raw(home) as connection:
        for line in garbage:
            connection.sendall(line)
            (reply,) = lines(connection, 1)
            assert reply["type"] == "error", line[:40]
        connection.sendall(b'{"command": "status"}\n')
        assert lines(connection, 1)[0]["state"] == "recording"
    with ExitStack() as crowd:
        for _ in range(100):
            crowd.enter_context(raw(home)).sendall(b'{"command": "st')
        assert client.status().state == "recording"
        status = last_of(client)
    assert np.array_equal(recorded(status), samples)


def test_a_follower_that_never_reads_holds_nobody_up(home: Path, tmp_path: Path) -> None:
    samples = noise(4)
    client = start(request(home, file_of(tmp_path, samples)))
    with raw(home) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        # Its own questions fill the line; nothing of the answers is read.
        deaf.setblocking(False)
        try:
            while True:
                deaf.send(b'{"command": "subscribe"}\n' * 1000)
        except OSError:
            pass
        status = last_of(client)
    assert (status.state, status.overflows) == ("done", 0)
    assert np.array_equal(recorded(status), samples)


def test_the_socket_is_for_this_user_only(home: Path, tmp_path: Path) -> None:
    client, _ = running(home, tmp_path, seconds=30)
    socket_file = home / "run" / "recorder.sock"
    assert stat.S_IMODE(socket_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket_file.parent.stat().st_mode) == 0o700
    with client:
        client.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_refused(home: Path, tmp_path: Path) -> None:
    client, _ = running(home, tmp_path, seconds=30)
    # Even if the folder were open: the recorder looks who is there.
    for folder in (home, home / "run"):
        folder.chmod(0o755)
    (home / "run" / "recorder.sock").chmod(0o777)
    program = (
        "import os, socket, sys\n"
        "os.setuid(65534)\n"
        "connection = socket.socket(socket.AF_UNIX)\n"
        "connection.connect(sys.argv[1])\n"
        "try:\n"
        '    connection.sendall(b\'{"command": "stop"}\\n\')\n'
        "    data = connection.recv(100)\n"
        "except ConnectionError:\n"
        "    data = b''\n"
        "sys.exit(len(data))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(home / "run" / "recorder.sock")], check=False)
    assert done.returncode == 0
    with client:
        assert client.status().state == "recording"
        client.stop()
