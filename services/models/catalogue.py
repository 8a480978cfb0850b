"""The engines there are: what each does, needs and costs. Looked up without importing any of them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from services.errors import MissingPackageError, UsageError
from services.models.entry import ModelEntry
from services.models.options import EngineOptions
from services.models.vosk_models import VOSK_MODELS
from services.models.whisper_models import WHISPER_LANGUAGES, WHISPER_MODELS
from services.text import one_line
from services.worker.handler import Json

Job = Literal["stt", "summary"]

AUTO = "auto"
"""The language that means: find out."""


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """One engine.

    Attributes:
        job: `stt` (speech to text) or `summary`.
        name: As a person writes it.
        aliases: Other spellings of the name.
        where: The class that runs it, as `module:class`.
        models: Its models, the default first. Empty: it has none to choose from.
        takes_path: Its model may be a file or folder given by path.
        remote: It runs elsewhere: its model may have any name.
        detects_language: It can tell what language is spoken: it is a `LanguageDetector`, or remote and finds out by
            itself in each window.
        licence: Of the engine.
        languages: ISO 639-1 codes of what it understands; empty for any.
        package: The module that it needs and sotto does not always have; empty for none.
        install: What to do when that module is missing.
        machine: The only kind of machine that it runs on, as `SYSTEM-PROCESSOR`; empty for any.
    """

    job: Job
    name: str
    where: str
    aliases: tuple[str, ...] = ()
    models: tuple[ModelEntry, ...] = ()
    takes_path: bool = False
    remote: bool = False
    detects_language: bool = False
    licence: str = ""
    languages: tuple[str, ...] = ()
    package: str = ""
    install: str = ""
    machine: str = ""

    @property
    def fits(self) -> bool:
        """Whether it runs on this kind of machine at all."""
        return self.machine in ("", f"{sys.platform}-{os.uname().machine}")

    @property
    def installed(self) -> bool:
        """Whether its package is there; nothing is imported."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def check_installed(self) -> None:
        """See that its package is there.

        Raises:
            MissingPackageError: It is not; the hint says how to get it.
        """
        if not self.installed:
            raise MissingPackageError(f"{self.name} is not installed.", self.install)

    def model(self, name: str) -> ModelEntry | None:
        """The entry of a model; None where it is not one of ours (a path, or a remote one)."""
        return next((model for model in self.models if model.name == name), None)

    def check_address(self, url: str) -> None:
        """See that an engine that works elsewhere knows where.

        Raises:
            UsageError: It is remote, and `url` is empty.
        """
        if self.remote and not url:
            raise UsageError(
                f"{self.name} sends the sound to a server, and none is set.",
                "Set SOTTO_TRANSCRIPTION_URL, or `url` below [transcription] in config.toml, to its address up to and"
                " with /v1.",
            )

    def check_language(self, language: str, model: str = "") -> str:
        """The ISO 639-1 code in `language` (`en`, `EN`, `en-US`), where the model speaks it; empty for `auto`.

        Raises:
            UsageError: It does not, or cannot tell the language by itself; the message says what it speaks.
        """
        known = self.model(model)
        spoken = (known.languages if known else ()) or self.languages
        code = language.strip().lower().replace("_", "-").partition("-")[0]
        if code == AUTO:
            if self.detects_language:
                return spoken[0] if len(spoken) == 1 else ""
            raise UsageError(
                f"{self.name} cannot tell which language is spoken.",
                f"Name it: {', '.join(spoken)}." if spoken else "Name it, for example `--language de`.",
            )
        if spoken and code not in spoken:
            raise UsageError(
                f"{one_line(f'{self.name}:{Path(model).name}') if model else self.name} does not understand the"
                f" language {one_line(language)!r}.",
                f"It understands: {', '.join(spoken)}. Choose one of these, or another engine.",
            )
        return code


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """An engine and a model that somebody chose.

    Attributes:
        engine: Name of the engine in the catalogue.
        model: Name of the model, or its path; empty where the engine has none.
        options: How a speech engine works; None for a summary engine.
    """

    engine: str
    model: str = ""
    options: EngineOptions | None = None

    @property
    def label(self) -> str:
        """What the screen calls it: `moonshine:tiny-en`; of a path only the file's name."""
        return one_line(f"{self.engine}:{Path(self.model).name}") if self.model else self.engine

    def load_args(self) -> Json:
        """Arguments of the `load` method of the worker that runs it."""
        args: Json = {"engine": self.engine, "model": self.model}
        return args | ({"options": self.options.to_dict()} if self.options else {})


