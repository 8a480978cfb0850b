"""What the app knows: facts from events (`Situation`), and figures that it fetches when it paints (`Figures`).

Both are frozen: panels paint from them and never change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from services.errors import (
    AudioFileError,
    CancelledError,
    DeviceError,
    RecorderError,
    SottoError,
    StorageError,
    UsageError,
)
from services.events import FellBack, ModelChanged, Progress, Stage, StageChanged, StageStatus
from services.library.meeting import Meeting
from services.lifecycle import ModelState, ModelStatus
from services.relief import Relief
from services.text import one_line

if TYPE_CHECKING:
    from services.core import Services
    from services.library.unfinished import Unfinished
    from services.memory.snapshot import MemorySnapshot
    from services.models.shelf import Work
    from services.presets import PresetName
    from services.recording.messages import RecordingStatus

_OF_RECORDINGS = (AudioFileError, CancelledError, DeviceError, RecorderError, StorageError, UsageError)
"""Errors that may tell that a recording did not start or stop; those of models never do."""

STAGES: tuple[Stage, ...] = ("record", "transcribe", "summarize", "archive")


class Phase(Enum):
    """Where the recording stands. Start and stop are asked for; the event that follows moves on.

    PAUSED is never asked for: the recorder says so, whoever told it to pause. `phase_of` knows.
    """

    IDLE = "Not recording"
    STARTING = "Starting"
    RECORDING = "Recording"
    PAUSED = "Paused"
    STOPPING = "Stopping"


@dataclass(frozen=True, slots=True)
class StageState:
    status: StageStatus
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts.

    Attributes:
        phase: Where the recording stands.
        recording: The folder that is being recorded.
        meeting: The folder whose transcript and summary are shown.
        title: Its title.
        stages: How far the shown meeting is.
        models: The state of `stt` and `llm`.
        trouble: The last error, until it is dismissed.
        unfinished: Meetings that were cut off, or never written up.
        replaced: By `stt` and `llm`, the engine that was chosen, where a smaller one took its place.
        deputies: The smaller ones; as soon as any other is loaded, nothing is replaced.
    """

    phase: Phase = Phase.IDLE
    recording: Path | None = None
    meeting: Path | None = None
    title: str = ""
    stages: Mapping[Stage, StageState] = field(default_factory=lambda: MappingProxyType({}))
    models: Mapping[str, ModelStatus] = field(default_factory=lambda: MappingProxyType({}))
    trouble: SottoError | None = None
    unfinished: tuple[Unfinished, ...] = ()
    replaced: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    deputies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def started(self, meeting: Path, title: str) -> Situation:
        """The recorder is at work; its meeting is the one to show."""
        stages = MappingProxyType[Stage, StageState]({"record": StageState("running")})
        return replace(
            self, phase=Phase.RECORDING, recording=meeting, meeting=meeting, title=title, stages=stages, trouble=None
        )

    def stopped(self, meeting: Path, error: SottoError | None) -> Situation:
        """The recording of `meeting` has ended."""
        known = self if self.meeting == meeting else self.showing(meeting)
        state = StageState("done") if error is None else StageState("failed", error.message)
        return replace(
            known, phase=Phase.IDLE, recording=None, stages=_with(known.stages, "record", state), trouble=error
        )

    def showing(self, folder: Path) -> Situation:
        """Another meeting is shown: what its folder says of it."""
        try:
            info = Meeting(folder).info()
        except StorageError:
            info = {}
        found = info.get("stages")
        known = found.items() if isinstance(found, dict) else ()
        stages = {stage: _on_disk(entry) for stage, entry in known if stage in STAGES}
        title = one_line(str(info.get("title") or folder.name))
        return replace(self, meeting=folder, title=title, stages=MappingProxyType(stages))

    def staged(self, event: StageChanged) -> Situation:
        """A stage of the shown meeting went on; of another meeting: nothing changes."""
        if event.meeting != self.meeting:
            return self
        state = StageState(event.status, event.detail)
        return replace(self, stages=_with(self.stages, event.stage, state))

    def model_changed(self, event: ModelChanged) -> Situation:
        status = ModelStatus(ModelState(event.new), event.engine, event.reason, event.freed_mb)
        models = MappingProxyType({**self.models, event.model: status})
        if event.new != ModelState.LOADING.value or event.engine == self.deputies.get(event.model):
            return replace(self, models=models)
        left = {model: engine for model, engine in self.replaced.items() if model != event.model}
        return replace(self, models=models, replaced=MappingProxyType(left))

    def fell_back(self, event: FellBack) -> Situation:
        """A smaller engine took the place of the one that was chosen, or of one that had taken it already."""
        model = event.model
        chosen = self.replaced.get(model, event.old) if self.deputies.get(model) == event.old else event.old
        return replace(
            self,
            replaced=MappingProxyType({**self.replaced, model: chosen}),
            deputies=MappingProxyType({**self.deputies, model: event.new}),
        )

    def chose(self, model: str, label: str) -> Situation:
        """Another engine is for the job of `model`, `stt` or `llm`, from now on; what is loaded stays until it goes."""
        status = self.models.get(model, ModelStatus())
        if status.state is not ModelState.UNLOADED:
            return self
        return replace(self, models=MappingProxyType({**self.models, model: ModelStatus(engine=label)}))

    def failed(self, error: SottoError) -> Situation:
        """Something that was asked for did not happen; a recording that was to start or stop is where it was.

        What was given up on purpose is no trouble.
        """
        phase = self.phase
        if phase in (Phase.STARTING, Phase.STOPPING) and isinstance(error, _OF_RECORDINGS):
            phase = Phase.IDLE if self.recording is None else Phase.RECORDING
        return replace(self, phase=phase, trouble=self.trouble if isinstance(error, CancelledError) else error)

    @property
    def on_air(self) -> bool:
        """A recorder is, or may be, at work."""
        return self.phase is not Phase.IDLE


