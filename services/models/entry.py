"""One model of an engine, and where it is downloaded from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hub:
    """A model in a repository of a model hub.

    Attributes:
        repository: `OWNER/NAME`.
        revision: Commit, 40 hex digits: what is there under this name cannot change.
        files: The files that the engine needs, the weights first.
        sha256: Of the weights, 64 hex digits, so that no mirror can serve others; empty where nobody published it.
    """

    repository: str
    revision: str
    files: tuple[str, ...]
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """A model in a ZIP file with one folder in it.

    Attributes:
        url: Where it is.
        sha256: Of the ZIP file, 64 hex digits; empty where nobody published it. What arrives is believed then.
    """

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of an engine.

    Attributes:
        name: As a person writes it behind the engine's name.
        origin: Where it is downloaded from; None where it comes with the engine's package.
        size_mb: What is downloaded, in MB (10^6 bytes), or what a built-in model takes on disk. An archive takes up to
            twice as much when it is unpacked.
        memory_mb: Memory of the engine's process at work with it, in MB of PSS; an estimate until it was measured.
        languages: ISO 639-1 codes of what it understands; empty for all that the engine does.
        licence: Of the weights.
    """

    name: str
    origin: Hub | Archive | None = None
    size_mb: int = 0
    memory_mb: int = 0
    languages: tuple[str, ...] = ()
    licence: str = ""
