"""A chosen model that is not here: told before the work or the meeting, not after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services import sample
from services.library.meeting import Meeting
from tests.functional.app_driver import running, toasts, until
from tests.functional.command import sotto

PULL = "Get it with `sotto models pull faster-whisper:small` (486 MB)."


@pytest.fixture
def chosen(home: Path) -> Path:
    """Settings that name a speech model and a summary model which are not on this machine."""
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text(
        '[transcription]\nengine = "whisper:small"\n[summary]\nengine = "llama:/nowhere/model.gguf"\n'
    )
    return home


def test_a_file_is_not_begun(chosen: Path) -> None:
    done = sotto("process", sample.MEETING)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"A model is missing: The model faster-whisper:small is not on this machine.\n  {PULL}\n"
    summary = sotto("process", sample.MEETING, "--stt", "moonshine")
    assert summary.code == 1
    assert "The model /nowhere/model.gguf is not there." in summary.err
    assert not (chosen / "recordings").exists()


@pytest.mark.parametrize("language", ["en", "de"])  # for German it is asked whether the model would do for captions
def test_a_path_that_no_file_system_takes_is_not_there(home: Path, language: str) -> None:
    done = sotto("process", sample.MEETING, "--stt", f"whisper:/{'x' * 300}", "--language", language)
    assert (done.code, done.out) == (1, "")
    assert "is not there" in done.err


def test_what_needs_no_speech_model_any_more_does_not_miss_one(home: Path) -> None:
    assert sotto("process", sample.MEETING, "--summary", "none").code == 0
    (folder,) = (home / "recordings").iterdir()
    described = json.loads((folder / "meeting.json").read_text())
    del described["stages"]["summarize"]
    (folder / "meeting.json").write_text(json.dumps(described))
    done = sotto("process", folder, "--stt", "whisper:small")
    assert (done.code, "missing" in done.err) == (0, False)
    assert (folder / "summary.md").exists()
    (folder / "transcript.jsonl").unlink()
    assert sotto("process", folder, sample.MEETING, "--stt", "whisper:small").code == 1


def test_a_meeting_is_recorded_all_the_same_and_told_before(chosen: Path) -> None:
    done = sotto("record", "--source", f"file:{sample.MEETING}", "--speed", 50)
    assert done.code == 1
    told, recorded = done.err.index("There will be no transcript before this is mended"), done.err.index("Recorded ")
    assert told < recorded
    assert PULL in done.err
    assert "There will be no summary before this is mended: The model /nowhere/model.gguf is not there." in done.err
    (folder,) = (chosen / "recordings").iterdir()
    assert Meeting(folder).stage("transcribe") == "failed"
    finished = sotto("process", folder, "--stt", "moonshine", "--summary", "none")
    assert finished.code == 0
    assert "website" in finished.out.lower()


def test_who_only_records_misses_no_model(chosen: Path) -> None:
    done = sotto("record", "--source", f"file:{sample.MEETING}", "--speed", 50, "--no-process")
    assert done.code == 0
    assert "There will be no" not in done.err


def test_meetings_that_were_cut_off_are_mended_before_the_model_is_missed(chosen: Path) -> None:
    sotto("record", "--source", f"file:{sample.MEETING}", "--speed", 50, "--no-process")
    (folder,) = (chosen / "recordings").iterdir()
    described = json.loads((folder / "meeting.json").read_text())
    described["stages"] = {}
    (folder / "meeting.json").write_text(json.dumps(described))
    done = sotto("recover", "--all")
    assert done.code == 1
    assert str(folder) in done.out
    assert PULL in done.err


def test_doctor_says_what_is_missing_and_what_is_there(chosen: Path) -> None:
    findings = {each["what"]: each for each in json.loads(sotto("doctor", "--json").out)}
    assert (findings["transcript"]["verdict"], findings["transcript"]["hint"]) == ("missing", PULL)
    assert findings["summary"]["said"] == "The model /nowhere/model.gguf is not there."
    assert (findings["captions"]["verdict"], findings["captions"]["said"]) == ("ok", "moonshine:tiny-en")


async def test_the_app_tells_it_at_its_start(chosen: Path) -> None:
    async with running() as (app, pilot):
        await until(pilot, lambda: PULL in toasts(app) and "/nowhere/model.gguf" in toasts(app))
        assert "A model is missing" in toasts(app)


async def test_the_app_says_nothing_where_nothing_is_missing(home: Path) -> None:
    async with running() as (app, pilot):
        await until(pilot, lambda: not app.workers)
        assert not toasts(app)
