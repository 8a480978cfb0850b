"""The recording itself: one thread that takes samples from the sources and puts them on disk."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.errors import AudioFileError, CancelledError, RecorderError, SottoError, StorageError
from services.library.meeting import UNTITLED, Channel
from services.library.segments import SPEAKERS
from services.recording.chunks import Pcm
from services.recording.levels import measure
from services.recording.messages import Alert, ChannelLevel, Order, RecordingRequest, RecordingStatus
from services.recording.mixer import Mixer
from services.recording.sources import Source, open_sources
from services.recording.take import Take
from services.recording.watch import Disk, Watch

_log = logging.getLogger("sotto.capture")

_TICK_SECONDS = 0.1
_STUCK_SECONDS = 3.0
"""A tick that lasts so long waits for a disk: a warning has to be there before the sources' rings are full."""

_STUCK = Alert(
    "disk_stuck",
    "Nothing is being written: the disk does not answer.",
    "What was written is safe, but only some seconds more can wait. Look at the disk, or at the network it is on.",
    "critical",
)


class Capture:
    """One recording, from opening the sources to the finished meeting.

    Nothing is made on disk before the first sound has arrived, so a device that fails leaves no empty meeting.

    Args:
        request: What to record.
        changed: Called on the recording's thread whenever `status.state`, `status.detail` or the alerts have changed.
    """

    def __init__(self, request: RecordingRequest, changed: Callable[[], None]) -> None:
        self._request = request
        self._changed = changed
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._given_up = False
        self._tick_at = time.monotonic()
        title = request.title.strip() or UNTITLED
        self._status = RecordingStatus("starting", title=title, detail="opening the sources", pid=os.getpid())
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def status(self) -> RecordingStatus:
        """As of the last tick, and whether that was too long ago. Any thread."""
        status = self._status
        begun = status.state not in ("starting", "done", "failed")
        if begun and time.monotonic() - self._tick_at >= _STUCK_SECONDS:
            return replace(status, alerts=(_STUCK, *status.alerts))
        return status

    def start(self) -> None:
        self._thread.start()

    def obey(self, order: Order) -> None:
        """Do what a person asks for, within a tick. May be called from any thread."""
        if order.command == "stop":
            self.stop()
        else:
            self._orders.put(order)
            self._wake.set()

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
        disk = Disk(self._request)
        if disk.trouble is not None:
            raise disk.trouble
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
                take = self._begin(mixer, sources)
            self._changed()
            watch = Watch(self._request, mixer, sources, disk)
            self._write(take, mixer, watch, sources, first)
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
                raise mixer.error or AudioFileError(
                    f"{' and '.join(mixer.labels)}: no sound is in it.", "Choose another file."
                )
            if self._stopped.is_set():
                raise CancelledError("The recording was given up before it began.")
        return block

    def _tick(self) -> float:
        """Wait until there may be something to do; returns the seconds since the last time."""
        self._wake.wait(_TICK_SECONDS)
        self._wake.clear()
        before, self._tick_at = self._tick_at, time.monotonic()
        return self._tick_at - before

    def _begin(self, mixer: Mixer, sources: Sequence[Source]) -> Take:
        channels = _channels(mixer, sources)
        take = Take(self._request, self._status.title, channels)
        levels = tuple(ChannelLevel(each.source, each.speaker, device=each.device) for each in channels)
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        self._status = replace(
            self._status, state="recording", detail="", meeting=take.meeting.folder, channels=levels, started=started
        )
        return take

    def _write(self, take: Take, mixer: Mixer, watch: Watch, sources: Sequence[Source], first: Pcm) -> None:
        """Record until something ends it, then finish the meeting. An error ends it, and undoes nothing."""
        error: SottoError | None = None
        detail = ""
        try:
            self._put(take, mixer, watch, first)
            while not self._stopped.is_set() and not mixer.ended and error is None and not detail:
                self._heed(take, mixer, watch)
                self._put(take, mixer, watch, mixer.pull(self._tick()))
                error, detail = watch.trouble, watch.due
            error = error or mixer.error
            if error is not None or detail:
                take.stopped(f"Ended early: {error.message}" if error else f"Stopped by itself: {detail}")
            self._publish(state="finishing", detail="", stops_in=None)
            for source in sources:
                source.stop()
            self._put(take, mixer, watch, mixer.finish())
        except SottoError as problem:
            error = problem
        except Exception as problem:  # noqa: BLE001 - whatever it is, what has been recorded is finished in order
            error = _defect(problem)
        self._finish(take, mixer, error, detail)

    def _heed(self, take: Take, mixer: Mixer, watch: Watch) -> None:
        """Do what was asked for since the last tick."""
        while not self._orders.empty():
            order = self._orders.get()
            paused = self._status.state == "paused"
            if order.command == "pause" and not paused:
                self._put(take, mixer, watch, mixer.pause())
                take.pause()
                silent = tuple(ChannelLevel(each.source, each.speaker) for each in self._status.channels)
                self._publish(state="paused", channels=silent, alerts=(), detail="")
            elif order.command == "resume" and paused:
                mixer.resume()
                take.resume()
                self._publish(state="recording")
            elif order.command == "extend":
                watch.extend(order.seconds)
            elif order.command == "chunk":
                take.change_chunks(order.seconds)

    def _put(self, take: Take, mixer: Mixer, watch: Watch, block: Pcm) -> None:
        """Write `block`, look after the recording, and tell how it stands."""
        block = block[: watch.room(take.frames)]
        take.write(block)
        for gap in mixer.take_gaps():
            take.gap(gap)
        levels = measure(block, self._request.rate, self._status.channels) if len(block) else self._status.channels
        if self._status.state != "finishing":  # then the devices are closed
            levels = tuple(replace(each, device=name) for each, name in zip(levels, mixer.devices, strict=True))
        paused = self._status.state == "paused"
        for alert in watch.look(take, block, paused):
            take.warn(alert)
        self._publish(
            seconds=take.seconds,
            channels=levels,
            overflows=mixer.overflows,
            lost_s=mixer.overflows / self._request.rate,
            bytes=take.bytes,
            alerts=watch.alerts,
            stops_in=watch.stops_in,
        )

    def _finish(self, take: Take, mixer: Mixer, error: SottoError | None, detail: str) -> None:
        if not take.frames:
            take.discard()
            error = error or RecorderError(
                "Nothing was recorded.", "Nothing is left of it; begin again with r, or `sotto record`."
            )
            self._publish(state="failed", meeting=None, error=error, detail="", alerts=(), stops_in=None)
            return
        try:
            for gap in mixer.take_gaps():
                take.gap(gap)
            take.finish(error, detail, self._status.overflows, mixer.drift)
        except StorageError as problem:
            error = error or problem
        if error is not None:
            _log.error("ended early: %s", error)
        state = "done" if error is None else "failed"
        self._publish(
            state=state, error=error, detail=detail, alerts=(), stops_in=None, seconds=take.seconds, bytes=take.bytes
        )

    def _publish(self, **changes: Any) -> None:
        with self._gate:
            if self._given_up:
                return
            before = self._status
            self._status = now = replace(before, **changes)
        if (before.state, before.detail, before.alerts) != (now.state, now.detail, now.alerts):
            self._changed()


def _channels(mixer: Mixer, sources: Sequence[Source]) -> list[Channel]:
    """Who speaks on which channel: of two, a microphone is this side and what loudspeakers play the far end."""
    names = list(zip(mixer.labels, mixer.devices, strict=True))
    if len(names) == 1:
        return [Channel(names[0][0], "", names[0][1])]
    first_is_far = sources[0].monitor and not sources[-1].monitor
    speakers = SPEAKERS[::-1] if first_is_far else SPEAKERS
    return [Channel(label, speaker, device) for (label, device), speaker in zip(names, speakers, strict=True)]


def _defect(error: Exception) -> RecorderError:
    """For the log in full, for a person in a sentence."""
    _log.error("the recording failed", exc_info=error)
    return RecorderError(
        f"A defect of sotto has ended it ({type(error).__name__}: {error}).",
        "Whatever was recorded until then is on disk, and `sotto recover` finds it. recorder.log has the details.",
    )
