"""The engine that asks a server, in its worker and from the command line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from services import sample
from services.errors import CancelledError
from services.models.options import EngineOptions
from services.worker.client import Worker
from services.worker.handler import Json
from tests.functional.command import sotto
from tests.functional.speech_server import KEY, Asked, Reply, plain, serving, words
from tests.functional.test_transcription_remote import direct as direct
from tests.functional.test_transcription_remote import failing


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """The first 30 s of the sample meeting, both channels: two windows or more."""
    samples, rate = soundfile.read(sample.MEETING, dtype="float32")
    path = tmp_path / "clip.wav"
    soundfile.write(path, samples[: 30 * rate], rate)
    return path


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Worker("stt", log=tmp_path / "stt.log") as started:
        yield started


def load(worker: Worker, url: str) -> None:
    options = EngineOptions(url=url, api_key=KEY).to_dict()
    worker.call("load", {"engine": "openai", "model": "whisper-1", "options": options})


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_the_worker_sends_window_after_window(worker: Worker, clip: Path, tmp_path: Path) -> None:
    items: list[Json] = []
    with serving(words) as server:
        load(worker, server.url)
        result = worker.call("transcribe", {"path": str(clip), "language": "auto"}, on_item=items.append)
    assert 2 <= len(server.asked) <= result["windows"], "only windows that hold speech are sent"
    assert all(0.5 < asked.seconds <= 30.0 for asked in server.asked)
    segments = [item["segment"] for item in items]
    assert len(segments) == 2 * len(server.asked)
    starts = [segment["start"] for segment in segments]
    assert starts[1] == pytest.approx(starts[0] + 1.1, abs=0.01)
    assert segments[0]["words"][0][2] == "Good"
    assert KEY not in (tmp_path / "stt.log").read_text()


def test_a_server_that_comes_up_later_is_waited_for(worker: Worker, clip: Path) -> None:
    port = free_port()
    told: list[str] = []
    up = threading.Event()
    done = threading.Event()

    def serve() -> None:
        up.wait()
        with serving(plain, port=port):
            done.wait()

    thread = threading.Thread(target=serve)
    thread.start()

    def watch(_done: float, _total: float, what: str) -> None:
        told.append(what)
        if "cannot be reached" in what:
            up.set()

    try:
        load(worker, f"http://127.0.0.1:{port}/v1")
        items: list[Json] = []
        worker.call("transcribe", {"path": str(clip), "language": "en"}, on_item=items.append, on_progress=watch)
    finally:
        up.set()
        done.set()
        thread.join()
    assert items
    assert f"waiting for 127.0.0.1:{port}: it cannot be reached" in told


def test_a_cancel_is_heeded_while_a_retry_is_waited_for(worker: Worker, clip: Path) -> None:
    cancel = threading.Event()

    def watch(_done: float, _total: float, what: str) -> None:
        if "no room" in what:
            cancel.set()

    with serving(failing(429, Retry_After="290"), words) as server:
        load(worker, server.url)
        with pytest.raises(CancelledError):
            worker.call("transcribe", {"path": str(clip), "language": "en"}, on_progress=watch, cancel=cancel)
        assert worker.alive, "it heeded the cancel by itself"
        assert len(server.asked) == 1
        assert worker.call("transcribe", {"path": str(clip), "language": "en"})["windows"] >= 2


def test_a_cancel_is_heeded_while_the_server_thinks(worker: Worker, clip: Path) -> None:
    cancel, over = threading.Event(), threading.Event()

    def think(_: Asked, reply: Reply) -> None:
        cancel.set()
        over.wait()

    with serving(think, words) as server:
        load(worker, server.url)
        with pytest.raises(CancelledError):
            worker.call("transcribe", {"path": str(clip), "language": "en"}, cancel=cancel)
        assert worker.alive
        assert worker.call("transcribe", {"path": str(clip), "language": "en"})["windows"] >= 2
        over.set()


def test_process_goes_on_where_the_server_left_it(home: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_TRANSCRIPTION_API_KEY", KEY)
    with serving(words, failing(429, Retry_After="86400")) as server:
        monkeypatch.setenv("SOTTO_TRANSCRIPTION_URL", server.url)
        done = sotto("process", clip, "--stt", "openai:large", "--summary", "none")
    assert done.code == 1
    assert "wants to be left alone" in done.err
    assert "`sotto process` with the meeting's folder goes on" in done.err
    assert server.asked[0].fields["model"] == ["large"]
    (folder,) = (home / "recordings").iterdir()
    before = (folder / "transcript.jsonl").read_text().splitlines()
    assert len(before) == 2
    with serving(words) as server:
        monkeypatch.setenv("SOTTO_TRANSCRIPTION_URL", server.url)
        again = sotto("process", folder, "--stt", "openai:large", "--summary", "none", "--json")
    assert again.code == 0
    (result,) = again.objects
    assert result["stt"] == "openai:large"
    texts = [segment["text"] for segment in result["segments"]]
    assert texts == ["Good morning, everyone.", "Twenty-five came."] * (len(texts) // 2)
    assert len(texts) > 2
    kept = "".join(path.read_text(errors="replace") for path in home.rglob("*") if path.is_file())
    assert KEY not in kept + done.out + done.err + again.out + again.err


def test_what_was_paid_for_is_not_sent_again_when_the_server_moves(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, rate = soundfile.read(sample.MEETING, dtype="float32")
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, samples.mean(axis=1), rate)
    arguments = ("--stt", "openai:large", "--summary", "none")
    with serving(words, words, words, failing(501)) as server:
        monkeypatch.setenv("SOTTO_TRANSCRIPTION_URL", server.url)
        assert sotto("process", clip, *arguments).code == 1
        sent = server.asked[:3]
    (folder,) = (home / "recordings").iterdir()
    with serving(words) as server:
        monkeypatch.setenv("SOTTO_TRANSCRIPTION_URL", server.url)
        assert sotto("process", folder, *arguments).code == 0
        sent_again = [asked.seconds for asked in server.asked]
    assert sent_again[0] == sent[-1].seconds, "the last window that was finished is the only one that is done again"


def test_without_an_address_nothing_begins(home: Path, clip: Path) -> None:
    for command in (("process", clip), ("record", "--source", f"file:{clip}")):
        done = sotto(*command, "--stt", "openai")
        assert done.code == 2
        assert "SOTTO_TRANSCRIPTION_URL" in done.err
    assert not (home / "recordings").exists()


def test_a_server_that_never_answered_leaves_a_meeting_to_go_on_with(
    home: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(failing(429, Retry_After="86400")) as server:
        monkeypatch.setenv("SOTTO_TRANSCRIPTION_URL", server.url)
        done = sotto("process", clip, "--stt", "openai:large", "--summary", "none")
    (folder,) = (home / "recordings").iterdir()
    assert f"Kept in {folder}" in done.err
    with serving(words) as server:
        monkeypatch.setenv("SOTTO_TRANSCRIPTION_URL", server.url)
        assert sotto("process", folder, "--stt", "openai:large", "--summary", "none").code == 0
