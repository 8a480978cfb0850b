"""The folder of one meeting, and its `meeting.json`."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from services import __version__, files, paths
from services.errors import PathError, StorageError
from services.events import Stage, StageStatus
from services.library.segments import SPEAKERS
from services.text import one_line, slug

FORMAT = 1
"""Version of the folder's layout, written to every meeting.json."""

ArchiveFormat = Literal["flac", "opus"]
"""What a recording is packed into, and the suffix of the file."""

_ANEW = "Where there is a recording, `sotto recover` with this folder makes it anew, and removes nothing."

UNTITLED = "Meeting"
"""The title of a recording that nobody gave one; its summary may find a better one."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a recording.

    Attributes:
        source: The source as the user named it (`mic`, a device, `file:PATH`).
        speaker: The label of its words in the transcript; empty when there is only one channel.
        device: The name that people know the device by; empty for a file.
    """

    source: str
    speaker: str = ""
    device: str = ""


class Meeting:
    """A meeting's folder. Holds no data but the path: disk is the truth, `info()` reads it.

    meeting.json has: `version`, `sotto`, `title`, `created` (ISO 8601 with offset), `channels`, `rate` (Hz),
    `duration_s`, `file` (of an imported meeting: the file that it was made from, which stays where it is),
    `stages` (status and detail by stage) and whatever later versions add.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def create(root: Path, title: str, info: Mapping[str, Any] | None = None) -> Meeting:
        """Make the folder `DATE_TIME_title` below `root`, with a meeting.json.

        Raises:
            StorageError: `root` cannot be written.
        """
        now = datetime.now().astimezone()
        stem = f"{now:%Y-%m-%d_%H%M}_{slug(title)}"
        paths.private(root)
        for number in range(1, 1000):
            folder = root / (stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise files.disk_error(folder, error) from error
            meeting = Meeting(folder)
            first = {"version": FORMAT, "sotto": __version__, "title": one_line(title)}
            first |= {"created": now.isoformat(timespec="seconds"), "stages": {}}
            try:
                files.write_atomic(meeting.info_file, _dump(first | dict(info or {})))
            except StorageError:
                folder.rmdir()
                raise
            return meeting
        raise StorageError(f"{root} already holds a thousand meetings named {stem}.", "Give it another title.")

    @staticmethod
    def open(folder: Path) -> Meeting:
        """The meeting in an existing folder.

        Raises:
            StorageError: There is no meeting.json in it, or it is damaged.
        """
        meeting = Meeting(folder)
        meeting.info()
        return meeting

    @property
    def info_file(self) -> Path:
        return self.folder / "meeting.json"

    @property
    def audio(self) -> Path:
        """The folder of chunks."""
        return self.folder / "audio"

    @property
    def archive(self) -> Path:
        """The whole recording in one file, once it has been verified; where there is none, the place of a FLAC."""
        opus, flac = self.archive_as("opus"), self.archive_as("flac")
        return opus if opus.is_file() and not flac.is_file() else flac

    def archive_as(self, kind: ArchiveFormat) -> Path:
        return self.folder / f"audio.{kind}"

    @property
    def live(self) -> Path:
        return self.folder / "live.jsonl"

    @property
    def transcript(self) -> Path:
        return self.folder / "transcript.jsonl"

    @property
    def filled(self) -> Path:
        """What the captions had missed, while a transcript is made of them."""
        return self.folder / ".filled.jsonl"

    @property
    def summary(self) -> Path:
        return self.folder / "summary.md"

    @property
    def notes(self) -> Path:
        return self.folder / "notes.md"

    @property
    def events(self) -> Path:
        """Pauses, gaps and warnings of the recording, a JSON object a line."""
        return self.folder / "events.jsonl"

    @property
    def memory(self) -> Path:
        return self.folder / "memory.jsonl"

    @property
    def recording_marker(self) -> Path:
        """There as long as the meeting is being recorded, and after that if the recorder did not end in order."""
        return self.folder / ".recording"

    @property
    def processing_marker(self) -> Path:
        """Likewise for whoever processes or repairs it."""
        return self.folder / ".processing"

    def info(self) -> dict[str, Any]:
        """What meeting.json says.

        Raises:
            StorageError: It is missing or damaged.
        """
        if self.info_file.exists() and not self.info_file.is_file():  # from a pipe nothing would ever come
            raise StorageError(f"{self.info_file} cannot be read: it is not a file.", _ANEW)
        try:
            data = json.loads(self.info_file.read_bytes())
        except FileNotFoundError as error:
            raise PathError(f"{self.folder} is not a meeting: it has no meeting.json.", _ANEW) from error
        except (OSError, ValueError, RecursionError) as error:
            raise StorageError(f"{self.info_file} cannot be read: {error}.", _ANEW) from error
        if not isinstance(data, dict):
            raise StorageError(f"{self.info_file} is damaged: it holds no fields.", _ANEW)
        return data

    @property
    def title(self) -> str:
        return one_line(str(self.info().get("title", self.folder.name)))

    @property
    def duration_s(self) -> float:
        """Length of its audio in seconds; 0 where nobody knows."""
        seconds = self.info().get("duration_s")
        if isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0:
            return float(seconds)
        return 0.0

    def write(self, info: Mapping[str, Any]) -> None:
        """Write meeting.json anew, whatever it says now."""
        with self._locked():
            files.write_atomic(self.info_file, _dump(info))

    def update(self, **changes: Any) -> None:
        """Change fields of meeting.json; the others stay. Safe against another process that does the same."""
        with self._locked():
            files.write_atomic(self.info_file, _dump(self.info() | changes))

    def set_stage(self, stage: Stage, status: StageStatus, detail: str = "") -> None:
        with self._locked():
            info = self.info()
            stages = info.get("stages")
            entry = {"status": status, "detail": detail} if detail else {"status": status}
            info["stages"] = (stages if isinstance(stages, dict) else {}) | {stage: entry}
            files.write_atomic(self.info_file, _dump(info))

    def stage(self, stage: Stage) -> StageStatus | None:
        """The status of a stage; None when it has not begun."""
        stages = self.info().get("stages")
        entry = stages.get(stage) if isinstance(stages, dict) else None
        status: StageStatus | None = entry.get("status") if isinstance(entry, dict) else None
        return status

    def discard_if_empty(self) -> bool:
        """Remove a meeting that never came to hold anything; one that holds a word or a sample stays.

        Returns whether the folder is gone.
        """
        made_by_us = {self.info_file, self.transcript, self.memory, self.recording_marker, self.processing_marker}
        if set(self.folder.iterdir()) - made_by_us or (self.transcript.exists() and self.transcript.stat().st_size):
            return False
        for file in made_by_us:
            file.unlink(missing_ok=True)
        self.folder.rmdir()
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            fd = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            raise files.disk_error(self.folder, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _dump(info: Mapping[str, Any]) -> str:
    return json.dumps(info, ensure_ascii=False, indent=2) + "\n"


def speakers(meeting: Meeting, channels: int) -> tuple[str, ...]:
    """The label of each channel of a recording: what meeting.json says, else `You` and `Others`; one has none."""
    if channels == 1:
        return ("",)
    told = meeting.info().get("channels")
    labels = [entry.get("speaker", "") for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    return tuple(
        str(label) or default
        for label, default in zip([*labels, *[""] * channels], [*SPEAKERS, *[""] * channels], strict=False)
    )[:channels]