def _on_disk(entry: object) -> StageState:
    """A stage as meeting.json tells it."""
    if not isinstance(entry, dict) or entry.get("status") not in get_args(StageStatus):
        return StageState("waiting")
    return StageState(entry["status"], one_line(str(entry.get("detail", ""))))


def _with(stages: Mapping[Stage, StageState], stage: Stage, state: StageState) -> Mapping[Stage, StageState]:
    return MappingProxyType({**stages, stage: state})


@dataclass(frozen=True, slots=True)
class Figures:
    """The latest values.

    Attributes:
        recording: What the recorder says of itself.
        progress: How far the stage at work is.
        job: What is being processed, a meeting's folder or a file.
        waiting: How many more are in the queue.
        memory: What each component holds.
        shelf: What is being done with the files of models.
        preset: Name of the preset in force.
        relief: What is given up while memory is short.
    """

    recording: RecordingStatus | None = None
    progress: Progress | None = None
    job: Path | None = None
    waiting: int = 0
    memory: MemorySnapshot | None = None
    shelf: Work | None = None
    preset: PresetName | None = None
    relief: Relief = Relief()

    @staticmethod
    def of(services: Services) -> Figures:
        jobs = services.jobs
        return Figures(
            services.recording.latest, jobs.progress, jobs.current, jobs.waiting, services.memory.latest,
            services.shelf.work, services.settings.preset.name, services.relief,
        )  # fmt: skip

    @property
    def low_memory(self) -> bool:
        """The low-memory switch is on."""
        return self.preset == "lightweight"

    @property
    def processing(self) -> bool:
        return self.job is not None or self.waiting > 0


def live_status(situation: Situation, figures: Figures) -> RecordingStatus | None:
    """What the recorder says of the recording at hand; what it said of the one before does not count."""
    status = figures.recording
    if status is None or not situation.on_air or status.meeting != situation.recording:
        return None
    return status


def phase_of(situation: Situation, figures: Figures) -> Phase:
    """Where the recording stands to the eye: another program may have paused or stopped it."""
    status = live_status(situation, figures)
    if situation.phase is not Phase.RECORDING or status is None:
        return situation.phase
    return {"paused": Phase.PAUSED, "finishing": Phase.STOPPING}.get(status.state, Phase.RECORDING)
