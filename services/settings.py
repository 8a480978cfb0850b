"""Settings: what a person may change. A field's docstring is its manual.

Precedence, highest first: command line, environment (`SOTTO_<SECTION>_<FIELD>`), config.toml, preset, default. The
preset itself is named by the command line, the environment or the file; where none does, it is what fits the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services import paths
from services.errors import SettingsError
from services.layers import Layers, Nested, Origin, environment, explained, has, laid_over, read_file, sound, variable
from services.models.catalogue import parse_engine
from services.models.options import Compute, KvCache
from services.presets import PRESETS, Preset, PresetName, fitting_here, speech_engine
from services.transcription.choice import check_captions_engine
from services.transcription.vocabulary import read_vocabulary


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RecordingSettings(_Section):
    sources: tuple[str, ...] = Field(default=("mic",), min_length=1, max_length=2)
    """What to record: `mic`, `system` (what the loudspeakers play), the name of an input device, or `file:PATH`.
    Two sources give two channels."""

    rate: int = Field(default=16000, ge=8000, le=48000)
    """Sample rate of the recording in Hz. Recognition works at 16000; more only makes the recording sound better."""

    chunk_seconds: float = Field(default=30.0, ge=1.0, le=600.0)
    """Length of the files that a recording is written in."""

    captions: bool = True
    """Show what is said while it is being recorded."""

    stop_after_minutes: float = Field(default=0.0, ge=0.0, le=10080.0)
    """End a recording when so many minutes have been recorded; 0: never. It is announced a minute before, and a key
    gives more time."""

    stop_after_silence_minutes: float = Field(default=0.0, ge=0.0, le=1440.0)
    """End a recording when nothing has been heard for so many minutes; 0: never."""

    disk_warn_mb: float = Field(default=1000.0, ge=0.0, le=1e6)
    """Warn while recording when less than this is free on the disk, in MB."""

    disk_stop_mb: float = Field(default=200.0, ge=0.0, le=1e6)
    """End a recording in order when less than this is free on the disk, in MB."""

    archive: Literal["flac", "opus"] = "flac"
    """What a finished recording is packed into: `flac` keeps every sample, `opus` takes a tenth of the space."""


class TranscriptionSettings(_Section):
    engine: str = "moonshine"
    """Speech recogniser, ENGINE or ENGINE:MODEL. `moonshine` is built in and speaks English."""

    captions_engine: str = ""
    """Recogniser for the captions while a recording runs; `engine` then writes the final text. Empty: the built-in one
    where it speaks the language, else `engine` where it is on this machine and light enough to keep up. Without any
    that is fit, a line says why there are no captions, and recording and transcript are as always."""

    single_pass: bool = False
    """Take the captions of a recording for its transcript, and transcribe only what they missed, with their engine:
    less work after the stop, and only one model, for less accurate words. `engine` still does what has no captions."""

    language: str = Field(default="en", min_length=2, max_length=8)
    """Language of the meeting, as an ISO 639-1 code, or `auto` where the engine can tell it."""

    vocabulary: Path | None = None
    """A text file of names and terms that are likely to be said, one a line; the engine expects them."""

    speakers: bool = False
    """Tell the people in a recording of one channel apart, by their voices: `Speaker 1`, `Speaker 2` and so on, whom
    `sotto speakers` gives names. Takes about 100 MB and a twentieth of the recording's time on one core. Who says only
    a word or two, or speaks while others do, may be taken for another. Transcripts made of captions (`single_pass`) and
    recordings of two channels, which have `You` and `Others`, stay as they are."""

    beam: int = Field(default=5, ge=1, le=10)
    """How many hypotheses the engine follows at the same time: fewer are faster, more make fewer errors."""

    batch: int = Field(default=2, ge=1, le=16)
    """Windows that are worked on at once. More is faster on many cores and takes more memory."""

    window_seconds: float = Field(default=0.0, ge=0.0, le=30.0)
    """The longest stretch of audio that the engine is given at once; 0: what suits the engine. Shorter takes less
    memory, and may cost accuracy where a sentence is cut."""

    captions_update_seconds: float = Field(default=0.4, ge=0.1, le=10.0)
    """Captions are worked out anew when so much more has been said. Less often takes less of the processor."""

    captions_skip_seconds: float = Field(default=30.0, ge=5.0, le=600.0)
    """Captions that are so far behind skip ahead; what they miss is transcribed after the stop."""

    compute: Compute = "auto"
    """Number type of the engine's weights: `int8`, `float16`, `float32`, or `auto` for what fits the device."""

    url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Address of a remote speech engine, up to and with `/v1`. With it, and only with it, recordings leave the machine
    when the engine `openai` is chosen."""

    api_key: SecretStr = SecretStr("")
    """The key of the remote engine. Better in the environment, SOTTO_TRANSCRIPTION_API_KEY, than in the file."""


class SummarySettings(_Section):
    engine: str = "extractive"
    """Summary writer: `extractive` (built in), `llama:PATH` (any GGUF model, needs llama-cpp-python) or `none`."""

    smaller: tuple[str, ...] = ()
    """What to take instead when there is not enough memory for `engine`, one after another, as `llama:PATH`. At last it
    is `extractive`, always."""

    max_context: int = Field(default=8192, ge=512, le=131072)
    """Largest context in tokens that a model may be given. More context takes more memory."""

    kv_cache: KvCache = "f16"
    """Number type of a language model's memory of its context: `f16`, `q8_0` (half the memory) or `q4_0` (a quarter,
    and the summary may suffer)."""

    mmap: bool = True
    """Map a model's file into memory instead of reading it: the system can drop what is not needed and read it again.
    Where mapping fails, the file is read."""


class MemorySettings(_Section):
    preset: Literal["", PresetName] = ""
    """How much of the machine sotto takes: `conservative` (4 GB), `balanced` (8 GB), `performance` (16 GB) or
    `lightweight` (everything below 500 MB). Empty: what fits this machine. A preset gives many settings at once; each
    of them that is set somewhere else keeps that value."""

    sample_seconds: float = Field(default=10.0, ge=1.0, le=300.0)
    """Time between two measurements of what sotto holds in memory."""

    idle_seconds: float = Field(default=60.0, ge=0.0, le=86400.0)
    """A model that nobody has used for so long is unloaded; 0: at once."""

    cleanup_seconds: float = Field(default=30.0, ge=1.0, le=3600.0)
    """Time between two looks for idle models and caches to let go of."""

    keep_mb: float = Field(default=0.0, ge=0.0, le=1e6)
    """Models may stay loaded beside the one at work as long as they take no more than this together, in MB; the one
    that was used longest ago goes first. 0: one model at a time."""

    max_stt_mb: float = Field(default=0.0, ge=0.0, le=1e6)
    """The most that the speech model may take, in MB; 0: as much as there is. What takes more is ended, and a smaller
    model goes on where it stopped."""

    max_llm_mb: float = Field(default=0.0, ge=0.0, le=1e6)
    """The most that the summary model may take, in MB; 0: as much as there is."""

    max_total_mb: float = Field(default=0.0, ge=0.0, le=1e6)
    """The most that all of sotto may take, in MB; 0: as much as there is. The model at work goes first, the recorder
    never."""

    warning_threshold: float = Field(default=80.0, ge=1.0, le=100.0)
    """From this percentage of the machine's memory in use on, pressure is High."""

    critical_threshold: float = Field(default=90.0, ge=1.0, le=100.0)
    """From this percentage on, it is Critical."""

    own_warning_mb: float = Field(default=1000.0, ge=0.0, le=1e6)
    """Warn when sotto itself, without its models, takes so much; 0: never."""

    own_cleanup_mb: float = Field(default=2000.0, ge=0.0, le=1e6)
    """Let go of everything that is not needed when all of sotto takes so much; 0: never."""

    automatic_optimization: bool = True
    """Act when memory runs short, from cheap to costly, and undo it afterwards. Off: only recommend."""

    auto_fallback: bool = True
    """Go on with a smaller model when the chosen one does not fit, and say so. Off: the work stops there with an
    error, and what is done is kept."""

    explicit_lifecycle: bool = False
    """Unload a model as soon as its work is done, whatever `idle_seconds` says."""

    aggressive_gc: bool = False
    """Let go of caches and collect garbage at every look of `cleanup_seconds`, not only when memory runs short."""

    enable_monitoring: bool = True
    """Measure memory all the time. Off: only while a model is loaded, for its limits."""

    memory_report: bool = True
    """Keep what a meeting took in its memory.jsonl."""


