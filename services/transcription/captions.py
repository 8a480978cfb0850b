"""Live captions: while a recording runs, the speech model follows its chunks on disk."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

from services.errors import CancelledError, SottoError, WorkerDiedError
from services.events import CaptionChanged, Emit, Failed, SegmentReady
from services.files import JsonLines, disk_error
from services.hosted import HostedModel
from services.library.meeting import Meeting
from services.library.segments import Segment
from services.models.catalogue import EngineSpec
from services.residency import Residency
from services.transcription.live import position
from services.worker.handler import Json

_log = logging.getLogger(__name__)

_RESTARTS = 2
"""A speech process that dies is started again so often, then the meeting goes on without captions."""

_LOOK_SECONDS = 0.5


class Captions:
    """Follows one recording at a time, on a thread of its own. Never touches the recording itself.

    Args:
        stt: The speech model.
        residency: Lends it; captions wait while another meeting is being processed, and catch up from disk.
        emit: Receives `CaptionChanged`, and `SegmentReady` with `preview=True`.
    """

    def __init__(self, stt: HostedModel, residency: Residency, emit: Emit) -> None:
        self._stt = stt
        self._residency = residency
        self._emit = emit
        self._lock = threading.Lock()
        self._end = threading.Event()  # of the run at hand: each has its own, so that none is ended for another
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self, folder: Path, spec: EngineSpec, language: str) -> None:
        """Begin to follow the recording in `folder`, when the captions of the one before have ended."""
        self.stop()
        with self._lock:
            if self._closed:
                return
            self._end = threading.Event()
            arguments = (Meeting(folder), spec, language, self._end)
            self._thread = threading.Thread(target=self._run, args=arguments, name="captions", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Ask the captions to end, and do not wait until they have."""
        with self._lock:
            self._end.set()

    def stop(self) -> None:
        """End the captions; returns when the speech model is free again."""
        self.end()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def close(self) -> None:
        """End the captions for good."""
        with self._lock:
            self._closed = True
        self.stop()

    def _run(self, meeting: Meeting, spec: EngineSpec, language: str, end: threading.Event) -> None:
        try:
            with JsonLines(meeting.live) as live:
                self._watch(meeting, live, end)
                if not end.is_set():
                    with self._residency.lease(self._stt, spec.label, spec.load_args(), end):
                        self._follow(meeting, live, language, end)
        except CancelledError:
            _log.info("the captions were ended before the model was ready, or heeded it too late")
        except SottoError as error:
            self._emit(no_captions(error))
        except OSError as error:  # the folder was moved away while another program wrote the captions
            self._emit(no_captions(disk_error(meeting.live, error)))

    def _watch(self, meeting: Meeting, live: JsonLines, end: threading.Event) -> None:
        """Show what another program understands, as long as there is one: two would write every word twice."""
        known = meeting.live.stat().st_size
        while not live.lock() and not end.wait(_LOOK_SECONDS):
            with meeting.live.open("rb") as file:
                file.seek(known)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    known += len(line)
                    segment = _segment(line)
                    if segment is not None:
                        self._emit(SegmentReady(meeting.folder, segment, preview=True))

    def _follow(self, meeting: Meeting, live: JsonLines, language: str, end: threading.Event) -> None:
        reached = position(meeting.live)

        def show(item: Json) -> None:
            nonlocal reached
            if "heard" in item:
                segments = [Segment.from_dict(data) for data in item["segments"]]
                live.append(*(segment.to_dict() for segment in segments), {"heard": item["heard"]})
                reached = reached.after(item)
                for segment in segments:
                    self._emit(CaptionChanged(meeting.folder, segment.speaker, ""))
                    self._emit(SegmentReady(meeting.folder, segment, preview=True))
            elif "partial" in item and not end.is_set():
                partial = item["partial"]
                self._emit(CaptionChanged(meeting.folder, str(partial["speaker"]), str(partial["text"])))
            elif "skipped" in item:
                live.append({"skipped": item["skipped"]})
                reached = reached.after(item)

        for attempt in range(_RESTARTS + 1):
            try:
                self._stt.load_model(end)
                self._stt.run(
                    "follow",
                    {
                        "meeting": str(meeting.folder),
                        "language": language,
                        "from_s": reached.start,
                        "heard": reached.heard,
                    },
                    on_item=show,
                    on_progress=lambda *_: None,
                    cancel=end,
                )
                return
            except WorkerDiedError:
                if attempt == _RESTARTS:
                    raise
                _log.warning("the speech process died while following; starting it again", exc_info=True)


def no_captions(error: SottoError) -> Failed:
    """What tells that a recording goes on without captions."""
    return Failed(type(error)(f"No captions: {error.message}", f"The recording goes on. {error.hint}".rstrip()))


def _segment(line: bytes) -> Segment | None:
    """The segment in a line of live.jsonl; None for a line of another kind."""
    try:
        return Segment.from_dict(json.loads(line))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return None
