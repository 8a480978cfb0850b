"""`sotto models` in a shell, against a hub on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from services import sample
from services.models.entry import Archive, Hub
from tests.functional import command
from tests.functional.elsewhere import Origins, argv, environment, sotto, start
from tests.functional.hub import REVISION, ModelHub, model_hub
from tests.functional.test_models_archives import zipped
from tests.functional.waiting import until
from tests.models.fixtures import scripted_whisper
from tests.models.whisper_ct2 import SCRIPT, Recipe

__all__ = ["scripted_whisper"]

WEIGHTS = random.Random(3).randbytes(2_000_000)
FILES = {"model.bin": WEIGHTS, "config.json": b"{}\n"}
ORIGINS: Origins = {"faster-whisper:tiny": Hub("somebody/tiny", REVISION, tuple(FILES))}


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    for name in ("HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with model_hub() as hub:
        hub.files["somebody/tiny"] = dict(FILES)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def state(engine: str, model: str) -> dict[str, Any]:
    listed = json.loads(command.sotto("models", "list", "--json").out)
    (found,) = [each for each in listed if (each["engine"], each["model"]) == (engine, model)]
    return dict(found)


def arrived(home: Path) -> int:
    part = home / "data" / "models" / "faster-whisper" / "tiny.part"
    return sum(path.stat().st_size for path in part.rglob("*.unfinished"))


def test_the_list_says_what_there_is_in_eighty_columns(home: Path) -> None:
    done = command.sotto("models")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line}
    assert rows["faster-whisper:small"] == ["99", "486", "540", "MIT", "-"]
    assert rows["moonshine:tiny-en"][-2:] == ["built", "in"]
    assert rows["vosk:small-de"][0] == "de"
    assert "llama-cpp-python:PATH" in rows
    assert done.out.rstrip().endswith(f"They lie in {home / 'data' / 'models'}")
    assert command.sotto("models", "list").out == done.out


def test_a_model_comes_is_looked_at_mended_and_goes(hub: ModelHub, home: Path) -> None:
    assert state("faster-whisper", "tiny")["state"] == "absent"
    pulled = sotto(ORIGINS, "models", "pull", "whisper:tiny")
    assert pulled.code == 0
    assert "faster-whisper:tiny is here now and takes 2 MB" in pulled.out
    there = state("faster-whisper", "tiny")
    assert (there["state"], there["size_mb"]) == ("here", 2)
    folder = Path(there["path"])
    assert (folder / "model.bin").read_bytes() == WEIGHTS

    again = sotto(ORIGINS, "models", "pull", "faster-whisper:tiny")
    assert (again.code, again.out) == (0, "faster-whisper:tiny is here already, and whole.\n")

    assert "faster-whisper:tiny is whole" in command.sotto("models", "verify").out
    (folder / "config.json").write_bytes(b"[]\n")
    damaged = command.sotto("models", "verify", "faster-whisper:tiny")
    assert damaged.code == 1
    assert "A model is damaged: faster-whisper:tiny is damaged: config.json has another content" in damaged.err
    assert "sotto models pull faster-whisper:tiny" in damaged.err
    assert sotto(ORIGINS, "models", "pull", "faster-whisper:tiny").code == 0
    assert command.sotto("models", "verify").code == 0

    removed = command.sotto("models", "remove", "faster-whisper:tiny")
    assert (removed.code, removed.out) == (0, "faster-whisper:tiny is gone, 2.0 MB are free again.\n")
    assert not folder.exists()
    assert command.sotto("models", "verify", "faster-whisper:tiny").code == 1
    assert "is not on this machine" in command.sotto("models", "remove", "faster-whisper:tiny").out


def test_nothing_to_verify_is_no_failure(home: Path) -> None:
    done = command.sotto("models", "verify")
    assert (done.code, done.out) == (0, "")
    assert "No model was downloaded" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("pull", "moonshine:tiny-en"), 0, "is built in"),
        (("verify", "moonshine:tiny-en"), 0, "is built in"),
        (("remove", "moonshine:tiny-en"), 2, "is built in"),
        (("remove", "faster-whisper:/models/mine"), 2, "given by its path"),
        (("remove", "llama:/models/mine.gguf"), 2, "given by its path"),
        (("remove", "faster-whisper:../../other"), 2, "given by its path"),
        (("remove", "vosk:.."), 2, "no model '..'"),
        (("remove", "vosk"), 2, "more than one model"),
        (("pull", "openai:whisper-1"), 0, "is built in"),
        (("pull", "moonshine"), 0, "moonshine:tiny-en is built in"),
        (("pull", "extractive"), 2, "needs no model"),
        (("pull", "none such:\x1b[31mx"), 2, "no engine 'none such'"),
        (("pull",), 2, "ENGINE:MODEL"),
        (("hug", "vosk:small-de"), 2, "invalid choice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_with_a_model_is_told(
    home: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = command.sotto("models", *arguments)
    assert words in done.out + done.err
    assert done.code == code
    assert "\x1b" not in done.err


def test_several_are_fetched_and_one_that_is_not_to_be_had_stops_none(hub: ModelHub, home: Path) -> None:
    content = zipped({"conf/model.conf": b"--beam=1\n", "README": b"read me\n"})
    hub.files["archives"] = {"small.zip": content}
    origins = dict(ORIGINS) | {
        "faster-whisper:base": Hub("somebody/none", REVISION, ("model.bin",)),
        "vosk:small-de": Archive(f"{hub.url}/archives/small.zip", hashlib.sha256(content).hexdigest()),
    }
    done = sotto(origins, "models", "pull", "faster-whisper:tiny", "faster-whisper:base", "vosk:small-de")
    assert done.code == 1
    assert "404" in done.err
    assert [line.partition(" ")[0] for line in done.out.splitlines()] == ["faster-whisper:tiny", "vosk:small-de"]
    assert state("vosk", "small-de")["state"] == "here"


def test_a_model_without_a_known_checksum_is_told(hub: ModelHub, home: Path) -> None:
    hub.files["archives"] = {"spk.zip": zipped({"mean.vec": b"1 2 3\n"})}
    done = sotto({"vosk:spk": Archive(f"{hub.url}/archives/spk.zip", "")}, "models", "pull", "vosk:spk")
    assert done.code == 0
    assert "Nobody published a checksum of vosk:spk" in done.err
    assert "taken as it came" in done.out


def test_without_a_network_it_says_so_and_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = command.sotto("models", "pull", "faster-whisper:tiny")
    assert done.code == 1
    assert "The model was not fetched: 127.0.0.1:9 cannot be reached." in done.err
    assert "online" in done.err
    assert [path for path in (home / "data" / "models").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_has_arrived_before_it_was_ended_is_not_fetched_again(
    hub: ModelHub, home: Path, how: signal.Signals
) -> None:
    hub.faults.stalls = True
    with start(ORIGINS, "models", "pull", "faster-whisper:tiny") as running:
        until(lambda: arrived(home) > 500_000 or running.poll() is not None)
        other = sotto(ORIGINS, "models", "pull", "faster-whisper:tiny")
        assert other.code == 1
        assert "Another sotto is at work on faster-whisper:tiny" in other.err
        running.send_signal(how)
        _, err = running.communicate()
    if how is signal.SIGKILL:
        assert running.returncode == -signal.SIGKILL
    else:
        assert running.returncode == 1
        assert "Cancelled: The download was cancelled." in err
        assert "What has arrived is kept" in err
    there = arrived(home)
    assert there > 500_000
    assert "in part" in command.sotto("models", "list").out
    hub.faults.go_on.set()
    hub.faults.stalls = False
    hub.requests.clear()
    assert sotto(ORIGINS, "models", "pull", "faster-whisper:tiny").code == 0
    assert f"bytes={there}-" in hub.ranges()
    assert state("faster-whisper", "tiny")["state"] == "here"


def test_what_was_broken_off_can_be_removed(hub: ModelHub, home: Path) -> None:
    hub.faults.stalls = True
    with start(ORIGINS, "models", "pull", "faster-whisper:tiny") as running:
        until(lambda: arrived(home) > 500_000 or running.poll() is not None)
        running.kill()
    assert "are free again" in command.sotto("models", "remove", "faster-whisper:tiny").out
    assert [path for path in (home / "data" / "models").rglob("*") if path.is_file()] == []


def test_a_model_that_is_kept_elsewhere_is_taken_off_the_list_and_stays_there(
    hub: ModelHub, home: Path, tmp_path: Path
) -> None:
    assert sotto(ORIGINS, "models", "pull", "faster-whisper:tiny").code == 0
    folder = home / "data" / "models" / "faster-whisper" / "tiny"
    elsewhere = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(elsewhere)
    removed = command.sotto("models", "remove", "faster-whisper:tiny")
    assert removed.out == f"faster-whisper:tiny is gone. It was a link: what lies in {elsewhere} stays.\n"
    assert (elsewhere / "model.bin").read_bytes() == WEIGHTS
    assert "is not on this machine" in command.sotto("models", "remove", "faster-whisper:tiny").out


def test_the_progress_stands_in_one_line_of_the_terminal(hub: ModelHub, home: Path) -> None:
    hub.faults.stalls = True
    leader, follower = pty.openpty()
    with subprocess.Popen(
        argv("models", "pull", "faster-whisper:tiny"),
        env=environment(ORIGINS) | {"COLUMNS": "80"},
        stdout=subprocess.DEVNULL,
        stderr=follower,
        stdin=subprocess.DEVNULL,
    ) as running:
        os.close(follower)
        seen = b""
        while b"Fetching model.bin: " not in seen:
            seen += os.read(leader, 4096)
        hub.faults.go_on.set()
        assert running.wait() == 0
    os.close(leader)
    assert b"\n" not in seen


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """Eight seconds of the sample meeting."""
    samples, rate = soundfile.read(sample.MEETING, dtype="float32")
    file = tmp_path / "clip.wav"
    soundfile.write(file, np.asarray(samples[: 8 * rate]), rate)
    return file


def test_a_model_that_was_fetched_transcribes(
    hub: ModelHub, home: Path, voices: Path, scripted_whisper: Callable[[Recipe], Path]
) -> None:
    built = scripted_whisper(Recipe())
    hub.files["somebody/tiny"] = {path.name: path.read_bytes() for path in built.iterdir()}
    names = sorted(hub.files["somebody/tiny"], key=lambda name: (name != "model.bin", name))
    origins = {"faster-whisper:tiny": Hub("somebody/tiny", REVISION, tuple(names))}
    process = ("process", voices, "--stt", "faster-whisper:tiny", "--summary", "none", "--json")

    before = command.sotto(*process)
    assert before.code == 1
    assert "sotto models pull faster-whisper:tiny" in before.out + before.err
    assert not (home / "recordings").exists()

    assert sotto(origins, "models", "pull", "faster-whisper:tiny").code == 0
    done = command.sotto(*process)
    assert done.code == 0
    assert SCRIPT[0].text in done.objects[0]["text"]
