"""Moments of a meeting, told to the app with the facts and figures that services would tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from textual.pilot import Pilot

from services.errors import MissingPackageError
from services.events import (
    CaptionChanged,
    Failed,
    FellBack,
    MeetingFinished,
    MemoryAlerted,
    ModelChanged,
    Optimized,
    Progress,
    RecordingStarted,
    RecordingStopped,
    SegmentReady,
    StageChanged,
    SummaryDelta,
    SummaryReady,
)
from services.files import JsonLines
from services.library.segments import Segment
from services.library.unfinished import Unfinished
from services.memory.account import LoadedModel, MemoryReport
from services.memory.alert import MemoryAlert
from services.memory.alert import Severity as MemoryLevel
from services.memory.diary import Fallback, ModelMemory, OperationMemory
from services.memory.optimization import Effect, Optimization
from services.memory.probe import Pressure, SystemMemory
from services.memory.snapshot import ComponentMemory, MemorySnapshot
from services.memory.trend import Trend
from services.memory.usage import MemoryUsage
from services.models.shelf import Work
from services.recording.messages import SILENCE_DB, Alert, ChannelLevel, RecordingStatus
from services.relief import Relief
from tests.functional.app_driver import append
from tui.app import SottoApp
from tui.meeting import UnfinishedFound
from tui.situation import Figures

Scene = Callable[[SottoApp, Path], Awaitable[None]]

WORDS = (
    ("Others", "Good morning everyone, shall we start with the release date?"),
    ("You", "I think the fourteenth is realistic, provided that the importer is done."),
    ("Others", "The importer is done, I merged it last night. What is missing is the documentation for the migration."),
    ("You", "I can write that until Wednesday."),
    ("Others", "Great. Then we decide: release on Friday, the fourteenth of March."),
    ("You", "And the old importer?"),
    ("Others", "Let us keep the old importer until summer, the customers in [Zürich] still use it every week."),
    ("You", "Fine with me. Who pays for the second server?"),
    ("Others", "We do not know yet, I will ask."),
)
SEGMENTS = [Segment(n * 11.3, n * 11.3 + 9, text, speaker) for n, (speaker, text) in enumerate(WORDS)]
SUMMARY = """# Release planning

The release date was agreed, and the remaining work was shared out.

## Decisions

- The release is on **Friday, 14 March**.
- The old importer stays until summer.

## Action items

- **You**: write the documentation for the migration by Wednesday.

## Open questions

