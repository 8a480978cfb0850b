"""The speech-to-text worker as the app runs it: a process of its own."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from services.audio.decode import open_audio
from services.audio.normalise import Resampler
from services.errors import AudioFileError, CancelledError, ModelError, UsageError
from services.library.meeting import Meeting
from services.recording.chunks import ChunkWriter
from services.sample import MEETING
from services.worker.client import Worker
from services.worker.handler import Json
from tests import speechset

RATE = 16_000


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker("stt", log=tmp_path_factory.mktemp("stt") / "stt.log") as started:
        started.call("load", {"engine": "moonshine", "model": "tiny-en"})
        yield started


@functools.cache
def sample() -> NDArray[np.int16]:
    """The sample meeting at 16 kHz: int16 (frames, 2)."""
    with open_audio(MEETING) as audio:
        resamplers = [Resampler(audio.rate) for _ in range(audio.channels)]
        parts = [
            np.stack([r.feed(np.ascontiguousarray(block[:, i])) for i, r in enumerate(resamplers)], axis=1)
            for block in audio.blocks()
        ]
        return (np.concatenate(parts) * 32767).astype(np.int16)


def clip(folder: Path) -> Path:
    """The first 3 s of the sample meeting's microphone as a file."""
    path = folder / "clip.wav"
    soundfile.write(path, sample()[: 3 * RATE, 0], RATE)
    return path


def test_a_file_that_is_cut_while_it_is_read_is_not_taken_for_whole(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate([sample()[:, 0]] * 4), RATE)

    def cut(_: Json) -> None:
        os.truncate(path, 44 + 2 * 20 * RATE)

    with pytest.raises(AudioFileError, match="became shorter"):
        worker.call("transcribe", {"path": str(path), "language": "en"}, on_item=cut)


def recorded(root: Path, pcm: NDArray[np.int16], speakers: tuple[str, ...]) -> Meeting:
    """A meeting's folder as the recorder leaves it."""
    info: dict[str, Any] = {
        "rate": RATE,
        "channels": [{"source": "mic", "speaker": speaker} for speaker in speakers],
    }
    meeting = Meeting.create(root, "x", info)
    writer = ChunkWriter(meeting.audio, RATE, len(speakers), 10.0)
    writer.write(pcm)
    writer.close()
    return meeting


def transcribe(worker: Worker, path: Path, language: str = "en") -> tuple[Json, list[Json]]:
    items: list[Json] = []
    result = worker.call("transcribe", {"path": str(path), "language": language}, on_item=items.append)
    return result, [item["segment"] for item in items]


def test_a_file_becomes_segments_as_it_is_read(worker: Worker) -> None:
    events: list[tuple[str, float]] = []
    result = worker.call(
        "transcribe",
        {"path": str(MEETING), "language": "en"},
        on_item=lambda item: events.append(("segment", item["segment"]["start"])),
        on_progress=lambda done, total, _: events.append(("progress", done / total)),
    )
    kinds = "".join(kind[0] for kind, _ in events)
    assert "sp" in kinds, "segments came only at the end"
    starts = [value for kind, value in events if kind == "segment"]
    assert starts == sorted(starts)
    assert result["duration_s"] == pytest.approx(75.4, abs=0.1)
    assert 40 < result["speech_s"] < 60
    assert result["channels"] == 2
    assert result["windows"] >= len(starts) > 5


def test_a_recording_is_read_from_its_folder_with_its_labels(worker: Worker, tmp_path: Path) -> None:
    meeting = recorded(tmp_path, sample()[: 24 * RATE], ("Anna", ""))
    _, segments = transcribe(worker, meeting.folder)
    assert [segment["speaker"] for segment in segments] == ["Anna", "Others", "Anna", "Others"]
    assert segments[0]["text"].startswith("Good morning, everyone.")
    assert "ten people" in segments[1]["text"]


def test_one_recorded_channel_has_no_speaker(worker: Worker, tmp_path: Path) -> None:
    meeting = recorded(tmp_path, sample()[: 6 * RATE, :1], ("",))
    _, (segment,) = transcribe(worker, meeting.folder)
    assert segment["speaker"] == ""
    assert segment["text"].startswith("Good morning, everyone.")


def test_an_archived_recording_gives_the_same(worker: Worker, tmp_path: Path) -> None:
    pcm = sample()[: 24 * RATE]
    chunked, archived = recorded(tmp_path, pcm, ("You", "Others")), recorded(tmp_path, pcm, ("You", "Others"))
    soundfile.write(archived.archive, pcm, RATE)
    for chunk in archived.audio.iterdir():
        chunk.unlink()
    assert transcribe(worker, chunked.folder) == transcribe(worker, archived.folder)


def test_a_silent_recording_holds_no_speech(worker: Worker, tmp_path: Path) -> None:
    meeting = recorded(tmp_path, np.zeros((20 * RATE, 2), np.int16), ("You", "Others"))
    result, segments = transcribe(worker, meeting.folder)
    assert segments == []
    assert result["speech_s"] == 0
    assert result["duration_s"] == 20


def test_cancelling_ends_it_between_two_windows(worker: Worker, tmp_path: Path) -> None:
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        args = {"path": str(MEETING), "language": "en"}
        worker.call("transcribe", args, on_item=lambda _: cancel.set(), cancel=cancel)
    assert transcribe(worker, clip(tmp_path))[1], "the worker works on after a cancel"


def test_another_language_is_refused_with_what_is_understood(worker: Worker) -> None:
    with pytest.raises(UsageError) as caught:
        transcribe(worker, MEETING, "de")
    assert "'de'" in caught.value.message
    assert "en" in caught.value.hint


@pytest.mark.parametrize("code", ["en", "EN", "en-US", "en_GB"])
def test_english_has_many_codes(code: str, worker: Worker, tmp_path: Path) -> None:
    assert transcribe(worker, clip(tmp_path), code)[0]["duration_s"] == 3


def test_a_bad_file_is_an_error_of_its_own_class(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(AudioFileError):
        transcribe(worker, tmp_path / "gone.wav")


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with Worker("stt", log=tmp_path / "log") as worker:
        with pytest.raises(UsageError) as caught:
            worker.call("load", {"engine": "dragon", "model": ""})
        assert "moonshine" in caught.value.hint
        with pytest.raises(ModelError, match="No speech engine is loaded"):
            transcribe(worker, MEETING)


def test_unloading_leaves_a_worker_that_can_load_again(tmp_path: Path) -> None:
    with Worker("stt", log=tmp_path / "log") as worker:
        for _ in range(2):
            assert worker.call("load", {"engine": "moonshine", "model": "tiny-en"})["load_s"] > 0
            assert worker.call("unload") == {}
        with pytest.raises(ModelError):
            transcribe(worker, MEETING)


@pytest.mark.speech
def test_memory_does_not_grow_with_the_length(worker: Worker, speech: Path) -> None:
    long = speech / "long" / "sonnet-p001.mp3"
    heard: list[str] = []

    def peak(path: Path) -> float:
        """The most that it holds of its own; PSS would rise when another process stops sharing the libraries."""
        seen: list[float] = []
        heard.clear()
        worker.call(
            "transcribe",
            {"path": str(path), "language": "en"},
            on_item=lambda item: heard.append(item["segment"]["text"]),
            on_progress=lambda *_: seen.append(worker.memory().anonymous),
        )
        return max(seen)

    first = peak(long)  # from then on the engine has worked on windows of every length
    assert peak(speech / "hostile" / "silence-10min.flac") < first + 30
    assert peak(long) < first + 30
    assert speechset.word_error_rate(speechset.reference(long), " ".join(heard)) < 0.15
