"""The transcript as its own checkpoint: what an interrupted run wrote is kept, and the next run goes on from there.

Each line of a transcript in the making says to which `batch` of windows it belongs: the number of the first window of
it. Between two batches nothing is held back, neither audio nor words, so a run that begins there writes the same as one
that came there by itself. The last batch in the file may be cut off, so it is done again.

Another engine cuts other windows. So the first line of a batch says, too, how far each speaker is covered by the
batches before it: from there on, in silence, another engine goes on, and no word is doubled or lost. meeting.json
remembers where the engine at hand began (`base`, `covered`), and which ones had a part in the transcript.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services import __version__
from services.errors import StorageError
from services.files import disk_error
from services.library.meeting import Meeting
from services.library.segments import Segment

_KEY = "checkpoint"


@dataclass(frozen=True, slots=True)
class Work:
    """What a transcript comes from, and who works on it.

    Attributes:
        source: What is transcribed.
        what: What the words depend on, whichever engine understands them: the language, the spans.
        how: What else they depend on: the engine, its options. Must not hold secrets.
        label: What the screen calls the engine.
    """

    source: Path
    what: Mapping[str, Any]
    how: Mapping[str, Any]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a transcription goes on.

    Attributes:
        window: Number of the first window to do, among those of the engine at hand.
        segments: How many segments of the transcript are kept.
        language: What was known there of the language that is spoken, where that is found out; else None.
        base: How many windows came before the first one of the engine at hand.
        covered: How far each speaker was covered when it began, in seconds; empty: not at all.
        engines: Labels of all that have a part in the transcript, the one at hand last.
        told: Why one took over from another.
    """

    window: int = 0
    segments: int = 0
    language: Mapping[str, Any] | None = None
    base: int = 0
    covered: Mapping[str, float] = field(default_factory=dict)
    engines: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _State:
    """What meeting.json remembers.

    Attributes:
        of: Fingerprint of what is transcribed.
        keys: Fingerprints of the engines that worked on it, the one at hand last.
        kept: How many segments there were when the engine at hand began.
        language: What was known of the language then.
        base, covered, engines, told: See `Checkpoint`.
    """

    of: str
    keys: tuple[str, ...]
    kept: int = 0
    base: int = 0
    covered: Mapping[str, float] = field(default_factory=dict)
    language: Mapping[str, Any] | None = None
    engines: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def taken_over(self, batch: _Batch, key: str, label: str, why: str) -> _State | None:
        """The state when another engine begins with `batch`; None where nothing tells how far the lines reach."""
        if batch.covered is None:
            return None
        parts = self.engines if batch.segments > self.kept else self.engines[:-1]
        return _State(
            self.of,
            (*(each for each in self.keys if each != key), key),
            batch.segments,
            batch.number,
            batch.covered,
            batch.language or self.language,
            parts if parts[-1:] == (label,) else (*parts, label),
            (*self.told, why) if why else self.told,
        )

    def checkpoint(self, batch: _Batch) -> Checkpoint:
        """Where the engine at hand goes on, with `batch`."""
        done, known = batch.number - self.base, batch.language or self.language
        return Checkpoint(done, batch.segments, known, self.base, self.covered, self.engines, self.told)


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch of a file.

    Attributes:
        number: Of its first window.
        place: Where its lines begin in the file, in bytes.
        segments: How many are before it.
        language: What was known of the language at its beginning.
        covered: How far the speakers were covered there, in seconds; None where nobody knows.
    """

    number: int
    place: int
    segments: int
    language: Mapping[str, Any] | None
    covered: Mapping[str, float] | None


def take_up(meeting: Meeting, transcript: Path, work: Work, take_over: str | None = None) -> Checkpoint:
    """Bring a transcript in the making back to the end of its last whole batch.

    What came from another source, in another language or by another sotto is of no use: then it begins anew. What
    another engine wrote is kept where this one is to take over from it, or has had a part in it before.

    Args:
        meeting: Its meeting.json remembers how its transcript came to be.
        transcript: The file, in the folder of `meeting`.
        work: What is to be done.
        take_over: Why this engine takes over from another one; None where it is not to.

    Raises:
        StorageError: The transcript cannot be read or written.
    """
    of, key = _fingerprint(work.source, work.what), _fingerprint(work.source, {**work.what, **work.how})
    before = _read(meeting)
    if before is not None and before.of == of and (key in before.keys or take_over is not None):
        batch = _last_batch(transcript, before)
        if batch is not None:
            state = before if key == before.keys[-1] else before.taken_over(batch, key, work.label, take_over or "")
            if state is not None:
                _cut(transcript, batch.place)
                # Only now: lines that another engine wrote must not be taken for those of this one.
                if state != before:
                    _write(meeting, state)
                return state.checkpoint(batch)
    _unlink(transcript)
    state = _State(of, (key,), engines=(work.label,))
    _write(meeting, state)
    return state.checkpoint(_Batch(0, 0, 0, None, {}))


def finish(meeting: Meeting) -> None:
    """The transcript is whole: nothing goes on from it any more."""
    meeting.update(**{_KEY: None})


def _read(meeting: Meeting) -> _State | None:
    """What meeting.json remembers; None where that is nothing, or was written by another sotto."""
    found: Any = meeting.info().get(_KEY)
    try:
        *before, last = (str(key) for key in found["keys"])
        return _State(
            str(found["of"]),
            (*before, last),
            int(found["kept"]),
            int(found["base"]),
            _covered(found) or {},
            _language(found),
            tuple(str(label) for label in found["engines"]),
            tuple(str(why) for why in found["told"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _write(meeting: Meeting, state: _State) -> None:
    meeting.update(**{_KEY: asdict(state)})


def _last_batch(transcript: Path, state: _State) -> _Batch | None:
    """The last batch of the engine at hand, or the place where its first one belongs; None where what was kept of the
    engines before it is not there any more."""
    batch: _Batch | None = None
    place, count = 0, 0
    for line in _lines(transcript):
        try:
            record = json.loads(line)
            Segment.from_dict(record)
            number = int(record["batch"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            break
        if count >= state.kept:
            if number < (state.base if batch is None else batch.number):
                break
            if batch is None or number > batch.number:
                covered = state.covered if number == state.base else _covered(record)
                batch = _Batch(number, place, count, _language(record), covered)
        place += len(line)
        count += 1
    if count < state.kept:
        return None
    return batch or _Batch(state.base, place, count, state.language, state.covered)


def _covered(record: Mapping[str, Any]) -> dict[str, float] | None:
    found = record.get("covered")
    if not isinstance(found, dict):
        return None
    return {speaker: float(end) for speaker, end in found.items() if isinstance(end, int | float)}


def _language(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = record.get("language")
    return found if isinstance(found, dict) else None


def _lines(transcript: Path) -> Iterator[bytes]:
    try:
        with transcript.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{transcript} cannot be read: {error.strerror}.", "Look at its permissions.") from error


def _cut(transcript: Path, place: int) -> None:
    """Cut everything off from `place` on, for good."""
    try:
        fd = os.open(transcript, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, place)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise disk_error(transcript, error) from error


def _unlink(transcript: Path) -> None:
    try:
        transcript.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(transcript, error) from error


def _fingerprint(source: Path, what: Mapping[str, Any]) -> str:
    stamp: list[int] = []
    if source.is_file():
        there = source.stat()
        stamp = [there.st_size, there.st_mtime_ns]
    text = json.dumps([__version__, str(source.name), stamp, what], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
