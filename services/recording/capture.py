"""The recording itself: one thread that takes samples from the sources and puts them on disk."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from services.errors import AudioFileError, CancelledError, RecorderError, SottoError, StorageError
from services.library.meeting import UNTITLED, Channel, Meeting
from services.recording.chunks import ChunkWriter, Pcm, chunk_frames
from services.recording.levels import measure
from services.recording.messages import ChannelLevel, Order, RecordingRequest, RecordingStatus
from services.recording.mixer import Mixer
from services.recording.sources import Source, open_sources

_log = logging.getLogger("sotto.capture")

_TICK_SECONDS = 0.1
_SPEAKERS = ("You", "Others")
"""Of two channels the first is this side's microphone, the second is the far end."""


class Capture:
    """One recording, from opening the sources to the finished meeting.

    Nothing is made on disk before the first sound has arrived, so a device that fails leaves no empty meeting.

    Args:
        request: What to record.
        changed: Called on the recording's thread whenever `status.state` or `status.detail` has changed.
    """

    def __init__(self, request: RecordingRequest, changed: Callable[[], None]) -> None:
        self._request = request
        self._changed = changed
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._gate = threading.Lock()
        self._given_up = False
        self._tick_at = time.monotonic()
        title = request.title.strip() or UNTITLED
        self._status = RecordingStatus("starting", title=title, detail="opening the sources", pid=os.getpid())
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def status(self) -> RecordingStatus:
        """As of the last tick."""
        return self._status

    def start(self) -> None:
        self._thread.start()

    def obey(self, order: Order) -> None:
        """Do what a person asks for."""
        if order.command == "stop":
            self.stop()

    def stop(self) -> None:
        """End the recording in order; before it has begun: give it up."""
        self._stopped.set()
        self._wake.set()
        with self._gate:
            # The thread may hang in a device that does not open. Nothing is on disk, so nobody has to wait for it.
            if self._status.state == "starting" and not self._given_up:
                self._given_up = True
                error = CancelledError("The recording was given up before it began.")
                self._status = replace(self._status, state="failed", detail="", error=error)

    def _run(self) -> None:
        try:
            self._record()
        except SottoError as error:
            self._publish(state="failed", error=error, detail="")
        except Exception as error:  # noqa: BLE001 - a defect must end as an error that is told, not as a dead thread
            self._publish(state="failed", error=_defect(error), detail="")

    def _record(self) -> None:
        sources = open_sources(self._request, self._wake)
        try:
            self._publish(detail=f"waiting for sound from {' and '.join(self._request.sources)}")
            for source in sources:
                source.start()
            mixer = Mixer(sources, self._request.rate)
            first = self._first(mixer)
            with self._gate:
                if self._given_up:
                    return
                meeting = self._create(mixer)
            self._changed()
            self._write(meeting, mixer, sources, first)
        finally:
            for source in sources:
                source.stop()

    def _first(self, mixer: Mixer) -> Pcm:
        """Wait for the first samples.

        Raises:
            SottoError: None will come.
        """
        self._tick_at = time.monotonic()
        while not len(block := mixer.pull(self._tick())):
            if mixer.ended:
                raise mixer.error or AudioFileError(f"{' and '.join(mixer.labels)} holds no samples.")
            if self._stopped.is_set():
                raise CancelledError("The recording was given up before it began.")
        return block

    def _tick(self) -> float:
        """Wait until there may be something to do; returns the seconds since the last time."""
        self._wake.wait(_TICK_SECONDS)
        self._wake.clear()
        before, self._tick_at = self._tick_at, time.monotonic()
        return self._tick_at - before

    def _create(self, mixer: Mixer) -> Meeting:
        speakers = _SPEAKERS if mixer.channels > 1 else ("",)
        channels = [Channel(label, speaker) for label, speaker in zip(mixer.labels, speakers, strict=True)]
        request = self._request
        info = {
            "rate": request.rate,
            "channels": [asdict(channel) for channel in channels],
            "chunk_frames": chunk_frames(request.rate, request.chunk_seconds),
            # This tells an interrupted recording: `running`, and that process is no recorder.
            "stages": {"record": {"status": "running", "pid": os.getpid()}},
        }
        meeting = Meeting.create(request.folder, self._status.title, info)
        levels = tuple(ChannelLevel(channel.source, channel.speaker) for channel in channels)
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        self._status = replace(
            self._status, state="recording", detail="", meeting=meeting.folder, channels=levels, started=started
        )
        return meeting

    def _write(self, meeting: Meeting, mixer: Mixer, sources: Sequence[Source], first: Pcm) -> None:
        """Record until something ends it, then finish the meeting. An error ends it, and undoes nothing."""
        request = self._request
        error: SottoError | None = None
        detail = ""
        try:
            writer = ChunkWriter(meeting.audio, request.rate, mixer.channels, request.chunk_seconds)
        except StorageError:
            meeting.discard_if_empty()
            self._publish(meeting=None)
            raise
        try:
            self._put(writer, mixer, first)
            while not self._stopped.is_set() and writer.frames < self._limit:
                if mixer.ended:
                    error = mixer.error
                    break
                self._put(writer, mixer, mixer.pull(self._tick()))
            detail = mixer.detail
            self._publish(state="finishing", detail="")
            for source in sources:
                source.stop()
            self._put(writer, mixer, mixer.finish())
        except SottoError as problem:
            error = problem
        except Exception as problem:  # noqa: BLE001 - whatever it is, what has been recorded is finished in order
            error = _defect(problem)
        self._finish(meeting, writer, error, detail)

    @property
    def _limit(self) -> float:
        """Frames after which the recording is complete."""
        seconds = self._request.seconds
        return math.inf if seconds is None else max(1, round(seconds * self._request.rate))

    def _put(self, writer: ChunkWriter, mixer: Mixer, block: Pcm) -> None:
        block = block[: int(min(len(block), self._limit - writer.frames))]
        writer.write(block)
        levels = measure(block, self._request.rate, self._status.channels) if len(block) else self._status.channels
        self._publish(
            seconds=writer.frames / self._request.rate,
            channels=levels,
            overflows=mixer.overflows,
            bytes=writer.bytes,
            detail=mixer.detail if self._status.state == "recording" else self._status.detail,
        )

    def _finish(self, meeting: Meeting, writer: ChunkWriter, error: SottoError | None, detail: str) -> None:
        if not writer.frames:
            self._discard(meeting, writer)
            self._publish(state="failed", error=error or RecorderError("Nothing was recorded."), detail="")
            return
        try:
            writer.close()
            meeting.update(duration_s=round(writer.frames / self._request.rate, 3), overflows=self._status.overflows)
            meeting.set_stage("record", "done", error.message if error else detail)
        except StorageError as problem:
            error = error or problem
        if error is not None:
            _log.error("ended early: %s", error)
        self._publish(
            state="done" if error is None else "failed",
            error=error,
            detail="",
            seconds=writer.frames / self._request.rate,
            bytes=writer.bytes,
        )

    def _discard(self, meeting: Meeting, writer: ChunkWriter) -> None:
        """Remove a meeting whose first sample could not be written."""
        writer.discard()
        meeting.discard_if_empty()
        self._publish(meeting=None)

    def _publish(self, **changes: Any) -> None:
        with self._gate:
            if self._given_up:
                return
            before = self._status
            self._status = replace(before, **changes)
        if (before.state, before.detail) != (self._status.state, self._status.detail):
            self._changed()


def _defect(error: Exception) -> RecorderError:
    """For the log in full, for a person in a sentence."""
    _log.error("the recording failed", exc_info=error)
    return RecorderError(f"{type(error).__name__}: {error}.", "recorder.log has the details.")
