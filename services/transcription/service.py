"""Speech to text as the app sees it: a meeting in, segments on disk and as events out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.events import Emit, SegmentReady
from services.files import JsonLines, read_json_lines
from services.hosted import HostedModel
from services.library.meeting import Meeting
from services.library.segments import Segment, read_segments
from services.models.catalogue import AUTO, EngineSpec, find_engine
from services.residency import Residency
from services.transcription.checkpoint import Checkpoint, Work, finish, take_up
from services.transcription.labels import put_labels
from services.transcription.live import Span
from services.worker.handler import Json

_WORDLESS = ("api_key", "batch", "threads", "url")
"""Options that change no word: the same model says the same, wherever its server has moved to."""

_WINDOW_SECONDS = 30.0
"""The longest stretch of audio that one step of a transcription works on."""


@dataclass(frozen=True, slots=True)
class Transcription:
    """What a transcription came to.

    Attributes:
        duration_s: Length of the audio.
        segments: How many segments were written.
        language: ISO 639-1 code of what was spoken, where that is known; else empty.
        warnings: What was wrong with the file, where it could be read all the same; why another engine took over.
        windows: How many windows of speech engines were given.
        engines: Labels of the engines that wrote it, one after another.
    """

    duration_s: float
    segments: int
    language: str = ""
    warnings: tuple[str, ...] = ()
    windows: int = 0
    engines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a meeting.

    Attributes:
        path: Where its segments go.
        spans: What to transcribe of each speaker, in seconds.
    """

    path: Path
    spans: Mapping[str, Sequence[Span]]


class Transcriber:
    """Runs the speech model over whole meetings. Used by one thread at a time.

    Args:
        stt: The speech model.
        residency: Lends it.
        emit: Receives a `SegmentReady` for every segment, after it is on disk.
    """

    def __init__(self, stt: HostedModel, residency: Residency, emit: Emit) -> None:
        self._stt = stt
        self._residency = residency
        self._emit = emit

    def transcribe(
        self,
        meeting: Meeting,
        source: Path,
        spec: EngineSpec,
        language: str,
        on_progress: Callable[[float, float, str], None],
        cancel: threading.Event,
        part: Part | None = None,
        take_over: str | None = None,
    ) -> Transcription:
        """Write the final transcript of `meeting`; where a run like this one was interrupted, go on from there.

        Args:
            meeting: Where transcript.jsonl goes.
            source: The meeting's own folder, or an audio or video file.
            spec: The engine.
            language: ISO 639-1 code.
            on_progress: Takes seconds done, seconds in all, and what is being done.
            cancel: Set it to end early; segments so far stay on disk.
            part: Transcribe this only, into a file of its own, and tell nothing of it.
            take_over: Why this engine goes on where another one stopped; None where it does not.

        Raises:
            CancelledError, AudioFileError, StorageError, ModelError, WorkerError
        """
        path = part.path if part else meeting.transcript
        spans = {speaker: list(own) for speaker, own in part.spans.items()} if part else None
        checkpoint = take_up(meeting, path, work_of(source, spec, language, spans), take_over)
        if part is None and take_over is None:
            self.tell(meeting)
        count = checkpoint.segments
        with JsonLines(path) as transcript:

            def keep(item: Json) -> None:
                nonlocal count
                segment = Segment.from_dict(item["segment"])
                item["batch"] = checkpoint.base + int(item["batch"])
                transcript.append(segment.to_dict() | {key: item[key] for key in item if key != "segment"})
                count += 1
                if part is None:
                    self._emit(SegmentReady(meeting.folder, segment, preview=False, batch=int(item["batch"])))

            with self._residency.lease(self._stt, spec.label, spec.load_args(), cancel) as stt:
                order = _order(source, _spoken(spec, language, checkpoint), checkpoint) | {"spans": spans}
                result = stt.run(
                    "transcribe",
                    order,
                    on_item=keep,
                    on_progress=on_progress,
                    step_work=_WINDOW_SECONDS,
                    cancel=cancel,
                )
                apart = part is None and spec.options is not None and spec.options.speakers
                numbers = _speakers(stt, path, on_progress, cancel) if apart else None
        if numbers is not None:
            put_labels(path, numbers)
        finish(meeting)
        return Transcription(
            float(result["duration_s"]),
            count,
            str(result["language"]),
            (*checkpoint.told, *(str(warning) for warning in result["warnings"])),
            checkpoint.base + int(result["windows"]),
            checkpoint.engines,
        )

    def tell(self, meeting: Meeting) -> None:
        """Tell the segments that the transcript of `meeting` has already."""
        for segment in read_segments(meeting.transcript):
            self._emit(SegmentReady(meeting.folder, segment, preview=False))


def _order(source: Path, language: str, checkpoint: Checkpoint) -> Json:
    """What the speech host is to transcribe, from where (see `services.transcription.host`)."""
    return {
        "path": str(source),
        "language": language,
        "from_window": checkpoint.window,
        "known": checkpoint.language,
        "covered": checkpoint.covered,
    }


def _speakers(
    stt: HostedModel, transcript: Path, on_progress: Callable[[float, float, str], None], cancel: threading.Event
) -> list[int]:
    """The speaker of each segment, by the vectors in the lines of `transcript`."""
    args = {"transcript": str(transcript)}
    told = stt.run("speakers", args, on_item=lambda _: None, on_progress=on_progress, cancel=cancel)
    return [int(number) for number in told["speakers"]]


def _spoken(spec: EngineSpec, language: str, checkpoint: Checkpoint) -> str:
    """What to tell an engine about the language: one that cannot find it out takes what was found out before it."""
    if language != AUTO or find_engine("stt", spec.engine).detects_language:
        return language
    return str((checkpoint.language or {}).get("language") or language)


def known_language(transcript: Path) -> str:
    """What has been found out of the language in a transcript in the making; `auto` where that is nothing."""
    found = ""
    for record in read_json_lines(transcript):
        state = record.get("language")
        if isinstance(state, dict):
            found = str(state.get("language") or found)
    return found or AUTO


def work_of(source: Path, spec: EngineSpec, language: str, spans: Mapping[str, Sequence[Span]] | None = None) -> Work:
    """All that the words of a transcript depend on; without the key to a server, which is a secret."""
    options = spec.options.to_dict() if spec.options else {}
    how = {"engine": spec.engine, "model": spec.model} | {key: options[key] for key in options if key not in _WORDLESS}
    return Work(source, {"language": language, "spans": spans}, how, spec.label)
