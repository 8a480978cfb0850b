"""The words between app and recorder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import DeviceError, RecorderError, StorageError, UsageError
from services.recording.messages import (
    Alert,
    AlertKind,
    ChannelLevel,
    Command,
    Order,
    RecordingRequest,
    RecordingStatus,
    Severity,
    State,
    decode_order,
    decode_reply,
    encode,
)

plain = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text()
alerts = st.builds(
    Alert,
    kind=st.sampled_from(get_args(AlertKind)),
    message=st.text(),
    hint=st.text(),
    severity=st.sampled_from(get_args(Severity)),
    channel=st.none() | st.integers(0, 1),
)
levels = st.floats(-96, 0).map(lambda value: round(value, 1))
statuses = st.builds(
    RecordingStatus,
    state=st.sampled_from(get_args(State)),
    meeting=st.none() | st.just(Path("/tmp/2026-03-14_1030_weekly-sync")),
    title=st.text(),
    started=st.just("2026-03-14T10:30:00+01:00"),
    seconds=st.integers(0, 10**6).map(lambda value: value / 1000),
    channels=st.lists(st.builds(ChannelLevel, st.text(), st.text(), levels, levels, st.text()), max_size=2).map(tuple),
    overflows=st.integers(0),
    lost_s=st.integers(0, 10**6).map(lambda value: value / 1000),
    bytes=st.integers(0),
    detail=st.text(),
    alerts=st.lists(alerts, max_size=3).map(tuple),
    stops_in=st.none() | st.integers(0, 10**6).map(lambda value: value / 10),
    pid=st.integers(0),
)


@settings(max_examples=200)
@given(statuses)
def test_a_status_survives_the_wire(status: RecordingStatus) -> None:
    """Feature: recording, Property 5: a status is the same on the other side, on one line."""
    line = encode(status.to_dict())
    assert line.count(b"\n") == 1
    assert decode_reply(line) == status


def test_an_error_in_a_status_is_of_its_class_on_the_other_side() -> None:
    status = decode_reply(encode(RecordingStatus("failed", error=StorageError("full", "empty it")).to_dict()))
    assert isinstance(status.error, StorageError)
    assert (status.error.message, status.error.hint) == ("full", "empty it")


def test_an_error_line_is_raised() -> None:
    with pytest.raises(DeviceError, match="gone"):
        decode_reply(encode({"type": "error", "error": DeviceError("gone").to_dict()}))


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b'{"type": "status"}', b'{"type": "status", "state": "odd"}']
)
def test_a_reply_that_is_none(line: bytes) -> None:
    with pytest.raises(RecorderError, match="unknown"):
        decode_reply(line)


@settings(max_examples=300)
@given(
    st.binary(max_size=60)
    | st.recursive(plain, st.lists).map(lambda value: encode({"command": value}))
    | st.tuples(st.sampled_from(["extend", "chunk"]), st.recursive(plain | st.floats(), st.lists)).map(
        lambda pair: encode({"command": pair[0], "seconds": pair[1]})
    )
)
def test_a_strangers_line_is_an_order_or_a_usage_error(line: bytes) -> None:
    """Feature: recording, Property 6: whatever bytes come, they are one of the orders or an error."""
    try:
        order = decode_order(line)
    except UsageError as error:
        assert error.hint
    else:
        assert order.command in get_args(Command)
        assert 0 <= order.seconds <= 86400
        assert order.command != "chunk" or 1 <= order.seconds <= 600


@pytest.mark.parametrize("command", get_args(Command))
def test_the_orders(command: Command) -> None:
    order = Order(command, 60.0 if command in ("extend", "chunk") else 0.0)
    assert decode_order(encode(order.to_dict())) == order


def test_a_request_survives_the_wire() -> None:
    request = RecordingRequest(("mic", "file:/a b.wav"), Path("/x"), "Title", 48000, 5.0, 3.5, until=1e9, only=True)
    assert RecordingRequest.from_dict(json.loads(encode(request.to_dict()))) == request


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": ()}, "0 sources"),
        ({"sources": ("a", "b", "c")}, "3 sources"),
        ({"sources": ("",)}, "no name"),
        ({"sources": ("mic", "mic")}, "mic is named twice"),
        ({"rate": 4000}, "4000 Hz"),
        ({"chunk_seconds": 0.1}, "Chunks of 0.1 s"),
        ({"chunk_seconds": float("nan")}, "Chunks of nan s"),
        ({"seconds": 0.0}, "0 s"),
        ({"seconds": float("inf")}, "inf s"),
        ({"until": float("nan")}, "nan s"),
        ({"silence_seconds": -1.0}, "-1 s"),
        ({"disk_stop_mb": float("nan")}, "Less than nothing"),
        ({"speed": 0.5}, "0.5 times"),
        ({"speed": 2.0, "sources": ("mic",)}, "no speed"),
    ],
)
def test_a_request_that_cannot_be_met(change: dict[str, object], message: str) -> None:
    given_request: dict[str, object] = {"sources": ("file:/a",), "folder": Path("/x")}
    with pytest.raises(UsageError, match=message):
        RecordingRequest(**(given_request | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [{}, {"sources": 3}, {"sources": ["mic"], "folder": "/x", "rate": "fast"}])
def test_a_request_that_is_none(data: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="not told"):
        RecordingRequest.from_dict(data)
