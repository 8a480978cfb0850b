"""Meetings that are not finished: cut off while they were recorded, or never written up.

A look at a meeting that is finished costs two small reads. Audio is measured only for those that are not, by the sizes
of its files. One folder that is damaged, or not ours, never hides the others.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from services.errors import AudioFileError, SottoError
from services.events import Stage, StageStatus
from services.files import read_error
from services.library.marker import Marker, look
from services.library.meeting import UNTITLED, Meeting
from services.memory.components import is_app, is_recorder
from services.recording.chunkfiles import ChunkFiles, chunk_numbers, chunk_path, told_layout
from services.text import one_line

_log = logging.getLogger(__name__)

State = Literal["recording", "cut off", "recorded"]

_NAME = re.compile(r"(\d{4}-\d\d-\d\d_\d{4})_(.+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A meeting with something left to do.

    Attributes:
        meeting: Its folder.
        title: What it is called.
        started: When it began, with a time zone.
        seconds: How much audio there is; 0 where nobody can tell.
        bytes: What that takes on disk.
        state: `recording`: a recorder is at work on it. `cut off`: it was, and ended without a word. `recorded`: it is
            complete, and its transcript or what follows was never made, or was interrupted.
    """

    meeting: Path
    title: str
    started: datetime
    seconds: float
    bytes: int
    state: State


def find(folder: Path) -> list[Unfinished]:
    """The unfinished meetings below `folder`, the oldest first; those that a sotto works on just now are left out.

    Raises:
        StorageError: `folder` cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            folders = [Path(entry.path) for entry in entries if _may_be_ours(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise read_error(folder, error) from error
    looked = (unfinished(Meeting(each)) for each in folders)
    return sorted((each for each in looked if each is not None), key=lambda each: (each.started, each.meeting))


def _may_be_ours(entry: os.DirEntry[str]) -> bool:
    try:
        return (
            not entry.name.startswith(".")
            and entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        )
    except OSError:
        return False


def unfinished(meeting: Meeting) -> Unfinished | None:
    """What is left to do of one meeting; None when that is nothing, a sotto does it just now, or nobody can tell."""
    try:
        info = read_info(meeting)
        state = _state(meeting, info)
        if state is None or (state != "recording" and look(meeting.processing_marker, is_app) == "held"):
            return None
        seconds, size = _measure(meeting, info or {})
        if state == "recorded" and not size:
            return None  # its audio is gone: there is nothing to work on
        return Unfinished(meeting.folder, title_of(meeting, info), started_of(meeting, info), seconds, size, state)
    except (OSError, SottoError) as error:
        _log.warning("%s: %s", meeting.folder, error)
        return None


def _state(meeting: Meeting, info: Mapping[str, Any] | None) -> State | None:
    if info is None and not has_recording(meeting):
        return None  # some folder
    if recorder_lives(meeting, info):
        return "recording"
    if info is None or was_cut_off(meeting, info):
        return "cut off"
    return "recorded" if _left_to_do(info) else None


def recorder_lives(meeting: Meeting, info: Mapping[str, Any] | None) -> bool:
    """Whether a recorder is at work on the meeting, whether it answers or not."""
    entry = _entry(info, "record")
    pid = entry.get("pid")
    pid = pid if isinstance(pid, int) and 0 < pid < 1 << 31 else 0
    match look(meeting.recording_marker, is_recorder, pid):
        case "none":
            # Its marker comes just after meeting.json.
            return status_of(info, "record") == "running" and is_recorder(pid)
        case state:
            return state == "held"


def was_cut_off(meeting: Meeting, info: Mapping[str, Any]) -> bool:
    """Whether a recording, which nobody is at work on, did not end in order."""
    return status_of(info, "record") == "running" or look(meeting.recording_marker) != "none"


def _left_to_do(info: Mapping[str, Any]) -> bool:
    """Whether a stage was interrupted or never begun. One that failed was told; one that is skipped was decided."""
    record, transcribe = status_of(info, "record"), status_of(info, "transcribe")
    if record == "failed" or transcribe in ("failed", "skipped"):
        return False
    later: tuple[Stage, ...] = ("transcribe", "summarize", "archive")
    if any(status_of(info, stage) in ("running", "waiting") for stage in later):
        return True
    return transcribe is None or status_of(info, "summarize") is None


def claim(meeting: Meeting) -> Marker:
    """Take a meeting to work on it; others leave it alone until the marker is removed, or this process ends.

    Raises:
        MeetingBusyError: Another sotto is at work on it.
        StorageError: Its folder cannot be written.
    """
    return Marker(meeting.processing_marker, is_app)


def is_meeting(folder: Path) -> bool:
    """Whether there is a meeting in `folder`, be it damaged."""
    try:
        return (folder / "meeting.json").exists() or has_recording(Meeting(folder))
    except OSError:
        return False


def has_recording(meeting: Meeting) -> bool:
    """Whether the folder shows, without meeting.json, that a recorder was here."""
    return look(meeting.recording_marker) != "none" or bool(chunk_numbers(meeting.audio)) or meeting.archive.is_file()


def read_info(meeting: Meeting) -> dict[str, Any] | None:
    """What meeting.json says; None when it is missing or damaged.

    Raises:
        OSError: It is there, and cannot be read now.
    """
    try:
        data = json.loads(meeting.info_file.read_bytes()) if meeting.info_file.is_file() else None
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _entry(info: Mapping[str, Any] | None, stage: Stage) -> Mapping[str, Any]:
    stages = info.get("stages") if info is not None else None
    entry = stages.get(stage) if isinstance(stages, dict) else None
    return entry if isinstance(entry, dict) else {}


def status_of(info: Mapping[str, Any] | None, stage: Stage) -> StageStatus | None:
    """The status of a stage in what meeting.json says."""
    status: StageStatus | None = _entry(info, stage).get("status")
    return status


def title_of(meeting: Meeting, info: Mapping[str, Any] | None) -> str:
    """The title that meeting.json tells, else the one in the folder's name."""
    told = info.get("title") if info is not None else None
    if isinstance(told, str) and told.strip():
        return one_line(told)
    found = _NAME.fullmatch(meeting.folder.name)
    words = one_line((found[2] if found else meeting.folder.name).replace("-", " "))
    return words[:1].upper() + words[1:] or UNTITLED


def started_of(meeting: Meeting, info: Mapping[str, Any] | None) -> datetime:
    """When the meeting began: from meeting.json, else from the folder's name, else from the folder's own time."""
    try:
        return datetime.fromisoformat(str((info or {}).get("created"))).astimezone()
    except (ValueError, OverflowError):
        pass  # the next one may tell
    found = _NAME.fullmatch(meeting.folder.name)
    try:
        return datetime.strptime(found[1] if found else "", "%Y-%m-%d_%H%M").astimezone()
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(meeting.folder.stat().st_mtime).astimezone()


def _measure(meeting: Meeting, info: Mapping[str, Any]) -> tuple[float, int]:
    """Seconds and bytes of its audio."""
    numbers = chunk_numbers(meeting.audio)
    if numbers:
        size = sum(chunk_path(meeting.audio, number).stat().st_size for number in numbers)
        try:
            files = ChunkFiles(meeting.audio, told_layout(meeting))
        except AudioFileError:
            return 0.0, size
        return files.frames / files.rate, size
    whole = meeting.archive if meeting.archive.is_file() else Path(str(info.get("file", "")))
    return meeting.duration_s if info else 0.0, whole.stat().st_size if whole.is_file() else 0
