"""What a recording leaves on disk: the meeting's folder, its marker, its chunks, and the journal of what happened."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.errors import SottoError, StorageError
from services.library.marker import Marker
from services.library.meeting import Channel, Meeting
from services.library.moments import Journal, Kind
from services.library.repair import restore
from services.recording.chunks import ChunkWriter, Pcm, chunk_frames
from services.recording.messages import ONLY_RECORDED, Alert, RecordingRequest
from services.recording.mixer import Drift, Gap
from services.text import clock

_log = logging.getLogger("sotto.take")


class Take:
    """One recording on disk. One thread uses it.

    Args:
        request: What is recorded.
        title: What the meeting is called.
        channels: The channels, in order.

    Raises:
        StorageError: The folder cannot be written; nothing is left of it.
    """

    def __init__(self, request: RecordingRequest, title: str, channels: Sequence[Channel]) -> None:
        info: dict[str, Any] = {
            "rate": request.rate,
            "channels": [asdict(channel) for channel in channels],
            "chunk_frames": chunk_frames(request.rate, request.chunk_seconds),
            "stages": {"record": {"status": "running", "pid": os.getpid()}},
        }
        if request.only:
            info["stages"]["transcribe"] = {"status": "skipped", "detail": ONLY_RECORDED}
        self.meeting = Meeting.create(request.folder, title, info)
        self._info = self.meeting.info()
        self._rate = request.rate
        self._journal = Journal(self.meeting)
        self._paused_s = 0.0
        self._paused_at: float | None = None
        try:
            self._marker = Marker(self.meeting.recording_marker)
            self._writer = ChunkWriter(self.meeting.audio, request.rate, len(channels), request.chunk_seconds)
        except StorageError:
            self.meeting.discard_if_empty()
            raise

    @property
    def frames(self) -> int:
        return self._writer.frames

    @property
    def seconds(self) -> float:
        return self._writer.frames / self._rate

    @property
    def bytes(self) -> int:
        return self._writer.bytes

    def write(self, block: Pcm) -> None:
        """Append samples, int16 (frames, channels).

        Raises:
            StorageError: The disk refused; what was written before stays.
        """
        self._writer.write(block)

    def change_chunks(self, seconds: float) -> None:
        """Write files of another length, from the next one on."""
        _log.info("chunks of %g s from the next one on", seconds)
        self._writer.change(seconds)

    def pause(self) -> None:
        """A person pauses the recording here."""
        self._paused_at = time.monotonic()
        self._note("pause", f"Paused at {datetime.now():%H:%M:%S}")

    def resume(self) -> None:
        """It goes on, where it stood."""
        seconds = self._end_pause()
        self._note("resume", f"Resumed at {datetime.now():%H:%M:%S}, after {clock(seconds)}", seconds)

    def _end_pause(self) -> float:
        """Count the pause, if there is one; returns its length in seconds."""
        seconds = 0.0 if self._paused_at is None else time.monotonic() - self._paused_at
        self._paused_at = None
        self._paused_s += seconds
        return seconds

    def gap(self, gap: Gap) -> None:
        """A device delivered nothing for a while; silence stands in its place."""
        seconds = gap.frames / self._rate
        text = f"{gap.label}: no sound for {seconds:.1f} s, {gap.reason}"
        self._note("gap", text, seconds, gap.at / self._rate)

    def warn(self, alert: Alert) -> None:
        self._note("warning", alert.message)

    def stopped(self, how: str) -> None:
        """It ends, and nobody asked for that now; `how` is a sentence for the transcript."""
        self._note("stop", how)

    def _note(self, kind: Kind, text: str, seconds: float = 0.0, at_s: float | None = None) -> None:
        """Into the journal. When the disk refuses that, the samples matter more, and they will tell."""
        _log.info("%s", text)
        try:
            self._journal.add(kind, self.seconds if at_s is None else at_s, text, seconds)
        except StorageError as error:
            _log.warning("not in the journal: %s", error)

    def finish(self, error: SottoError | None, detail: str, overflows: int, drift: Sequence[Drift]) -> None:
        """End it in order: nobody takes it for unfinished any more.

        Args:
            error: Why it ended early, if it did.
            detail: What is to be known of it; `error` comes first.
            overflows: Frames that were lost.
            drift: What the devices' clocks were off by.

        Raises:
            StorageError: The disk refused. The samples are there; the meeting counts as cut off.
        """
        self._end_pause()
        self._journal.close()
        self._writer.close()
        restore(self.meeting, self._info)  # whatever somebody did to it meanwhile
        if self._writer.layout.changes:
            self.meeting.update(chunk_changes=[list(change) for change in self._writer.layout.changes])
        self.meeting.update(
            duration_s=round(self.seconds, 3),
            overflows=overflows,
            paused_s=round(self._paused_s, 3),
            drift=[asdict(each) for each in drift],
        )
        self.meeting.set_stage("record", "done", error.message if error else detail)
        self._marker.remove()

    def discard(self) -> None:
        """Remove it: not a single sample could be written."""
        self._journal.close()
        self._writer.discard()
        self._marker.remove()
        self.meeting.discard_if_empty()
