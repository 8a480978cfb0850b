"""The kinds of worker there are: the name on the child's command line, and the module that serves it."""

from __future__ import annotations

KINDS = {
    "stt": "services.transcription.host",
    "llm": "services.summarization.host",
    "archive": "services.recording.archive",
}
