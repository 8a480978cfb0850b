"""`sotto process`: the built-in engines on the sample meeting, and every kind of bad input."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import soundfile

from services import sample
from services.library.meeting import Meeting
from services.sample.script import read as read_script
from tests.functional.command import Done, argv, sotto, start

FIELDS = (
    "file meeting ok error duration_s text segments summary wall_s real_time_factor peak_pss_mb load_s unload_s stt llm"
).split()


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Ten seconds of the sample meeting."""
    samples, rate = soundfile.read(sample.MEETING, dtype="float32")
    file = tmp_path / "clip.wav"
    soundfile.write(file, samples[: 12 * rate], rate)
    return file


def meetings(home: Path) -> list[Path]:
    folder = home / "recordings"
    return sorted(folder.iterdir()) if folder.exists() else []


def one(done: Done) -> dict[str, object]:
    (found,) = done.objects
    return found


def test_the_sample_meeting_gives_what_its_script_says(home: Path) -> None:
    done = sotto("process", sample.MEETING, "--json")
    result = done.objects[0]
    assert (done.code, result["ok"], result["error"]) == (0, True, None)
    assert set(FIELDS) <= set(result)
    for expected in read_script().expected:
        assert expected.missing(result["text"]) == []
        assert expected.missing(result["summary"]) == []
    assert {segment["speaker"] for segment in result["segments"]} == {"You", "Others"}
    starts = [segment["start"] for segment in result["segments"]]
    assert starts == sorted(starts)
    assert 0 < result["real_time_factor"] < 10
    assert result["peak_pss_mb"] > 50
    (folder,) = meetings(home)
    assert result["meeting"] == str(folder)
    assert json.loads((folder / "meeting.json").read_text())["stages"]["summarize"] == {"status": "done"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in [folder, *folder.iterdir()])


def test_a_finished_meeting_is_printed_as_it_was_the_first_time(home: Path, speech: Path) -> None:
    first = sotto("process", speech)
    (folder,) = meetings(home)
    again = sotto("process", folder)
    assert again.code == 0
    assert again.out == first.out
    assert "[0:05] Others: " in again.out


