"""What services tell: frozen facts, in order. Whoever builds a service passes one `emit` that takes them.

Figures that change all the time (levels, progress, memory) are not events: services keep the latest value and the
screen fetches it when it paints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.errors import SottoError
from services.library.segments import Segment
from services.memory.alert import MemoryAlert
from services.memory.optimization import Optimization

Stage = Literal["record", "transcribe", "summarize", "archive"]
"""The stages of a meeting, in order. A later stage that fails never undoes an earlier one."""

StageStatus = Literal["waiting", "running", "done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """A model (`stt` or `llm`) went from one lifecycle state to another."""

    model: str
    engine: str
    old: str
    new: str
    reason: str = ""
    freed_mb: float | None = None


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    """A recorder is at work; `attached` when it was found running rather than started by us."""

    meeting: Path
    title: str
    attached: bool = False


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """The recording is complete on disk, or ended early because of `error`; either way `seconds` are safe.

    `reason` says why it ended by itself; empty when somebody ended it.
    """

    meeting: Path
    seconds: float
    error: SottoError | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CaptionChanged:
    """The words of an utterance that is still going on; they may change. Empty: it is over."""

    meeting: Path
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class SegmentReady:
    """A segment is on disk: a caption that is finished (`preview`), or one of the final transcript.

    Those of the last `batch` may be replaced when another engine takes over; None where that cannot be.
    """

    meeting: Path
    segment: Segment
    preview: bool
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class StageChanged:
    """A stage of a meeting's processing went on. `detail` says why it failed, waits or was skipped."""

    meeting: Path
    stage: Stage
    status: StageStatus
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SummaryDelta:
    """The next piece of a summary that is being written."""

    meeting: Path
    text: str


@dataclass(frozen=True, slots=True)
class SummaryReady:
    """The summary is on disk; `markdown` is all of it."""

    meeting: Path
    markdown: str


@dataclass(frozen=True, slots=True)
class MeetingFinished:
    """All stages have ended."""

    meeting: Path
    title: str
    ok: bool


@dataclass(frozen=True, slots=True)
class ModelHandled:
    """The files of a model were downloaded, verified or removed (`pull`, `verify`, `remove`).

    `detail` says how it went, `error` why it did not.
    """

    model: str
    task: str
    detail: str
    error: SottoError | None = None


@dataclass(frozen=True, slots=True)
class FellBack:
    """The work goes on with a smaller model than the one that was chosen.

    Attributes:
        model: The job: `stt` or `llm`.
        old: Label of the engine that did not do.
        new: Label of the one that goes on.
        reason: Why, one sentence.
        meeting: The meeting that is worked on, or recorded.
    """

    model: str
    old: str
    new: str
    reason: str
    meeting: Path


@dataclass(frozen=True, slots=True)
class MemoryAlerted:
    """Something is wrong with the memory, got worse, or is over (`alert.resolved`)."""

    alert: MemoryAlert


@dataclass(frozen=True, slots=True)
class Optimized:
    """Something was done about a shortage of memory, or taken back."""

    result: Optimization


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Other settings hold from now on.

    Attributes:
        preset: Title of the preset in force.
        changed: Keys of what has another value now, as `SECTION.FIELD`.
    """

    preset: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Something that a person wanted did not happen."""

    error: SottoError


Event = (
    ModelChanged
    | RecordingStarted
    | RecordingStopped
    | CaptionChanged
    | SegmentReady
    | StageChanged
    | SummaryDelta
    | SummaryReady
    | MeetingFinished
    | ModelHandled
    | FellBack
    | MemoryAlerted
    | Optimized
    | SettingsChanged
    | Failed
)
Emit = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work is. `total` is 0 where nobody can know it."""

    what: str
    done: float
    total: float

    @property
    def fraction(self) -> float | None:
        return min(1.0, self.done / self.total) if self.total > 0 else None
