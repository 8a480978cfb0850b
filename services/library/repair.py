"""What a recorder left that was killed, made whole. Nothing is ever removed or shortened, and twice is like once."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services import __version__
from services.errors import AudioFileError, RecorderBusyError
from services.files import disk_error
from services.library import unfinished
from services.library.marker import Marker, look
from services.library.meeting import FORMAT, Meeting
from services.library.segments import SPEAKERS
from services.recording.chunkfiles import (
    HEADER_BYTES,
    ChunkFiles,
    Layout,
    chunk_path,
    header,
    parse_header,
    told_layout,
)
from services.recording.length import archive_seconds
from services.text import clock

_log = logging.getLogger(__name__)

_LEAVING_SECONDS = 1.0
"""A recorder that has told its last status has so long to be gone."""
_MOST_BYTES = 0xFFFFFFFF - HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair came to.

    Attributes:
        meeting: The folder.
        seconds: How much of the recording is there.
        changed: Whether there was anything to repair.
        kept: Where the damaged meeting.json is now, if it was damaged.
    """

    meeting: Path
    seconds: float
    changed: bool
    kept: Path | None = None


def repair(meeting: Meeting) -> Repaired:
    """Finish a recording that was cut off. Does nothing to one that ended in order.

    Raises:
        RecorderBusyError: It is still being recorded.
        MeetingBusyError: Another sotto is at work on it.
        StorageError: There is no meeting, or its folder cannot be written.
    """
    with unfinished.claim(meeting):
        return mend(meeting)


def mend(meeting: Meeting) -> Repaired:
    """The same for whoever has claimed the meeting already (`unfinished.claim`).

    Raises:
        RecorderBusyError, StorageError: Like `repair`.
    """
    try:
        return _mend(meeting)
    except OSError as error:
        raise disk_error(meeting.folder, error) from error


def restore(meeting: Meeting, info: Mapping[str, Any]) -> None:
    """Write `info` where meeting.json is damaged or gone; the damaged one stays beside it.

    Raises:
        StorageError: The folder cannot be written.
    """
    try:
        if unfinished.read_info(meeting) is None:
            _log.warning("%s is damaged: made anew", meeting.info_file)
            _set_aside(meeting.info_file)
            meeting.write(info)
    except OSError as error:
        raise disk_error(meeting.info_file, error) from error


def _mend(meeting: Meeting) -> Repaired:
    info = unfinished.read_info(meeting)
    if info is None and not unfinished.has_recording(meeting):
        meeting.info()  # raises what there is to say
    _refuse_while_recording(meeting, info)
    if info is not None and not unfinished.was_cut_off(meeting, info):
        return Repaired(meeting.folder, meeting.duration_s, changed=False)
    files = _chunks(meeting)
    if files is not None:
        _set_headers(meeting, files)
    seconds, kept = _set_info(meeting, info, files)
    if look(meeting.recording_marker) != "none":
        Marker(meeting.recording_marker).remove()
    _log.info("repaired %s: %.1f s", meeting.folder, seconds)
    return Repaired(meeting.folder, seconds, changed=True, kept=kept)


def _refuse_while_recording(meeting: Meeting, info: Mapping[str, Any] | None) -> None:
    deadline = time.monotonic() + _LEAVING_SECONDS
    while unfinished.recorder_lives(meeting, info):
        if time.monotonic() > deadline:
            raise RecorderBusyError("The meeting is still being recorded.", "`sotto stop` ends the recording.")
        time.sleep(0.02)
        info = unfinished.read_info(meeting)


def _chunks(meeting: Meeting) -> ChunkFiles | None:
    try:
        return ChunkFiles(meeting.audio, told_layout(meeting))
    except AudioFileError:
        return None


def _set_headers(meeting: Meeting, files: ChunkFiles) -> None:
    """Let every player play all of every chunk. One that cannot be written stays as it is: we read it all the same."""
    for number in files.numbers:
        path = chunk_path(meeting.audio, number)
        try:
            _set_header(path, files.layout)
        except OSError as error:
            _log.warning("the header of %s: %s", path, error)