def test_one_bad_file_does_not_stop_the_others(home: Path, speech: Path, tmp_path: Path) -> None:
    done = sotto("process", tmp_path / "missing.mp3", speech, tmp_path, speech, "--json", "--summary", "none")
    assert done.code == 1
    assert [r["ok"] for r in done.objects] == [False, True, False, True]
    assert "missing.mp3" in done.objects[0]["error"]
    assert len(meetings(home)) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("zero.wav", b""), ("words.mp3", b"these are just words " * 50), ("cut.wav", b"RIFF\x24\x00\x00\x00WAVEfmt ")],
    ids=["empty", "text", "header"],
)
def test_what_holds_no_sound_is_an_error_and_leaves_nothing(
    home: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    result = one(sotto("process", file, "--json"))
    assert result["ok"] is False
    assert name in str(result["error"])
    assert meetings(home) == []


def test_a_video_without_sound_is_an_error(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "silent.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for _ in range(10):
            for packet in stream.encode(av.VideoFrame(64, 64, "yuv420p")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    done = sotto("process", file)
    assert done.code == 1
    assert "silent.mp4" in done.err
    assert "no sound" in done.err.lower()
    assert meetings(home) == []


def test_silence_says_so_and_invents_nothing(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "hush.flac"
    soundfile.write(file, np.zeros(16000 * 20), 16000)
    done = sotto("process", file)
    assert done.code == 0
    assert "No speech was found." in done.out
    (folder,) = meetings(home)
    assert (folder / "transcript.jsonl").read_text() == ""
    assert not (folder / "summary.md").exists()


def test_unknown_engines_and_models_are_wrong_use_and_list_what_exists(home: Path, speech: Path) -> None:
    for option, value, words in (
        ("--stt", "whispr", "moonshine"),
        ("--stt", "moonshine:huge", "tiny-en"),
        ("--summary", "gpt", "extractive, llama-cpp-python:PATH, none"),
        ("--summary", "llama", "GGUF"),
        ("--language", "de", "It understands: en"),
    ):
        done = sotto("process", speech, option, value)
        assert done.code == 2
        assert words in done.err
    assert meetings(home) == []


def test_a_model_that_is_none_is_told_and_the_transcript_stays(home: Path, speech: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake.gguf"
    fake.write_bytes(b"MZ" * 1000)
    done = sotto("process", speech, "--summary", f"llama:{fake}", "--json")
    result = done.objects[0]
    assert (done.code, result["ok"]) == (1, False)
    assert "fake.gguf" in result["error"]
    assert "website" in result["text"].lower()
    (folder,) = meetings(home)
    assert Meeting(folder).stage("transcribe") == "done"
    assert Meeting(folder).stage("summarize") == "failed"
    # What is left to do is done by the next run, with an engine that works; the transcript is not made again.
    before = (folder / "transcript.jsonl").stat().st_mtime_ns
    again = sotto("process", folder, "--json").objects[0]
    assert again["ok"]
    assert again["summary"].startswith("# ")
    assert (folder / "transcript.jsonl").stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_written_is_told_before_any_work(home: Path, speech: Path) -> None:
    (home / "recordings").write_text("a file is in the way")
    done = sotto("process", speech)
    assert done.code == 1
    assert "recordings" in done.err
    assert "SOTTO_HOME" in done.err or "folder" in done.err


def test_a_wrong_setting_is_told_and_passed_over(home: Path, speech: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text("[summary]\nmax_context = 'many'\nengine = 'none'\n")
    done = sotto("process", speech, "--json")
    assert (done.code, done.objects[0]["summary"], done.objects[0]["ok"]) == (0, "", True)
    assert (
        f"The setting `summary.max_context` ({home}/config/config.toml) is 'many': it takes a whole number" in done.err
    )


def _children_of(pid: int) -> list[psutil.Process]:
    try:
        return [c for c in psutil.Process(pid).children() if "services.worker.host" in c.cmdline()]
    except psutil.Error:
        return []


@pytest.fixture
def long_speech(tmp_path: Path) -> Path:
    """About six minutes of the sample meeting, again and again."""
    samples, rate = soundfile.read(sample.MEETING, dtype="float32")
    file = tmp_path / "long.flac"
    soundfile.write(file, np.concatenate([samples] * 5), rate)
    return file


def _started_writing(home: Path) -> bool:
    return any(f.stat().st_size for f in (home / "recordings").glob("*/transcript.jsonl"))


def test_an_interrupted_run_keeps_what_it_has_and_can_be_finished(home: Path, long_speech: Path) -> None:
    with start(["process", long_speech, "--summary", "none"]) as running:
        while not _started_writing(home):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert running.returncode == 1
    assert "To go on: sotto process" in err
    (folder,) = meetings(home)
    assert (folder / "transcript.jsonl").stat().st_size
    assert Meeting(folder).stage("transcribe") == "skipped"


def test_another_terminal_sees_what_it_takes_and_what_is_wrong_is_told(
    home: Path, long_speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTTO_MEMORY_MAX_STT_MB", "20000")
    monkeypatch.setenv("SOTTO_MEMORY_OWN_WARNING_MB", "1")
    with start(["process", long_speech, "--summary", "none"]) as running:
        while not _started_writing(home):
            assert running.poll() is None
        (seen,) = sotto("monitor", running.pid, "--once", "--json").objects
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    components = {component["name"]: component for component in seen["components"]}
    assert components["STT"]["limit_mb"] == 20000
    assert next(model for model in seen["models"] if model["model"] == "stt")["engine"] == "moonshine:tiny-en"
    assert "MB without its models; 1 MB are its warning. Close other programs" in err


def test_a_killed_speech_process_is_told_and_leaves_nothing_running(
    home: Path, long_speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTTO_MEMORY_AUTO_FALLBACK", "false")
    with subprocess.Popen(
        argv("process", long_speech, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        while not _started_writing(home):
            assert running.poll() is None
        children = _children_of(running.pid)
        for child in children:
            child.kill()
        out, err = running.communicate()
    result = json.loads(out)
    assert (running.returncode, result["ok"]) == (1, False)
    assert "SIGKILL" in result["error"]
    assert "Traceback" not in err
    assert result["segments"]  # what was heard before is kept
    assert not any(child.is_running() for child in children)
