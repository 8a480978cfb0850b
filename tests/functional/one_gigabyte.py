"""A program for `test_memory_scenarios`: sotto at work where a gigabyte is available; tells as JSON what happened."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from services.core import Services
from services.events import Event, Failed, MeetingFinished, Optimized, RecordingStarted
from services.library.meeting import Meeting
from services.library.segments import read_segments
from services.plans import request_of
from services.recording.reader import MeetingAudio
from services.settings import load
from tests.functional.waiting import until


def main(source: Path) -> None:
    events: list[Event] = []
    cached = {"lines": list(range(2_000_000))}
    flags = {"recording": {"sources": (f"file:{source}",)}, "memory": {"preset": "balanced"}}
    services = Services(load(flags), events.append)
    services.caches.register(cached.clear)
    services.start()
    services.recording.start(replace(request_of(services.in_force), speed=4.0))
    until(lambda: services.relief.narrower)
    until(lambda: any(isinstance(event, MeetingFinished) for event in events), 180.0)
    (meeting,) = {event.meeting for event in events if isinstance(event, RecordingStarted)}
    with MeetingAudio(meeting) as audio:
        frames = audio.frames
    told = {
        "available_mb": services._reading().available,
        "pressure": services._reading().pressure.value,
        "steps": [event.result.step for event in events if isinstance(event, Optimized)],
        "llm": [services.plan.writing.max_context, services.plan.writing.kv_cache],
        "audio": [services.in_force.recording.chunk_seconds, services.in_force.transcription.captions_update_seconds],
        "ui": [services.in_force.screen.refresh_seconds, not cached],
        "failures": [str(event.error) for event in events if isinstance(event, Failed)],
        "frames": frames,
        "segments": sum(1 for _ in read_segments(Meeting(meeting).transcript)),
        "summary": Meeting(meeting).summary.is_file(),
    }
    services.close()
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