- Who pays for the second server?
"""
STT = "moonshine:tiny-en"


RECENT = (*[46.3] * 12, *[71.0] * 9, *[182.0, 261.0, 301.0, 288.0, 290.0, 291.0], *[282.3] * 21)
"""Ten seconds each: at rest, recording, then a model."""


def memory(recorder: float, stt: float) -> MemorySnapshot:
    def component(name: str, mb: float, peak: float, trend: Trend = Trend.STABLE) -> ComponentMemory:
        slope = 0.0 if trend is Trend.STABLE else 24.0
        return ComponentMemory(name, (1,) if mb else (), MemoryUsage(pss=mb), peak, mb, slope, trend)

    parts = (
        component("UI", 46.3, 47.1),
        component("Recorder", recorder, 24.6),
        component("STT", stt, 228.0, Trend.GROWING if stt else Trend.STABLE),
    )
    total = component("Total", 46.3 + recorder + stt, 301.0)
    recent = RECENT if stt else (*RECENT, 46.3, 46.3, 46.3) if recorder else RECENT[:12]
    return MemorySnapshot(0.0, parts, total, SystemMemory(16384.0, 11264.0), Pressure.LOW, (), recent)


def limited() -> MemorySnapshot:
    """Under limits, with a model near its own, on a machine that is nearly full."""
    now = memory(24.0, 379.0)
    limits = {"STT": 400.0, "LLM": 400.0}
    parts = tuple(replace(part, limit=limits.get(part.name, 0.0)) for part in now.components)
    alerts = (
        MemoryAlert("pressure", MemoryLevel.CRITICAL, "System", "0.4 of 3.9 GB are available.",
                    "End other programs, or switch to low memory.", "low_memory"),
        MemoryAlert("limit STT", MemoryLevel.WARNING, "STT", "STT takes 379 of 400 MB.",
                    "Choose a smaller model."),
    )  # fmt: skip
    machine = SystemMemory(4000.0, 390.0)
    total = replace(now.total, limit=500.0)
    return replace(now, components=parts, total=total, system=machine, pressure=Pressure.CRITICAL, alerts=alerts)


def status(meeting: Path) -> RecordingStatus:
    channels = (
        ChannelLevel("mic", "You", -14.2, -22.0, "Built-in Audio Analog Stereo"),
        ChannelLevel("system", "Others", -31.0, -40.0, "Monitor of HDMI Output"),
    )
    return RecordingStatus("recording", meeting, "Release planning", "", 754.3, channels, bytes=24_100_000)


ALERTS = (
    Alert("disk_low", "310 MB are free on the disk: the recording can go on for 15 minutes.",
          "Make room. A recording on a full disk is ended in order.", "critical"),
    Alert("no_signal", "mic is silent.", "Is Built-in Audio Analog Stereo muted?", "warning", 0),
    Alert("dead_channel", "Nothing plays on system.", "", "info", 1),
)  # fmt: skip
UNFINISHED = (
    Unfinished(Path("/a"), "Weekly", datetime(2026, 3, 12, 9, 30, tzinfo=UTC), 2754.0, 88_000_000, "cut off"),
    Unfinished(Path("/b"), "Budget and the second server, with everybody from the customer's side",
               datetime(2026, 3, 13, 14, 0, tzinfo=UTC), 4210.0, 135_000_000, "recorded"),
)  # fmt: skip


def set_figures(app: SottoApp, figures: Figures) -> None:
    shown = replace(figures, preset=figures.preset or "balanced")
    app.fetch = lambda: shown


async def rest(app: SottoApp, meeting: Path) -> None:
    set_figures(app, Figures(memory=memory(0.0, 0.0)))


async def unfinished(app: SottoApp, meeting: Path) -> None:
    await rest(app, meeting)
    app._looks += 1  # what the app finds by itself comes too late
    app.on_unfinished_found(UnfinishedFound(UNFINISHED, app._looks))


async def recording(app: SottoApp, meeting: Path) -> None:
    app.handle(RecordingStarted(meeting, "Release planning"))
    app.handle(ModelChanged("stt", STT, "Unloaded", "Loading"))
    app.handle(ModelChanged("stt", STT, "Loading", "Ready"))
    app.handle(ModelChanged("stt", STT, "Ready", "Processing"))
    append(meeting / "live.jsonl", SEGMENTS)
    app.handle(SegmentReady(meeting, SEGMENTS[-1], preview=True))
    app.handle(CaptionChanged(meeting, "Others", "And then there is the question of the budget for the"))
    set_figures(app, Figures(recording=status(meeting), memory=memory(24.0, 212.0)))


def report() -> MemoryReport:
    """What the app at work under limits could report."""
    stt = ModelMemory("stt", STT, "Processing", loads=2)
    llm = ModelMemory("llm", "extractive", "Unloaded", freed_mb=38.4, loads=1)
    peaks = {"UI": 46.3, "Recorder": 24.6, "STT": 379.0}
    return MemoryReport(
        pid=4711,
        snapshot=limited(),
        models=(LoadedModel(stt, MemoryUsage(pss=379.0, anonymous=371.0), 0.0), LoadedModel(llm, MemoryUsage())),
        operations=(OperationMemory("captions", "2026-03-14_1030_release-planning", 0.0, 754.0, peaks, 449.0),),
        optimizations=(Optimization("Idle models unloaded", "Total", 512.0, 100.0, latency=Effect.MINIMAL),),
        fallbacks=(Fallback("stt", "faster-whisper:small", STT, "It took 812 MB, and 400 MB are allowed.", 0.0),),
        next_steps=("Do without captions while recording; everything is transcribed after the stop.",),
    )


async def short_of_memory(app: SottoApp, meeting: Path) -> None:
    await recording(app, meeting)
    app.handle(FellBack("stt", "faster-whisper:small", STT, "It took 812 MB, and 400 MB are allowed.", meeting))
    app.clear_notifications()
    app.services.memory.report = report  # type: ignore[method-assign]
    relief = Relief(narrower=True)
    set_figures(app, Figures(recording=status(meeting), memory=limited(), preset="conservative", relief=relief))


async def optimized(app: SottoApp, meeting: Path) -> None:
    """Something was done about a shortage, and there is another one to be told of."""
    await rest(app, meeting)
    app.handle(Optimized(Optimization("Idle models unloaded", "Total", 512.0, 100.0)))
    app.handle(MemoryAlerted(limited().alerts[0]))


async def behind(app: SottoApp, meeting: Path) -> None:
    """The captions had to skip ahead, and go on."""
    await recording(app, meeting)
    with JsonLines(meeting / "live.jsonl") as live:
        live.append({"skipped": {"start": 102.0, "end": 137.5}})
        live.append(Segment(139.0, 144.0, "So that was the budget. Anything else?", "Others").to_dict())
    app.handle(CaptionChanged(meeting, "Others", "Then we meet again on"))


async def paused(app: SottoApp, meeting: Path) -> None:
    await recording(app, meeting)
    app.handle(CaptionChanged(meeting, "Others", ""))
    quiet = tuple(replace(channel, peak_db=SILENCE_DB, rms_db=SILENCE_DB) for channel in status(meeting).channels)
    now = replace(status(meeting), state="paused", channels=quiet)
    set_figures(app, Figures(recording=now, memory=memory(24.0, 212.0)))


async def alarmed(app: SottoApp, meeting: Path) -> None:
    await recording(app, meeting)
    now = replace(status(meeting), alerts=ALERTS, stops_in=2765.0)
    set_figures(app, Figures(recording=now, memory=memory(24.0, 212.0)))


async def about_to_stop(app: SottoApp, meeting: Path) -> None:
    await recording(app, meeting)
    alert = Alert("stopping", "Stops in 50 s, after 60 minutes.")
    now = replace(status(meeting), alerts=(alert,), stops_in=42.0)
    set_figures(app, Figures(recording=now, memory=memory(24.0, 212.0)))


async def transcribing(app: SottoApp, meeting: Path) -> None:
    await recording(app, meeting)
    app.handle(CaptionChanged(meeting, "Others", ""))
    app.handle(RecordingStopped(meeting, 754.3))
    app.handle(StageChanged(meeting, "transcribe", "running"))
    append(meeting / "transcript.jsonl", SEGMENTS[:5])
    app.handle(SegmentReady(meeting, SEGMENTS[4], preview=False))
    progress = Progress("transcribe", 43, 100)
    set_figures(app, Figures(status(meeting), progress, meeting, 1, memory(0.0, 212.0)))


async def summarized(app: SottoApp, meeting: Path) -> None:
    await transcribing(app, meeting)
    append(meeting / "transcript.jsonl", SEGMENTS[5:])
    app.handle(SegmentReady(meeting, SEGMENTS[-1], preview=False))
    app.handle(StageChanged(meeting, "transcribe", "done"))
    app.handle(ModelChanged("stt", STT, "Processing", "Ready"))
    app.handle(ModelChanged("stt", STT, "Ready", "Unloading"))
    app.handle(ModelChanged("stt", STT, "Unloading", "Unloaded", "room for the next model", 212.4))
    app.handle(StageChanged(meeting, "summarize", "running"))
    app.handle(SummaryDelta(meeting, SUMMARY[:90]))
    app.handle(SummaryReady(meeting, SUMMARY))
    app.handle(StageChanged(meeting, "summarize", "done"))
    app.handle(StageChanged(meeting, "archive", "done"))
    set_figures(app, Figures(recording=status(meeting), memory=memory(0.0, 0.0)))


async def finished(app: SottoApp, meeting: Path) -> None:
    await summarized(app, meeting)
    app.handle(MeetingFinished(meeting, "Release planning", True))


async def failed(app: SottoApp, meeting: Path) -> None:
    await transcribing(app, meeting)
    app.handle(StageChanged(meeting, "transcribe", "done"))
    message = "llama-cpp-python is not installed."
    app.handle(StageChanged(meeting, "summarize", "failed", message))
    app.handle(Failed(MissingPackageError(message, "`make llama` installs it.")))
    set_figures(app, Figures(recording=status(meeting), memory=memory(0.0, 0.0)))


async def downloading(app: SottoApp, meeting: Path) -> None:
    work = Work(
        "faster-whisper:tiny", "pull", Progress("Fetching model.bin", 33.5e6, 78.2e6), ("faster-whisper:small",)
    )
    set_figures(app, Figures(memory=memory(0.0, 0.0), shelf=work))


async def settle(app: SottoApp, pilot: Pilot[int]) -> None:
    """Let everything that was told be painted: until the picture stays as it is, with all toasts in it."""
    before = ""
    while True:
        app._ticks = -1
        app.tick()
        await pilot.pause(0.05)
        picture = app.export_screenshot()
        if picture == before and len(app.screen.query("Toast")) == len(app._notifications):
            return
        before = picture