class ScreenSettings(_Section):
    theme: str = ""
    """Name of a theme. Empty: the one that fits the terminal."""

    refresh_seconds: float = Field(default=0.25, ge=0.1, le=5.0)
    """Time between two looks at levels, times and memory while something is at work."""

    keymap: dict[str, str] = Field(default_factory=dict)
    """Other keys for actions: action id to key, for example `{ "record" = "f5" }`."""

    notify: Literal["auto", "osc9", "osc777", "bell", "off"] = "auto"
    """How a warning reaches somebody who looks elsewhere: the terminal's own notification, its bell, or not at all."""


@dataclass(frozen=True, slots=True)
class _Story:
    """How settings came about. Two that say the same are equal, whatever their story."""

    layers: Layers = field(default_factory=Layers, compare=False)
    preset: Preset | None = field(default=None, compare=False)
    problems: tuple[SettingsError, ...] = field(default=(), compare=False)


class Settings(BaseSettings):
    """All settings, frozen. Build them with `load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="SOTTO_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        use_attribute_docstrings=True,
    )

    folder: Path = Field(default_factory=paths.recordings)
    """Where meetings are kept, one folder each."""

    recording: RecordingSettings = RecordingSettings()
    transcription: TranscriptionSettings = TranscriptionSettings()
    summary: SummarySettings = SummarySettings()
    memory: MemorySettings = MemorySettings()
    screen: ScreenSettings = ScreenSettings()

    @field_validator("folder")
    @classmethod
    def _whole(cls, folder: Path) -> Path:
        """From the root on: the recorder and the models work in other folders."""
        if "\0" in str(folder):
            raise ValueError("a path has no zero character")
        return paths.absolute(folder)

    _story: _Story = PrivateAttr(default_factory=_Story)

    @property
    def preset(self) -> Preset:
        """The preset in force, also where none was named."""
        return self._story.preset or _preset_of(self.memory.preset)

    @property
    def problems(self) -> tuple[SettingsError, ...]:
        """What is wrong in config.toml and was passed over; to be told to the person."""
        return self._story.problems

    def origin(self, key: str) -> Origin:
        """Where a setting has its value from.

        Args:
            key: `SECTION.FIELD`, or `folder`.
        """
        return self._story.layers.origin(key)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # `load` reads the others, and remembers which said what


def load(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this user.

    What is wrong in config.toml is passed over, so that the rest still works, and is in `Settings.problems`.

    Args:
        overrides: Values from the command line, nested by section; they win over everything else.

    Raises:
        SettingsError: A value of the command line or of the environment is not allowed; the message names where it
            stands, the key and what is allowed.
    """
    file, problems = _file()
    return _resolved(Layers(dict(overrides or {}), environment(Settings), file), problems)


