"""A meeting to try sotto with: no microphone, no download, and what must come out of it is known."""

from __future__ import annotations

from pathlib import Path

MEETING = Path(__file__).with_name("meeting.opus")
"""The recording: channel 1 the microphone, channel 2 the others."""

SCRIPT = Path(__file__).with_name("script.toml")
"""What is said in it, and what a transcript and a summary of it must hold. `services.sample.script` reads it."""

TITLE = "Website launch"
"""The meeting's title, as the script has it."""
