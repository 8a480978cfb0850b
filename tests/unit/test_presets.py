"""Presets: what each sets, which one holds, and that nothing else is forgotten when they change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services import layers, paths, presets, settings
from services.memory import probe
from services.models.store import MANIFEST, folder_of
from services.presets import BALANCED, CONSERVATIVE, LIGHTWEIGHT, PERFORMANCE, PRESETS
from services.settings import Settings
from tui.cli.parser import parse

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOTTO_HOME", str(tmp_path))
    monkeypatch.delenv("SOTTO_MEMORY_PRESET")
    file = paths.config_file()
    file.parent.mkdir(parents=True)
    return file


def value(of: Settings, key: str) -> Any:
    return layers.find(of.model_dump(), key)


def keys() -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything that presets set, and what each sets it to."""
    for section, fields in BALANCED.sets.items():
        for field in fields:
            yield f"{section}.{field}", {name: each.sets[section][field] for name, each in PRESETS.items()}


def test_every_preset_is_allowed_and_balanced_is_the_default() -> None:
    for name, preset in PRESETS.items():
        loaded = settings.load({"memory": {"preset": name}})
        assert loaded.preset is preset
        for section, fields in preset.sets.items():
            for field, wanted in fields.items():
                assert (value(loaded, f"{section}.{field}"), loaded.origin(f"{section}.{field}")) == (wanted, "preset")
    assert Settings.model_validate(BALANCED.sets) == Settings()


def test_each_preset_takes_no_less_than_the_one_below() -> None:
    order = (LIGHTWEIGHT, CONSERVATIVE, BALANCED, PERFORMANCE)
    for key in ("summary.max_context", "memory.idle_seconds", "memory.keep_mb", "transcription.beam"):
        found = [layers.find(preset.sets, key) for preset in order]
        assert found == sorted(found), key
    assert [preset.speech_mb for preset in order] == sorted(preset.speech_mb for preset in order)
    caps = LIGHTWEIGHT.sets["memory"]
    assert max(caps["max_stt_mb"], caps["max_llm_mb"]) < caps["max_total_mb"] == 500


@pytest.mark.parametrize(
    ("gb", "preset"),
    [
        (0.5, LIGHTWEIGHT),
        (1.9, LIGHTWEIGHT),
        (3.7, CONSERVATIVE),
        (4, CONSERVATIVE),
        (5.9, CONSERVATIVE),
        (6, BALANCED),
        (7.6, BALANCED),
        (11.9, BALANCED),
        (12, PERFORMANCE),
        (256, PERFORMANCE),
    ],
)
def test_the_machine_decides_where_nobody_does(gb: float, preset: presets.Preset) -> None:
    assert presets.fitting(gb * 1024) is preset