def _set_header(path: Path, layout: Layout) -> None:
    """Write the true sizes into a header of ours, or one that a power cut left empty; touch nothing else."""
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        there = os.fstat(fd)
        before = os.pread(fd, HEADER_BYTES, 0)
        found = parse_header(before)
        ours = found is not None and (found.rate, found.channels) == (layout.rate, layout.channels)
        if not stat.S_ISREG(there.st_mode) or not (ours or before == bytes(HEADER_BYTES)):
            return
        whole = (there.st_size - HEADER_BYTES) // layout.frame_bytes * layout.frame_bytes
        if whole > _MOST_BYTES:
            return
        after = header(layout, whole)
        if after != before:
            os.pwrite(fd, after, 0)
            os.fsync(fd)
    finally:
        os.close(fd)


def _set_info(meeting: Meeting, info: dict[str, Any] | None, files: ChunkFiles | None) -> tuple[float, Path | None]:
    """Say in meeting.json what was found; returns how much that is, and where the damaged one is now."""
    kept = None
    told = told_layout(meeting)
    if info is None or (told is None and files is not None):
        anew = _anew(meeting, info, files)
        kept = _set_aside(meeting.info_file)
        meeting.write(anew)
    seconds = _seconds(meeting, files)
    if unfinished.status_of(info, "record") == "done":
        return meeting.duration_s, kept
    meeting.update(duration_s=round(seconds, 3))
    if seconds or meeting.archive.is_file():
        lost = info is None and look(meeting.recording_marker) == "none"
        what = "meeting.json was damaged" if lost else "cut off"
        meeting.set_stage("record", "done", f"{what}; {clock(seconds)} were found")
    else:
        meeting.set_stage("record", "failed", "cut off; no sound was found")
    return seconds, kept


def _seconds(meeting: Meeting, files: ChunkFiles | None) -> float:
    """How much can be read; an archive is whole before the first chunk goes."""
    packed = archive_seconds(meeting.archive) if meeting.archive.is_file() else 0.0
    return packed or (files.frames / files.rate if files is not None else 0.0)


def _anew(meeting: Meeting, info: dict[str, Any] | None, files: ChunkFiles | None) -> dict[str, Any]:
    """meeting.json as far as it can be told from everything else; what `info` tells stays, where it makes sense."""
    told = dict(info or {})
    stages = told.get("stages")
    anew = {
        "version": FORMAT,
        "sotto": __version__,
        "title": unfinished.title_of(meeting, info),
        "created": unfinished.started_of(meeting, info).isoformat(timespec="seconds"),
        "stages": stages if isinstance(stages, dict) else _stages(meeting),
    }
    if files is not None:
        speakers = SPEAKERS if files.channels == 2 else ("",) * files.channels
        anew |= {"rate": files.rate, "channels": [{"source": "", "speaker": speaker} for speaker in speakers]}
        # Where a position is must not change: with what was told the reader would find it elsewhere.
        anew |= {"chunk_frames": files.chunk_frames if files.frames else 0}
    return told | anew


def _stages(meeting: Meeting) -> dict[str, Any]:
    """What was done already, as far as it shows: a summary is written only when the transcript is complete."""
    written = meeting.summary.is_file() and meeting.summary.stat().st_size
    return {"transcribe": {"status": "done"}, "summarize": {"status": "done"}} if written else {}


def _set_aside(file: Path) -> Path | None:
    """Rename a damaged file; nothing of it is lost. Returns where it is, None when there was none."""
    if not os.path.lexists(file):
        return None
    number = 1
    kept = file.with_name(f"{file.name}.damaged")
    while os.path.lexists(kept):
        number += 1
        kept = file.with_name(f"{file.name}.damaged-{number}")
    os.rename(file, kept)
    return kept
