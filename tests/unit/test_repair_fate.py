"""Whatever happened to a meeting's folder, a repair loses nothing."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.errors import SottoError
from services.library.meeting import Meeting
from services.library.repair import repair
from services.library.unfinished import find
from services.recording.chunks import HEADER_BYTES, ChunkWriter, Pcm, chunk_path
from tests.unit.left_meetings import NOBODY, RANDOM, samples, tree

_garbage = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["rate", "channels", "stages", "record", "status", "title", "created", "chunk_frames"]),
                inner,
                max_size=5,
            ),
        ),
        max_leaves=8,
    ).map(lambda data: json.dumps(data).encode()),
)
_damage = st.lists(
    st.one_of(
        st.tuples(st.just("truncate"), st.integers(0, 4), st.integers(0, 2 * HEADER_BYTES + 300)),
        st.tuples(st.just("append"), st.integers(0, 4), st.binary(max_size=7)),
        st.tuples(st.just("head"), st.integers(0, 4), st.binary(min_size=1, max_size=HEADER_BYTES)),
        st.tuples(st.just("remove"), st.integers(0, 4), st.none()),
        st.tuples(st.just("info"), st.just(0), st.one_of(st.none(), _garbage)),
        st.tuples(st.just("field"), st.sampled_from(["rate", "channels", "chunk_frames", "stages"]), _garbage),
        st.tuples(st.just("marker"), st.just(0), st.one_of(st.none(), _garbage)),
    ),
    max_size=6,
)


def _harm(meeting: Meeting, kind: str, where: Any, what: Any) -> None:
    if kind in ("info", "marker"):
        file = meeting.info_file if kind == "info" else meeting.recording_marker
        file.unlink(missing_ok=True)
        if what is not None:
            file.write_bytes(what)
    elif kind == "field":
        try:
            info = meeting.info()
            value = json.loads(what)
        except (SottoError, ValueError):
            return
        meeting.info_file.write_text(json.dumps(info | {where: value}))
    elif (path := chunk_path(meeting.audio, where)).exists():
        data = path.read_bytes()
        match kind:
            case "truncate":
                os.truncate(path, min(what, len(data)))
            case "append":
                path.write_bytes(data + what)
            case "head":
                path.write_bytes(what + data[len(what) :])
            case "remove":
                path.unlink()


def _read(meeting: Meeting) -> Pcm | None:
    try:
        return samples(meeting)
    except SottoError:
        return None


@settings(max_examples=300, deadline=None)
@given(damage=_damage, seconds=st.integers(0, 450), channels=st.integers(1, 2))
@example(damage=[("field", "chunk_frames", b"1e11")], seconds=101, channels=1)
@example(damage=[("field", "chunk_frames", b"1e20")], seconds=101, channels=1)
def test_no_damage_makes_repair_lose_anything(damage: list[tuple[str, Any, Any]], seconds: int, channels: int) -> None:
    """Feature: recovery, Property 1: whatever happened to a meeting's folder, repair raises nothing but a SottoError,
    removes and shortens no file, and the samples that could be read before are read after; twice is like once."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        meeting = Meeting.create(root, "Weekly", {"stages": {"record": {"status": "running", "pid": NOBODY}}})
        meeting.update(rate=1000, channels=[{}] * channels, chunk_frames=100)
        writer = ChunkWriter(meeting.audio, 1000, channels, 0.1)
        writer.write(RANDOM.integers(-9999, 9999, (seconds, channels), np.int16))
        writer.close()
        for kind, where, what in damage:
            _harm(meeting, kind, where, what)
        find(root)
        files, before = tree(meeting.folder), _read(meeting)
        try:
            repair(meeting)
        except SottoError:
            assert tree(meeting.folder) == files
            return
        after = tree(meeting.folder)
        for path, data in files.items():
            if path.startswith("audio"):
                assert after[path][HEADER_BYTES:] == data[HEADER_BYTES:]
                assert len(after[path]) == len(data)
            elif path not in (".recording", "meeting.json"):
                assert after[path] == data
        try:
            sound = isinstance(json.loads(files.get("meeting.json", b"")), dict)
        except (ValueError, RecursionError):
            sound = False
        if not sound and "meeting.json" in files:
            assert after["meeting.json.damaged"] == files["meeting.json"]
        if before is not None:
            now = _read(meeting)
            assert now is not None
            assert np.array_equal(now, before)
        assert repair(meeting).changed is False
        assert tree(meeting.folder) == after