def test_what_fits_this_machine_holds_until_somebody_names_another(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = presets.fitting(probe.system().total)
    assert settings.load().preset is Settings().preset is here
    config.write_text("[memory]\npreset = 'conservative'\n")
    assert settings.load().preset is CONSERVATIVE
    monkeypatch.setenv("SOTTO_MEMORY_PRESET", "performance")
    assert settings.load().preset is PERFORMANCE
    chosen = settings.load({"memory": {"preset": "lightweight"}})
    assert chosen.preset is LIGHTWEIGHT
    assert settings.with_preset(chosen, "balanced").preset is BALANCED
    config.write_text("[memory]\npreset = 'huge'\n")
    monkeypatch.delenv("SOTTO_MEMORY_PRESET")
    assert settings.load().preset is here


def test_the_fitting_preset_is_told_once(tmp_path: Path) -> None:
    assert presets.first_start("balanced") is None
    assert presets.first_start() is presets.fitting_here()
    assert presets.first_start() is None
    assert (tmp_path / "state" / "preset").read_text().strip() in PRESETS


def test_every_flag_names_a_preset() -> None:
    def named(*arguments: str) -> object:
        return vars(parse(list(arguments)))["preset"]

    for name in PRESETS:
        assert named("--preset", name) == name
        assert named("process", "x.wav", "--preset", name) == name
    for command in (["record"], ["process", "x.wav"], ["recover"]):
        assert named(*command) is None
        assert named(*command, "-l") == named("-l", *command) == named(*command, "--lightweight") == "lightweight"
        assert named("-l", *command, "--preset", "balanced") == "balanced"
    assert (named(), named("-l"), named("-l", "attach")) == (None, "lightweight", "lightweight")
    for wrong in (["--preset", "huge"], ["record", "-l", "--preset", "balanced"]):
        with pytest.raises(SystemExit):
            parse(wrong)


def test_the_table_in_the_docs_is_the_one_that_counts() -> None:
    rows = {}
    for line in (ROOT / "docs" / "memory.md").read_text(encoding="utf-8").splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == len(PRESETS):
            rows[name.strip("`")] = cells
    assert rows["setting"] == [f"`{name}`" for name in PRESETS]
    for key, values in keys():
        assert rows[key] == [each if isinstance(each, str) else f"{each:g}" if not isinstance(each, bool)
                             else str(each).lower() for each in values.values()], key  # fmt: skip


def downloaded(*names: str) -> None:
    for name in names:
        engine, _, model = name.partition(":")
        folder = folder_of(engine, model)
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text("{}")


@pytest.mark.parametrize(
    ("preset", "language", "here", "engine"),
    [
        ("performance", "en", "", "moonshine"),
        ("performance", "en", "faster-whisper:small faster-whisper:large-v3", "faster-whisper:large-v3"),
        ("balanced", "en", "faster-whisper:small faster-whisper:large-v3", "faster-whisper:small"),
        ("balanced", "en", "faster-whisper:small faster-whisper:small.en", "faster-whisper:small.en"),
        ("balanced", "de", "faster-whisper:small faster-whisper:small.en", "faster-whisper:small"),
        ("balanced", "auto", "faster-whisper:small.en faster-whisper:base", "faster-whisper:base"),
        ("conservative", "en", "faster-whisper:small faster-whisper:base", "faster-whisper:base"),
        ("conservative", "en-US", "faster-whisper:small faster-whisper:tiny", "moonshine"),
        ("lightweight", "en", "faster-whisper:tiny faster-whisper:base", "moonshine"),
        ("lightweight", "de", "faster-whisper:tiny faster-whisper:base", "faster-whisper:tiny"),
        ("lightweight", "de", "faster-whisper:large-v3 faster-whisper:small", "faster-whisper:small"),
        ("balanced", "de", "vosk:small-de vosk:standard-de vosk:small-en vosk:spk", "vosk:small-de"),
        ("performance", "de", "vosk:small-de vosk:standard-de", "vosk:standard-de"),
        ("balanced", "de", "vosk:small-de faster-whisper:base", "faster-whisper:base"),
        ("balanced", "en", "vosk:small-en", "moonshine"),
        ("lightweight", "de", "vosk:small-de", "vosk:small-de"),
        ("balanced", "de", "", "moonshine"),
        ("balanced", "auto", "vosk:small-de", "moonshine"),
    ],
)
def test_the_best_engine_that_is_here_and_fits_is_taken(preset: str, language: str, here: str, engine: str) -> None:
    downloaded(*here.split())
    chosen = settings.load({"memory": {"preset": preset}, "transcription": {"language": language}})
    assert (chosen.transcription.engine, chosen.origin("transcription.engine")) == (engine, "preset")
    named = settings.with_overrides(chosen, {"transcription": {"engine": "vosk:small-en"}})
    assert (named.transcription.engine, named.preset.name) == ("vosk:small-en", preset)


_LAYERS = ("file", "environment", "flag")

_ALTERNATIVES: dict[str, tuple[Any, ...]] = {
    "transcription.beam": (2, 3, 4),
    "transcription.batch": (3, 4, 5),
    "transcription.single_pass": (True, False, True),
    "summary.max_context": (600, 700, 800),
    "summary.kv_cache": ("q4_0", "f16", "q8_0"),
    "memory.idle_seconds": (1.5, 2.5, 3.5),
    "memory.max_total_mb": (111.0, 222.0, 333.0),
    "memory.warning_threshold": (50.0, 60.0, 70.0),
    "memory.automatic_optimization": (False, True, False),
    "recording.chunk_seconds": (7.0, 8.0, 9.0),
    "screen.refresh_seconds": (0.3, 0.4, 1.0),
    "screen.theme": ("a", "b", "c"),
}
"""Some settings, of which presets give most, and another value for each layer."""


def toml(values: dict[str, Any]) -> str:
    lines = []
    for key, each in values.items():
        lines.append(f"{key} = {str(each).lower() if isinstance(each, bool) else repr(each)}")
    return "\n".join(lines) + "\n"


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.dictionaries(
        st.sampled_from(sorted(_ALTERNATIVES)), st.sets(st.sampled_from(_LAYERS), min_size=1), max_size=8
    ),
    first=st.sampled_from(sorted(PRESETS)),
    switches=st.lists(st.sampled_from(sorted(PRESETS)), max_size=4),
    wrong=st.lists(st.sampled_from(["memory.keep_mb = 'all'", "memory.own = 3", "colour = 1"]), unique=True),
)
def test_every_setting_has_the_value_of_the_highest_place_that_names_it(
    config: Path, said: dict[str, set[str]], first: str, switches: list[str], wrong: list[str]
) -> None:
    """Feature: memory-optimization, Property 6: System Memory Configuration Management.

    Whatever is said in whichever places, and however presets are switched: what is said about a single setting holds,
    what is not said is what the preset in force gives, each setting knows where it comes from, nothing that is wrong in
    the file touches anything else, and coming back to a preset gives what it gave before.
    """
    by_layer: dict[str, dict[str, Any]] = {
        layer: {key: _ALTERNATIVES[key][rank] for key, where in said.items() if layer in where}
        for rank, layer in enumerate(_LAYERS)
    }
    config.write_text("\n".join([*sorted(wrong), toml(by_layer["file"])]))
    flags: dict[str, dict[str, Any]] = {"memory": {"preset": first}}
    for key, each in by_layer["flag"].items():
        section, _, field = key.partition(".")
        flags.setdefault(section, {})[field] = each
    with pytest.MonkeyPatch.context() as patch:
        for key, each in by_layer["environment"].items():
            patch.setenv("SOTTO_" + key.replace(".", "_").upper(), str(each).lower())
        begun = now = settings.load(flags)
        assert len(now.problems) == len(wrong)
        for name in (first, *switches, first):
            now = settings.with_preset(now, PRESETS[name].name)
            assert now.preset.name == name
            for key, places in _ALTERNATIVES.items():
                highest = max((_LAYERS.index(layer) for layer in said.get(key, ())), default=None)
                gives = layers.find(PRESETS[name].sets, key)
                wanted = places[highest] if highest is not None else gives
                if wanted is not None:
                    assert value(now, key) == wanted, key
                told = _LAYERS[highest] if highest is not None else "default" if gives is None else "preset"
                assert now.origin(key) == told, key
        assert now == begun
        assert settings.reloaded(now) == begun
