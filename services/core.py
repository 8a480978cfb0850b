"""All services of one program, wired together. The app has one of these; commands build what they need from it."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from services.errors import SottoError
from services.events import Emit, Event, RecordingStarted, RecordingStopped, SettingsChanged, StageChanged
from services.jobs import Jobs
from services.levers import levers
from services.library.meeting import Meeting
from services.memory.caches import Caches
from services.memory.housekeeper import Housekeeper
from services.memory.monitor import MemoryMonitor
from services.memory.optimizer import Optimizer, Reading
from services.memory.probe import SystemMemory
from services.memory.probe import system as system_memory
from services.memory.rules import thresholds
from services.memory.survey import Survey
from services.modelroom import ModelRoom
from services.models.catalogue import EngineSpec, Job
from services.models.shelf import Shelf
from services.pipeline import Pipeline
from services.plans import (
    changes,
    engines_of,
    labels,
    plan_of,
    request_of,
    with_chosen,
)
from services.presets import CONSERVATIVE, LIGHTWEIGHT, PresetName, fitting
from services.recording.messages import ONLY_RECORDED
from services.recording.service import RecordingService
from services.relief import Relief, relieved
from services.settings import Settings, with_preset
from services.transcription.captions import Captions, no_captions


class Services:
    """Every service, and the rules between them: captions follow a recording, processing follows its end.

    All methods may be called from the interface's thread: none of them waits for a model, a device or a disk.

    Args:
        settings: What a person has set; `apply` changes it.
        emit: Receives every event, on the thread of the service that tells it.
        machine: Measures the machine's memory.

    Raises:
        UsageError: The settings name an engine or model that does not exist.

    Attributes:
        settings: What a person has set.
        in_force: What holds now: these settings with the engines that were chosen since, and with less of everything
            while memory is short.
        plan: How meetings are processed now.
        relief: What is given up while memory is short.
    """

    def __init__(self, settings: Settings, emit: Emit, machine: Callable[[], SystemMemory] = system_memory) -> None:
        self.settings = self.in_force = settings
        self.plan = plan_of(settings)
        self.relief = Relief()
        self.kept = labels(self.plan)
        """What the settings name, as the screen calls it: in use again at the next start."""
        self._engines = engines_of(settings)
        self._switching = threading.Lock()
        self._recorded: Path | None = None
        self._captioned = False
        self._before_low: PresetName | None = None
        self._within_mb = math.inf
        self._emit_outside = emit
        self._machine = machine
        self.room = ModelRoom(self._emit, settings.memory)
        self.stt, self.llm = self.room.stt, self.room.llm
        self.jobs = Jobs(Pipeline(self.stt, self.llm, self.room.residency, self._emit), self._emit)
        self.captions = Captions(self.stt, self.room.residency, self._emit)
        self.recording = RecordingService(self._emit)
        self.memory = MemoryMonitor(
            emit=self._emit,
            machine=machine,
            facts=lambda: {model.name: model.facts for model in (self.stt, self.llm)},
            next_steps=lambda: self.optimizer.report.next_steps,
            publish=True,
        )
        self.memory.configure(settings.memory)
        self.shelf = Shelf(self._emit)
        self.caches = Caches()
        self._survey = Survey(os.getpid(), machine)  # the monitor's belongs to the monitor's thread
        self.optimizer = Optimizer(levers(self), self._reading, lambda: self._survey.look().total.usage.pss, self._emit)
        self.housekeeper = Housekeeper(self.optimizer, self._tidy, settings.memory.cleanup_seconds)
        self.optimizer.configure(settings.memory.automatic_optimization, settings.memory.own_cleanup_mb)

    def start(self) -> None:
        """Start the threads, and take up a recording that runs already."""
        self.jobs.start()
        self.memory.start()
        self.housekeeper.start()
        self.recording.attach_if_running()

    def close(self) -> None:
        """End everything but a recorder at work: it goes on, and the next start finds it."""
        self.housekeeper.close()
        self.recording.close()
        self.shelf.close()
        self.captions.close()
        self.jobs.close()
        self.room.close()
        self.memory.close()

    def start_recording(self, sources: tuple[str, ...] = (), title: str = "") -> None:
        """Begin to record; `RecordingStarted` or `Failed` follows."""
        self.recording.start(request_of(self.in_force, sources, title))

    def stop_recording(self) -> None:
        """End the recording; `RecordingStopped` follows, and then its processing."""
        self.recording.stop()

    def pause_recording(self) -> None:
        """Keep nothing of what is heard from now on, or go on when that is so already."""
        self.recording.pause_or_resume()

    def extend_recording(self) -> None:
        """Let an automatic stop come later."""
        self.recording.extend()

    def open_file(self, path: Path) -> None:
        """Process an audio or video file, or what is left to do of a meeting's folder."""
        with self._switching:  # else a plan that is replaced at this moment might hold for it
            self.jobs.submit(path, self.plan)

    def choose(self, job: Job, engine: str) -> None:
        """Write meetings up with another engine from now on; what is in the queue keeps its own.

        The settings stay as they are: this holds as long as these services.

        Args:
            job: `stt` or `summary`.
            engine: ENGINE or ENGINE:MODEL, or `none` for no summary. For the language see `plans.with_engines`.

        Raises:
            UsageError: It cannot be used with these settings; the plan stays as it was.
        """
        with self._switching:
            engines = self._engines | {job: engine}
            in_force = relieved(with_chosen(self.settings, engines), self.relief, self._within_mb)
            self.plan = plan_of(in_force)
            self.in_force, self._engines = in_force, engines

    def apply(self, settings: Settings) -> None:
        """Go by other settings from now on, also while recording and in the middle of a job. Nothing is lost by it.

        The job at work goes on with them at its next batch of windows, the recorder with its next file, captions where
        they are. An engine that was chosen since (`choose`) stays, unless these settings name another than before.

        Args:
            settings: All of them.

        Raises:
            UsageError: They name an engine or model that does not exist; everything stays as it was.
        """
        with self._switching:
            named, now = engines_of(self.settings), engines_of(settings)
            engines = {job: self._engines[job] if now[job] == named[job] else now[job] for job in now}
            changed, kept = changes(self.settings, settings), labels(plan_of(settings))
            self._put_in_force(settings, engines, self.relief)
            self.kept = kept
        if changed:
            self._emit_outside(SettingsChanged(settings.preset.title, changed))

    def preset(self, name: PresetName) -> None:
        """Go by another preset; what is set elsewhere keeps its value. `SettingsChanged` follows.

        Raises:
            SettingsError: A value that is set does not go with it.
        """
        self.apply(with_preset(self.settings, name))

    def low_memory(self, on: bool) -> None:
        """Take as little memory as can be, or go back to the preset of before. `SettingsChanged` follows."""
        now = self.settings.preset.name
        if on == (now == LIGHTWEIGHT.name):
            return
        if on:
            self._before_low = now
            self.preset(LIGHTWEIGHT.name)
        else:
            fit = fitting(self._machine().total).name
            self.preset(self._before_low or (CONSERVATIVE.name if fit == LIGHTWEIGHT.name else fit))

    def eases(self, what: Relief) -> bool:
        """Whether it would change anything now to give that up, too."""
        if what.no_captions and self._recorded is None:
            return False
        base = with_chosen(self.settings, self._engines)
        within_mb = self._within_mb if self.relief.smaller else self._machine().available
        return relieved(base, self.relief | what, within_mb) != self.in_force

    def relieve(self, what: Relief) -> bool:
        """Give that up, too; returns whether it changes anything."""
        with self._switching:
            if not self.eases(what):
                return False
            if what.smaller:  # kept, so that whatever is set later gives the same models
                self._within_mb = self._machine().available
            self._put_in_force(self.settings, self._engines, self.relief | what)
        return True

    def take_back(self, what: Relief) -> None:
        """Give that up no longer."""
        with self._switching:
            self._put_in_force(self.settings, self._engines, self.relief - what)

    def _put_in_force(self, settings: Settings, engines: Mapping[Job, str], relief: Relief) -> None:
        """Let everything go by these. Nothing has changed where they are refused."""
        in_force = relieved(with_chosen(settings, engines), relief, self._within_mb)
        plan = plan_of(in_force)
        before = self.in_force
        self.settings, self._engines, self.relief = settings, dict(engines), relief
        self.in_force, self.plan = in_force, plan
        self.room.apply(in_force.memory)
        self.memory.configure(in_force.memory)
        self.optimizer.configure(in_force.memory.automatic_optimization, in_force.memory.own_cleanup_mb)
        self.housekeeper.every(in_force.memory.cleanup_seconds)
        if in_force.recording.chunk_seconds != before.recording.chunk_seconds:
            self.recording.use_chunks(in_force.recording.chunk_seconds)
        self.jobs.replan(plan)
        if self._recorded is not None:
            self._recaption(self._recorded)

    def cancel(self) -> None:
        """End the processing at work; what its finished stages made stays."""
        self.jobs.cancel()

    def _emit(self, event: Event) -> None:
        """Tell the event, and do what follows from it. Nothing here waits before it is told."""
        if isinstance(event, RecordingStopped):
            self._recorded = None
            self.captions.end()
        self._emit_outside(event)
        self.memory.tell(event)
        if isinstance(event, RecordingStarted):
            self._recorded, self._captioned = event.meeting, False
            if self.settings.recording.captions:
                self._caption(event.meeting)
        elif isinstance(event, RecordingStopped):
            self._write_up(Meeting(event.meeting))

    def _write_up(self, meeting: Meeting) -> None:
        """Process what has been recorded, unless whoever began it wanted nothing but the recording."""
        try:
            only = meeting.stage("transcribe") == "skipped"
        except SottoError:
            only = False  # the processing tells what is wrong with it
        if only:
            self._emit_outside(StageChanged(meeting.folder, "transcribe", "skipped", ONLY_RECORDED))
            return
        with self._switching:
            self.jobs.submit(meeting.folder, self.plan)  # its first stage waits until the captions have ended

    def _caption(self, meeting: Path) -> None:
        plan = self.plan
        if plan.captions is None and plan.no_captions is not None:
            self._emit_outside(no_captions(plan.no_captions))
        else:
            self._captioned = True
            self.captions.start(meeting, self._captions_engine, plan.language, plan.pace, plan.auto_fallback)

    def _recaption(self, meeting: Path) -> None:
        """Let the captions of the recording at work go by what holds now."""
        plan = self.plan
        if self._captioned:
            self.captions.change(self._captions_engine, plan.language, plan.pace, plan.auto_fallback)
        elif self._captions_engine is not None:  # to start them may wait for those of the recording before
            self._captioned = True  # from here on: a second change must not begin them twice
            threading.Thread(target=self._caption_late, args=(meeting,), name="captions begin", daemon=True).start()

    def _caption_late(self, meeting: Path) -> None:
        """Begin captions of a recording that may end meanwhile."""
        if self._recorded == meeting:
            self._caption(meeting)
        if self._recorded is None:
            self.captions.end()

    @property
    def _captions_engine(self) -> EngineSpec | None:
        return self.plan.captions if self.in_force.recording.captions else None

    def _reading(self) -> Reading:
        machine, latest = self._machine(), self.memory.latest
        pressure = machine.pressure(*thresholds(self.in_force.memory))
        return Reading(pressure, machine.available, machine.total, latest.total.usage.pss if latest else 0.0)

    def _tidy(self) -> None:
        self.room.tidy()
        if self.in_force.memory.aggressive_gc:
            self.caches.drop()
