"""Frames between app and worker."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import WorkerError
from services.worker.protocol import MAX_FRAME, Channel

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
FRAMES = st.lists(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), JSON, max_size=3), max_size=5)


@given(FRAMES, st.integers(1, 9))
def test_frames_arrive_whole_and_in_order_however_they_are_cut(frames: list[dict[str, object]], piece: int) -> None:
    """Feature: worker-protocol, Property 1: any frames, cut anywhere on the way, arrive as they were sent."""
    ours, theirs = socket.socketpair()
    through, out = socket.socketpair()
    sender, receiver = Channel(ours), Channel(out)

    def relay() -> None:
        while data := theirs.recv(piece):
            through.sendall(data)
        through.close()

    relaying = threading.Thread(target=relay)
    relaying.start()
    for frame in frames:
        sender.send(frame)
    sender.close()
    received: list[object] = []
    while (arrived := receiver.receive(10)) is not None:
        received.append(arrived)
    relaying.join()
    theirs.close()
    receiver.close()
    assert received == frames


@pytest.mark.parametrize(
    "raw",
    [(MAX_FRAME + 1).to_bytes(4, "big"), b"\0\0\0\x02{]", b"\0\0\0\x02[]", b"\0\0\0\x01\xff"],
)
def test_what_is_no_frame_is_an_error(raw: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(ours)
        theirs.sendall(raw)
        with pytest.raises(WorkerError):
            channel.receive(10)
        channel.close()


def test_half_a_frame_waits_for_the_rest() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(ours)
        theirs.sendall(b"\0\0\0\x02{")
        with pytest.raises(TimeoutError):
            channel.receive(0.01)
        theirs.sendall(b"}")
        assert channel.receive(10) == {}
        channel.close()
