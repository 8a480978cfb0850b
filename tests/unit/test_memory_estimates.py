"""What a model will take: guessed from the catalogue or its files, then known from what it took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.memory.estimates import UNKNOWN_MB, Estimates, guess, key_of
from services.models.catalogue import EngineSpec, parse_engine
from services.models.options import EngineOptions, SummaryOptions
from services.worker.handler import Json


def whisper(**options: object) -> Json:
    spec = EngineSpec("faster-whisper", "small", EngineOptions.from_dict(options))
    return spec.load_args()


@pytest.fixture
def estimates(tmp_path: Path) -> Estimates:
    return Estimates(tmp_path / "estimates.json")


def test_the_catalogue_is_believed_until_it_was_measured(estimates: Estimates) -> None:
    before = estimates.of(whisper())
    assert not before.measured
    assert str(before).startswith("about ")
    estimates.learn(whisper(), 512.34)
    after = estimates.of(whisper())
    assert (after.mb, after.measured, str(after)) == (512.3, True, "512 MB")


def test_the_most_of_the_last_five_runs_counts(estimates: Estimates) -> None:
    for mb in (900, 500, 510, 520, 530):
        estimates.learn(whisper(), mb)
    assert estimates.of(whisper()).mb == 900
    estimates.learn(whisper(), 505)
    assert estimates.of(whisper()).mb == 530


def test_other_settings_are_another_measurement(estimates: Estimates) -> None:
    estimates.learn(whisper(), 500)
    for other in (whisper(batch=2), whisper(beam=1), whisper(compute="float32"), whisper(window_s=10)):
        assert not estimates.of(other).measured
    assert estimates.of(whisper(vocabulary=("sotto",), api_key="secret")).measured
    assert "secret" not in key_of(whisper(api_key="secret"))


def test_a_context_is_a_setting_of_a_language_model() -> None:
    load = {"engine": "llama-cpp-python", "model": "/m.gguf", "transcript": "/a/transcript.jsonl"}
    told = [load | SummaryOptions(max_context=context).to_dict() for context in (2048, 8192)]
    told.append(load | {"options": SummaryOptions(max_context=8192).to_dict()})
    assert key_of(told[0]) != key_of(told[1])
    assert key_of(told[1]) == key_of(told[2])
    assert key_of(told[1]) == key_of(told[1] | {"transcript": "/another"})


def test_what_is_guessed_of_a_model_that_never_ran(tmp_path: Path) -> None:
    half = tmp_path / "model.bin"
    half.write_bytes(b"\0" * 10 * 2**20)
    speech = guess({"engine": "faster-whisper", "model": str(tmp_path)})
    assert speech == pytest.approx(20)
    assert guess({"engine": "llama-cpp-python", "model": str(half)}) == pytest.approx(15)
    assert guess({"engine": "faster-whisper", "model": "/nowhere"}) == UNKNOWN_MB
    assert guess({"engine": "of another time"}) == UNKNOWN_MB
    assert guess({"engine": "extractive", "model": ""}) < 100
    assert guess(parse_engine("stt", "openai:a-model").load_args()) < 100
    assert guess(whisper(batch=2)) > guess(whisper())
    assert guess(whisper(compute="float32")) > guess(whisper())
    assert guess(whisper(speakers=True)) > guess(whisper())


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 1}', '{"version": 1, "peaks_mb": {"a": 5}}', "\0"])
def test_a_damaged_file_is_no_file(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "estimates.json"
    path.write_text(damage)
    estimates = Estimates(path)
    assert not estimates.of(whisper()).measured
    estimates.learn(whisper(), 400)
    assert estimates.of(whisper()).mb == 400


@pytest.mark.parametrize("figure", ["1e999", "NaN", "-5", "1e300", "1" + 400 * "0"])
def test_a_figure_that_no_process_has_taken_is_not_believed(tmp_path: Path, figure: str) -> None:
    path = tmp_path / "estimates.json"
    path.write_text(f'{{"version": 1, "peaks_mb": {{{json.dumps(key_of(whisper()))}: [{figure}]}}}}')
    estimates = Estimates(path)
    assert not estimates.of(whisper()).measured
    estimates.learn(whisper(), 400)
    assert estimates.of(whisper()).mb == 400


def test_a_folder_that_cannot_be_written_costs_the_figure_and_nothing_else(tmp_path: Path) -> None:
    estimates = Estimates(tmp_path / "missing" / "estimates.json")
    estimates.learn(whisper(), 400)
    assert not estimates.of(whisper()).measured


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 90), st.floats(0.0, 1e6)), min_size=1, max_size=120))
def test_any_number_of_runs_leaves_a_bounded_file_that_knows_the_last(
    tmp_path: Path, runs: list[tuple[int, float]]
) -> None:
    """Feature: memory-optimization, Property 5: Backend Memory Efficiency (what is kept of models is bounded)."""
    path = tmp_path / "estimates.json"
    path.unlink(missing_ok=True)
    estimates = Estimates(path)
    for model, mb in runs:
        estimates.learn({"engine": "e", "model": str(model)}, mb)
    assert path.stat().st_size < 64 * 5 * 40
    model, mb = runs[-1]
    known = estimates.of({"engine": "e", "model": str(model)})
    assert known.measured
    assert known.mb >= round(mb, 1)