CATALOGUE: tuple[EngineEntry, ...] = (
    EngineEntry(
        job="stt",
        name="moonshine",
        where="services.transcription.moonshine:Moonshine",
        models=(ModelEntry("tiny-en", size_mb=44, memory_mb=290, licence="MIT"),),
        licence="MIT",
        languages=("en",),
        package="moonshine_voice",
        install="Install it with `pip install moonshine-voice==0.0.73`.",
    ),
    EngineEntry(
        job="stt",
        name="faster-whisper",
        where="services.transcription.whisper:Whisper",
        aliases=("whisper",),
        models=WHISPER_MODELS,
        takes_path=True,
        detects_language=True,
        licence="MIT",
        languages=WHISPER_LANGUAGES,
        package="faster_whisper",
        install="Install it with `pip install faster-whisper`.",
    ),
    EngineEntry(
        job="stt",
        name="vosk",
        where="services.transcription.vosk:Vosk",
        models=VOSK_MODELS,
        takes_path=True,
        licence="Apache-2.0",
        package="vosk",
        install="Install it with `pip install vosk`.",
    ),
    EngineEntry(
        job="stt",
        name="mlx-whisper",
        where="services.transcription.mlx:MlxWhisper",
        aliases=("mlx",),
        takes_path=True,
        detects_language=True,
        licence="MIT; the model has its own",
        languages=(*WHISPER_LANGUAGES, "yue"),
        package="mlx_whisper",
        install="Install it with `pip install mlx-whisper`.",
        machine="darwin-arm64",
    ),
    EngineEntry(
        job="stt",
        name="openai",
        where="services.transcription.remote:Remote",
        aliases=("remote",),
        models=(ModelEntry("whisper-1", memory_mb=70, licence="the server's terms"),),
        remote=True,
        detects_language=True,
        licence="the server's terms",
    ),
    EngineEntry(
        job="summary",
        name="extractive",
        where="services.summarization.extractive:Extractive",
        licence="MIT",
    ),
    EngineEntry(
        job="summary",
        name="llama-cpp-python",
        where="services.summarization.llama:Llama",
        aliases=("llama",),
        takes_path=True,
        licence="MIT; the model has its own",
        package="llama_cpp",
        install="`make llama` compiles and installs it (about 5 minutes).",
    ),
)


def engines(job: Job) -> tuple[EngineEntry, ...]:
    """The engines for a job that run on this kind of machine, the built-in one first."""
    return tuple(entry for entry in CATALOGUE if entry.job == job and entry.fits)


def find_engine(job: Job, name: str) -> EngineEntry:
    """The entry of an engine.

    Raises:
        UsageError: There is none of that name, or not for this machine; the hint lists those there are.
    """
    there = f"There are: {', '.join(_choices(job))}."
    for entry in CATALOGUE:
        if entry.job == job and name.lower() in (entry.name, *entry.aliases):
            if entry.fits:
                return entry
            raise UsageError(f"{entry.name} does not run on this machine: it is for {entry.machine} only.", there)
    what = "speech engine" if job == "stt" else "summary engine"
    raise UsageError(f"There is no {what} {one_line(name)!r}.", there)


def parse_engine(job: Job, text: str) -> EngineSpec:
    """What `ENGINE` or `ENGINE:MODEL` means.

    Args:
        job: `stt` or `summary`. `none`, for no summary, is the caller's to understand.
        text: As typed; a model's path may begin with `~` and hold colons.

    Raises:
        UsageError: An engine or model that does not exist; the hint lists those there are.
    """
    name, _, model = text.strip().partition(":")
    entry = find_engine(job, name)
    if entry.takes_path and (not entry.models or model.startswith(("/", "~", "."))):
        if not model:
            path = "a GGUF file: {}:/PATH/MODEL.gguf" if job == "summary" else "its folder: {}:/PATH/MODEL"
            raise UsageError(f"{entry.name} needs a model.", f"Give the path of {path.format(name)}")
        return EngineSpec(entry.name, str(Path(model).expanduser().absolute()))
    if not model:
        return EngineSpec(entry.name, entry.models[0].name if entry.models else "")
    if entry.model(model) is None and not entry.remote:
        names = ", ".join(each.name for each in entry.models)
        there = f"There are: {names}." if names else f"Write just {entry.name}."
        raise UsageError(f"{entry.name} has no model {one_line(model)!r}.", there)
    return EngineSpec(entry.name, model)


def engine_class(entry: EngineEntry) -> Any:
    """Import the class that runs an engine. For workers only: this loads the engine's libraries.

    Raises:
        MissingPackageError: Its package is not installed; the hint says how to get it.
    """
    entry.check_installed()
    module, _, name = entry.where.partition(":")
    return getattr(importlib.import_module(module), name)


def _choices(job: Job) -> list[str]:
    found = [f"{entry.name}:PATH" if entry.takes_path and not entry.models else entry.name for entry in engines(job)]
    return [*found, "none"] if job == "summary" else found