def with_overrides(settings: Settings, overrides: Mapping[str, Any]) -> Settings:
    """These settings with values that win over everything that was said before. Reads no file, but looks at models.

    Args:
        settings: What `load` returned.
        overrides: Nested by section.

    Raises:
        SettingsError: A value is not allowed.
    """
    layers = settings._story.layers
    changed = Layers(laid_over(layers.flags, overrides), layers.environment, layers.file)
    return _resolved(changed, settings.problems)


def with_preset(settings: Settings, name: PresetName) -> Settings:
    """These settings under another preset, as if the command line had named it."""
    return with_overrides(settings, {"memory": {"preset": name}})


def reloaded(settings: Settings) -> Settings:
    """What is set now, after config.toml was changed; what the command line and keys have said still holds.

    Raises:
        SettingsError: Like `load`.
    """
    return load(settings._story.layers.flags)


def check(key: str, value: object) -> None:
    """See that a setting may have a value in config.toml.

    Args:
        key: `SECTION.FIELD`, or `folder`.
        value: As the file would have it.

    Raises:
        SettingsError: It may not, or there is no such setting; the message names what is allowed.
    """
    section, _, name = key.rpartition(".")
    values = {section: {name: value}} if section else {name: value}
    _, problems = sound(values, Settings, _CHECKS, str(paths.config_file()))
    if problems:
        raise problems[0]


def _resolved(layers: Layers, problems: tuple[SettingsError, ...]) -> Settings:
    """The settings that these layers make, with what their preset gives below them."""
    named = _check(layers.merged(), layers)
    preset = _preset_of(named.memory.preset)
    gives = dict(preset.sets)
    # The engine that a preset chooses depends on what is on this machine, and on the language.
    engine = {"engine": speech_engine(preset, named.transcription.language)}
    gives["transcription"] = engine | dict(gives["transcription"])
    complete = Layers(layers.flags, layers.environment, layers.file, gives)
    chosen = _check(complete.merged(), complete)
    chosen._story = _Story(complete, preset, problems)
    return chosen


def _check(values: Nested, layers: Layers) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        _, problem = next(explained(error, Settings, lambda key: _place(layers, key)))
        raise problem from error


def _preset_of(name: str) -> Preset:
    return PRESETS[name] if name else fitting_here()


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "transcription.engine": partial(parse_engine, "stt"),
    "transcription.captions_engine": check_captions_engine,
    "transcription.vocabulary": lambda file: read_vocabulary(Path(file)),
    "summary.engine": lambda engine: engine == "none" or parse_engine("summary", engine),
    "summary.smaller": lambda smaller: [parse_engine("summary", engine) for engine in smaller],
}
"""What has to name engines and files that there are: else a slip would keep the app from starting."""


def _file() -> tuple[dict[str, Any], tuple[SettingsError, ...]]:
    """What config.toml says, without what is wrong in it, and what that is."""
    path = paths.config_file()
    try:
        return sound(read_file(path), Settings, _CHECKS, str(path))
    except SettingsError as error:
        return {}, (error,)


def _place(layers: Layers, key: str) -> str:
    """Where the value of a key stands, for the message that it is wrong."""
    section = key.partition(".")[0]
    for named in (key, section):
        if has(layers.flags, named):
            return "command line"
        if has(layers.environment, named):
            return variable(named)
    return str(paths.config_file())
