"""Live captions: while a recording runs, the speech model follows its chunks on disk."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from services.errors import CancelledError, SottoError, StorageError, WorkerDiedError
from services.events import CaptionChanged, Emit, Failed, FellBack, SegmentReady
from services.fallback import SHORT_OF_MEMORY, Interrupt
from services.files import JsonLines, disk_error
from services.hosted import HostedModel
from services.library.meeting import Meeting
from services.library.segments import Segment
from services.memory.probe import system
from services.models.catalogue import EngineSpec
from services.models.ladder import next_smaller
from services.residency import Residency
from services.transcription.live import position
from services.worker.handler import Json

_log = logging.getLogger(__name__)

_RESTARTS = 2
"""A speech process that dies is started again so often, then the meeting goes on without captions."""

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """How close captions follow, in seconds.

    Attributes:
        update_s: So much new speech is worth working an open utterance out again.
        skip_s: Captions that are so far behind skip ahead.
    """

    update_s: float = 0.4
    skip_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Wish:
    """How captions are to be.

    Attributes:
        spec: The engine; None while there are to be none.
        language: ISO 639-1 code, or `auto`.
        pace: How close they follow.
        auto_fallback: A smaller engine goes on where this one is short of memory.
    """

    spec: EngineSpec | None
    language: str
    pace: Pace
    auto_fallback: bool


class Captions:
    """Follows one recording at a time, on a thread of its own. Never touches the recording itself.

    Args:
        stt: The speech model.
        residency: Lends it; captions wait while another meeting is being processed, and catch up from disk.
        emit: Receives `CaptionChanged`, `SegmentReady` with `preview=True`, and `FellBack`.
    """

    def __init__(self, stt: HostedModel, residency: Residency, emit: Emit) -> None:
        self._stt = stt
        self._residency = residency
        self._emit = emit
        self._lock = threading.Lock()
        self._end = threading.Event()  # of the run at hand: each has its own, so that none is ended for another
        self._turn = Interrupt(self._end)  # likewise; each engine of it has one
        self._wish: _Wish | None = None
        self._asked: _Wish | None = None  # what the wish was before models gave up
        self._instead: dict[tuple[str, str], EngineSpec] = {}  # of models that had too little memory
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(
        self,
        folder: Path,
        spec: EngineSpec | None,
        language: str,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        auto_fallback: bool = True,
    ) -> None:
        """Begin to follow the recording in `folder`, when the captions of the one before have ended.

        Args:
            folder: The meeting.
            spec: The engine; None to wait until `change` names one.
            language: ISO 639-1 code, or `auto`.
            pace: How close to follow.
            auto_fallback: Go on with a smaller engine where this one is short of memory.
        """
        self.stop()
        with self._lock:
            if self._closed:
                return
            self._end = threading.Event()
            self._turn = Interrupt(self._end)
            self._wish = self._asked = _Wish(spec, language, pace, auto_fallback)
            self._instead = {}
            arguments = (Meeting(folder), self._end)
            self._thread = threading.Thread(target=self._run, args=arguments, name="captions", daemon=True)
            self._thread.start()

    def change(
        self,
        spec: EngineSpec | None,
        language: str,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        auto_fallback: bool = True,
    ) -> None:
        """Follow on with another engine from where the captions are; where there are none now, nothing happens.

        Returns at once. The arguments are those of `start`. While `spec` is None there are no captions, and the model
        goes; what is said meanwhile is transcribed after the stop. A model that had too little memory before is not
        tried again: what took over from it goes on, with the new options. Captions that were given up are tried again.
        """
        asked = _Wish(spec, language, pace, auto_fallback)
        with self._lock:
            if self._wish is None or asked == self._asked:
                return
            self._asked = asked
            while spec is not None and (smaller := self._instead.get((spec.engine, spec.model))) is not None:
                spec = replace(smaller, options=spec.options)
            wish = replace(asked, spec=spec)
            if wish != self._wish:
                self._wish = wish
                self._turn.set()

    def end(self) -> None:
        """Ask the captions to end, and do not wait until they have."""
        with self._lock:
            self._end.set()
            self._turn.set()  # wakes who waits for a change

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

    def _run(self, meeting: Meeting, end: threading.Event) -> None:
        try:
            with JsonLines(meeting.live) as live:
                self._watch(meeting, live, end)
                self._follow_on(meeting, live, end)
        except CancelledError:
            _log.info("the captions were ended before the model was ready, or heeded it too late")
        except SottoError as error:
            self._emit(no_captions(error))
        except OSError as error:  # the folder was moved away while another program wrote the captions
            self._emit(no_captions(disk_error(meeting.live, error)))
        finally:
            with self._lock:
                if self._end is end:
                    self._wish = None

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

    def _follow_on(self, meeting: Meeting, live: JsonLines, end: threading.Event) -> None:
        """Follow with one engine after another until the recording ends."""
        restarts = 0
        while not end.is_set():
            wish, turn = self._next(end)
            if wish.spec is None:
                self._residency.unload_all("captions are paused")
                turn.wait()
                continue
            try:
                with self._residency.lease(self._stt, wish.spec.label, wish.spec.load_args(), turn):
                    self._follow(meeting, live, wish, turn)
                if not turn.own:
                    return
            except CancelledError:
                if end.is_set() or not turn.own:
                    raise
            except StorageError:
                raise  # where captions are written nothing can be, whoever makes them
            except SottoError as error:
                if self._fell_back(meeting, wish, error):
                    continue
                restarts += 1
                if restarts <= _RESTARTS and isinstance(error, WorkerDiedError):
                    _log.warning("the speech process died while following; starting it again", exc_info=True)
                    continue
                restarts = 0
                self._give_up(wish, error)

    def _next(self, end: threading.Event) -> tuple[_Wish, Interrupt]:
        """How captions are to be from now on, and what tells that this has changed."""
        with self._lock:
            assert self._wish is not None
            if self._end is end:
                self._turn = Interrupt(end)
            return self._wish, self._turn

    def _fell_back(self, meeting: Meeting, wish: _Wish, error: SottoError) -> bool:
        """Let a smaller engine follow where this one was short of memory; returns whether there is one."""
        if wish.spec is None or not wish.auto_fallback or not isinstance(error, SHORT_OF_MEMORY):
            return False
        smaller = next_smaller("stt", wish.spec, wish.language, available_mb=system().available)
        if smaller is None or (smaller.engine, smaller.model) in self._instead:  # it had too little before
            return False
        with self._lock:
            self._instead[wish.spec.engine, wish.spec.model] = smaller
            if self._wish == wish:  # else somebody has named another one meanwhile
                self._wish = replace(wish, spec=smaller)
        self._emit(FellBack("stt", wish.spec.label, smaller.label, error.message, meeting.folder))
        return True

    def _give_up(self, wish: _Wish, error: SottoError) -> None:
        """There are no captions before somebody wants them in another way."""
        with self._lock:
            if self._wish == wish:
                self._wish = replace(wish, spec=None)
        self._emit(no_captions(error))

    def _follow(self, meeting: Meeting, live: JsonLines, wish: _Wish, turn: threading.Event) -> None:
        reached = position(meeting.live)
        open_speakers: set[str] = set()

        def show(item: Json) -> None:
            nonlocal reached
            if "heard" in item:
                segments = [Segment.from_dict(data) for data in item["segments"]]
                live.append(*(segment.to_dict() for segment in segments), {"heard": item["heard"]})
                reached = reached.after(item)
                for segment in segments:
                    open_speakers.discard(segment.speaker)
                    self._emit(CaptionChanged(meeting.folder, segment.speaker, ""))
                    self._emit(SegmentReady(meeting.folder, segment, preview=True))
            elif "partial" in item and not turn.is_set():
                speaker, text = str(item["partial"]["speaker"]), str(item["partial"]["text"])
                open_speakers.add(speaker)
                self._emit(CaptionChanged(meeting.folder, speaker, text))
            elif "skipped" in item:
                live.append({"skipped": item["skipped"]})
                reached = reached.after(item)

        try:
            self._stt.run(
                "follow",
                {
                    "meeting": str(meeting.folder),
                    "language": wish.language,
                    "from_s": reached.start,
                    "heard": reached.heard,
                    "update_s": wish.pace.update_s,
                    "skip_s": wish.pace.skip_s,
                },
                on_item=show,
                on_progress=lambda *_: None,
                cancel=turn,
            )
        finally:
            for speaker in open_speakers:
                self._emit(CaptionChanged(meeting.folder, speaker, ""))


def no_captions(error: SottoError) -> Failed:
    """What tells that a recording goes on without captions."""
    return Failed(type(error)(f"No captions: {error.message}", f"The recording goes on. {error.hint}".rstrip()))


def _segment(line: bytes) -> Segment | None:
    """The segment in a line of live.jsonl; None for a line of another kind."""
    try:
        return Segment.from_dict(json.loads(line))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return None
