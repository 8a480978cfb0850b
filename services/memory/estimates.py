"""What a model will take when it is loaded: what it took the last times, else what the catalogue or its files tell."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services import paths
from services.errors import StorageError
from services.files import write_atomic
from services.models.catalogue import CATALOGUE, EngineEntry
from services.models.store import size_of
from services.worker.handler import Json

_log = logging.getLogger("sotto.memory")

UNKNOWN_MB = 2000.0
"""A model of which nothing is known (REQUIREMENTS of the first design; a Whisper large-v3 takes about as much)."""

_BARE_MB = 40.0
"""A worker without a model of its own; 15 to 25 were measured with the extractive summary."""

_OF_DISK = 2.0
"""A model may take twice its files: half-precision weights are computed with as single ones."""

_OF_GGUF = 1.5
"""A mapped GGUF takes its file and a context: 4000 MB for 4 billion weights in a file of 2500 MB."""

_BATCH_SHARE = 0.4
"""What each further window at once takes of the first one's memory (measured with faster-whisper small: 40%)."""

_SPEAKERS_MB = 100.0
"""What tells voices apart."""

_WIDER = {"float16": 0.5, "float32": 1.5}
"""What weights of this type take beyond int8, as a share of the file, which holds them in half precision."""

_FILE = "memory-estimates.json"
_VERSION = 1
_MOST_MB = 1e7
"""No process has taken so much. Whatever it came of, a model that is believed to take it would be refused for ever."""

_RUNS = 5
_KEYS = 64
_SETTINGS = ("compute", "beam", "batch", "window_s", "speakers", "max_context", "kv_cache", "mmap")
"""What of the arguments of a `load` decides how much memory is taken, beside engine and model."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model takes at work, in MB of PSS of its process.

    Attributes:
        mb: The figure.
        measured: It took so much with these settings on this machine; otherwise it is a guess.
    """

    mb: float
    measured: bool = False

    def __str__(self) -> str:
        return f"{'' if self.measured else 'about '}{self.mb:.0f} MB"


class Estimates:
    """Keeps what models took: for each model and setting the peaks of the last five runs. Any thread.

    Args:
        path: Where; in the state folder when not given.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def of(self, args: Json) -> Estimate:
        """What the model will take that the arguments `args` of a worker's `load` name."""
        peaks = self._read().get(key_of(args))
        return Estimate(max(peaks), measured=True) if peaks else Estimate(guess(args))

    def learn(self, args: Json, peak_mb: float) -> None:
        """Keep what a run took. What cannot be kept is not worth an error."""
        with self._lock:
            known = self._read()
            key = key_of(args)
            peaks = [*known.pop(key, []), round(peak_mb, 1)][-_RUNS:]
            kept = dict([*known.items(), (key, peaks)][-_KEYS:])  # the one learnt longest ago goes
            try:
                write_atomic(self._file(), json.dumps({"version": _VERSION, "peaks_mb": kept}, indent=1) + "\n")
            except StorageError as error:
                _log.warning("what %s took is not kept: %s", key, error)

    def _file(self) -> Path:
        return self._path or paths.state() / _FILE

    def _read(self) -> dict[str, list[float]]:
        """What is kept; nothing where it cannot be read, is damaged, or is of another version."""
        try:
            data = json.loads(self._file().read_bytes())
            if data["version"] != _VERSION:
                return {}
            known = {str(key): [float(mb) for mb in peaks] for key, peaks in data["peaks_mb"].items()}
        except (OSError, StorageError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return {}
        return {
            key: possible for key, peaks in known.items() if (possible := [mb for mb in peaks if 0 <= mb < _MOST_MB])
        }


def key_of(args: Json) -> str:
    """The name under which a model with its settings is kept."""
    known = _told(args)
    settings = " ".join(f"{name}={known[name]}" for name in _SETTINGS if name in known)
    return f"{args.get('engine', '')}:{args.get('model', '')} {settings}".strip()


def guess(args: Json) -> float:
    """What a model takes in MB that has never run here with these settings."""
    told, model = _told(args), str(args.get("model", ""))
    entry = _entry(str(args.get("engine", "")))
    if entry is None:
        return UNKNOWN_MB
    if entry.remote or not (entry.models or entry.takes_path):
        return _BARE_MB
    known = entry.model(model)
    extra = _SPEAKERS_MB if told.get("speakers") else 0.0
    if known is None:
        share = _OF_GGUF if entry.job == "summary" else _OF_DISK
        return extra + (share * _disk_mb(Path(model)) or UNKNOWN_MB)
    extra += _WIDER.get(str(told.get("compute")), 0.0) * known.size_mb
    batch = 1 + _BATCH_SHARE * (int(told.get("batch", 1)) - 1)
    return extra + batch * (known.memory_mb or _OF_DISK * known.size_mb or UNKNOWN_MB)


def _told(args: Json) -> Mapping[str, Any]:
    """Arguments and options, which stand in an object of their own."""
    return args | (args.get("options") or {})


def _entry(engine: str) -> EngineEntry | None:
    return next((entry for entry in CATALOGUE if engine in (entry.name, *entry.aliases)), None)


def _disk_mb(path: Path) -> float:
    """What a model's file or folder takes, in MB; 0 where there is none."""
    try:
        return (path.stat().st_size if path.is_file() else size_of(path)) / 2**20
    except OSError:
        return 0.0
