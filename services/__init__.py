"""The core of sotto: recording, transcription, summaries and memory, without any user interface."""

__version__ = "0.1.0"
