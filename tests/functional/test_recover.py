"""`sotto recover`, on what real recorders and real processing leave when they are killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from services import sample, settings
from services.core import Services
from services.events import Event, SegmentReady
from services.library.marker import look
from services.library.meeting import Meeting
from services.library.unfinished import find
from services.recording import client
from services.recording.chunks import HEADER_BYTES, chunk_path
from services.recording.client import RecorderClient
from services.recording.messages import RecordingRequest
from tests.functional.command import sotto, start
from tests.functional.recordings import RATE, file_of, noise, request
from tests.functional.waiting import until
from tests.unit.left_meetings import samples, tree

MOMENTS = random.Random(11)


def killed(running: RecorderClient) -> Meeting:
    """End a recorder with SIGKILL; returns its meeting."""
    status = running.status()
    os.kill(status.pid, signal.SIGKILL)
    running.close()
    assert status.meeting is not None
    meeting = Meeting(status.meeting)
    until(lambda: look(meeting.recording_marker) == "left")  # its last thread has ended, and the lock with it
    return meeting


@pytest.fixture(scope="module")
def speech_cut_off(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Some seconds of the sample meeting whose recorder was killed; copied by whoever needs it."""
    with pytest.MonkeyPatch.context() as environment:
        home = Path("/tmp") / f"st-recover-{os.getpid()}"
        environment.setenv("SOTTO_HOME", str(home))
        source = f"file:{sample.MEETING}"
        running = client.start(RecordingRequest((source,), home / "recordings", "Weekly sync", speed=10))
        until(lambda: running.status().seconds > 8)
        folder = killed(running).folder
        kept = tmp_path_factory.mktemp("cut-off") / folder.name
        shutil.move(folder, kept)
        shutil.rmtree(home)
        yield kept


def copies(of: Path, home: Path, count: int) -> list[Meeting]:
    made = [Meeting(home / "recordings" / f"{of.name}-{number}") for number in range(1, count + 1)]
    for meeting in made:
        shutil.copytree(of, meeting.folder)
    return made


# Killed recorders


@pytest.mark.parametrize("seconds", [0.0, *(MOMENTS.uniform(0.1, 9) for _ in range(5))])
def test_killed_at_any_moment_a_recording_is_found_and_made_whole(home: Path, tmp_path: Path, seconds: float) -> None:
    written = noise(60, 2)
    running = client.start(request(home, file_of(tmp_path, written), title="Weekly sync", speed=8))
    until(lambda: running.status().seconds >= seconds)
    heard = running.status().seconds
    meeting = killed(running)
    (found,) = find(home / "recordings")
    assert (found.meeting, found.title, found.state) == (meeting.folder, "Weekly sync", "cut off")
    before, files = samples(meeting), tree(meeting.audio)
    assert np.array_equal(before, written[: len(before)])
    assert found.seconds == len(before) / RATE >= heard - 0.001  # told in milliseconds

    done = sotto("recover", "--json")
    (told,) = done.objects
    assert (done.code, told["meeting"], told["state"]) == (0, str(meeting.folder), "repaired")
    assert told["seconds"] == found.seconds
    assert np.array_equal(samples(meeting), before)
    assert {name: len(data) for name, data in tree(meeting.audio).items()} == {n: len(d) for n, d in files.items()}
    played = 0
    for path in sorted(meeting.audio.iterdir()):
        with wave.open(str(path)) as file:
            played += file.getnframes()
    assert played == len(before), "any player plays all of it"
    assert meeting.duration_s == pytest.approx(found.seconds, abs=0.001)
    assert (meeting.stage("record"), meeting.recording_marker.exists()) == ("done", False)

    after = tree(meeting.folder)
    (again,) = sotto("recover", "--json").objects
    assert again["state"] == "recorded"
    assert tree(meeting.folder) == after


def test_what_was_found_is_listed_with_what_to_type_next(home: Path, speech_cut_off: Path) -> None:
    (meeting,) = copies(speech_cut_off, home, 1)
    done = sotto("recover")
    assert (done.code, done.err) == (0, "")
    first, second, *rest = done.out.splitlines()
    assert first.split()[0] == "repaired"
    assert "Weekly sync" in first
    assert second.strip() == str(meeting.folder)
    assert f"sotto process {meeting.folder}" in rest[-1]
    assert "sotto recover --all" in rest[-1]


def test_a_damaged_meeting_json_is_kept_and_named(home: Path, speech_cut_off: Path) -> None:
    (meeting,) = copies(speech_cut_off, home, 1)
    meeting.info_file.write_bytes(b"{\x00")
    before = samples(meeting)
    done = sotto("recover", meeting.folder)
    assert done.code == 0
    assert "meeting.json.damaged" in done.out
    assert (meeting.folder / "meeting.json.damaged").read_bytes() == b"{\x00"
    assert np.array_equal(samples(meeting), before)


def test_nothing_of_a_cut_and_emptied_recording_is_removed(home: Path, speech_cut_off: Path) -> None:
    (meeting,) = copies(speech_cut_off, home, 1)
    shutil.copy(chunk_path(meeting.audio, 0), chunk_path(meeting.audio, 1))
    chunk_path(meeting.audio, 2).touch()
    os.truncate(chunk_path(meeting.audio, 1), HEADER_BYTES + 4 * RATE + 3)
    (meeting.folder / "letter.odt").write_text("not ours")
    before = tree(meeting.folder)
    assert sotto("recover").code == 0
    after = tree(meeting.folder)
    assert {name: len(data) for name, data in after.items() if name in before and name != "meeting.json"} == {
        name: len(data) for name, data in before.items() if name not in ("meeting.json", ".recording")
    }


def test_folders_of_meetings_and_of_one_meeting_can_be_named(home: Path, speech_cut_off: Path, tmp_path: Path) -> None:
    (meeting,) = copies(speech_cut_off, home, 1)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(home / "recordings", elsewhere)
    done = sotto("recover", elsewhere, tmp_path / "missing", "--json")
    assert done.code == 1
    assert "missing" in done.err
    assert [each["meeting"] for each in done.objects] == [str(elsewhere / meeting.folder.name)]
    assert [each.state for each in find(home / "recordings")] == ["cut off"], "only what was named"


@pytest.mark.parametrize("damaged", [False, True], ids=["as it is", "meeting.json damaged"])
@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_a_recording_that_runs_is_left_alone(home: Path, tmp_path: Path, damaged: bool, stopped: bool) -> None:
    running = client.start(request(home, file_of(tmp_path, noise(60))))
    until(lambda: running.status().seconds > 0.5)
    status = running.status()
    assert status.meeting is not None
    meeting, recorder = Meeting(status.meeting), psutil.Process(status.pid)
    whole = meeting.info_file.read_bytes()
    if damaged:
        meeting.info_file.write_bytes(b"")
    if stopped:
        recorder.suspend()
    try:
        before = meeting.info_file.read_bytes()
        done = sotto("recover", "--all", "--json")
        assert [(each["meeting"], each["state"]) for each in done.objects] == [(str(meeting.folder), "recording")]
        refused = sotto("process", meeting.folder)
        assert (done.code, refused.code) == (0, 1)
        assert "still being recorded" in refused.err
        assert meeting.info_file.read_bytes() == before
        assert meeting.recording_marker.exists()
    finally:
        recorder.resume()
        meeting.info_file.write_bytes(whole)
    with running:
        assert running.stop().error is None
    assert meeting.stage("record") == "done"


def test_two_recover_at_once(home: Path, speech_cut_off: Path) -> None:
    meetings = copies(speech_cut_off, home, 8)
    both = [start(["recover", "--json"]) for _ in range(2)]
    for each in both:
        _, err = each.communicate()
        assert (each.returncode, err) == (0, "")
    assert {each.state for each in find(home / "recordings")} == {"recorded"}
    for meeting in meetings:
        assert meeting.stage("record") == "done"
        assert {path.name for path in meeting.folder.iterdir()} == {"audio", "meeting.json"}


# Unfinished processing


def test_all_writes_up_whatever_is_unfinished_and_no_failure_stops_it(home: Path, speech_cut_off: Path) -> None:
    broken, cut, complete, finished = copies(speech_cut_off, home, 4)
    talk = home / "talk.wav"
    talk.write_text("these are just words " * 50)
    shutil.rmtree(broken.folder)
    Meeting.create(home / "recordings", "broken", {"file": str(talk), "created": "2020-01-01T10:00:00+00:00"})
    assert sotto("recover", complete.folder).code == 0
    assert sotto("process", finished.folder, "--summary", "none").code == 0
    done = sotto("recover", "--all", "--json")
    assert [each["state"] for each in done.objects] == ["recorded", "repaired", "recorded"]
    assert [each["ok"] for each in done.objects] == [False, True, True]
    assert done.code == 1
    assert "good morning" in done.objects[1]["text"].lower()
    assert done.objects[2]["summary"].startswith("# ")
    for meeting in (cut, complete):
        assert meeting.stage("transcribe") == meeting.stage("summarize") == meeting.stage("archive") == "done"
    again = sotto("recover", "--all")
    assert (again.code, again.out) == (0, "Nothing is unfinished.\n"), "a failure was told once"


@pytest.fixture
def long_speech(tmp_path: Path) -> Path:
    """Minutes of the sample meeting, again and again."""
    heard, rate = soundfile.read(sample.MEETING, dtype="float32")
    file = tmp_path / "long.flac"
    soundfile.write(file, np.concatenate([heard] * 5), rate)
    return file


def test_what_another_sotto_works_on_is_not_done_twice(home: Path, long_speech: Path) -> None:
    with start(["process", long_speech, "--summary", "none"]) as working:
        until(lambda: any(f.stat().st_size for f in (home / "recordings").glob("*/transcript.jsonl")))
        working.send_signal(signal.SIGSTOP)
        (folder,) = (home / "recordings").iterdir()
        refused = sotto("process", folder)
        assert refused.code == 1
        assert "Another sotto is at work" in refused.err
        assert sotto("recover", "--all").out == "Nothing is unfinished.\n"
        working.kill()
        working.wait()
    assert [each.state for each in find(home / "recordings")] == ["recorded"]
    soundfile.write(long_speech, *soundfile.read(sample.MEETING, frames=80_000))  # what is left to do, made short
    (told,) = sotto("recover", "--all", "--json", "--summary", "none").objects
    assert (told["ok"], told["error"]) == (True, None)
    assert find(home / "recordings") == []


def test_what_closing_the_app_interrupts_is_offered_again(home: Path, long_speech: Path) -> None:
    events: list[Event] = []
    services = Services(settings.load(), events.append)
    services.start()
    services.open_file(long_speech)
    until(lambda: any(isinstance(event, SegmentReady) for event in events))
    services.close()
    (found,) = find(home / "recordings")
    assert found.state == "recorded"
    assert Meeting(found.meeting).stage("transcribe") == "waiting"


def test_what_a_person_cancels_is_not_offered_again(home: Path, long_speech: Path) -> None:
    events: list[Event] = []
    services = Services(settings.load(), events.append)
    services.start()
    services.open_file(long_speech)
    until(lambda: any(isinstance(event, SegmentReady) for event in events))
    services.cancel()
    until(lambda: services.jobs.current is None)
    assert find(home / "recordings") == []
    services.close()
    (folder,) = (home / "recordings").iterdir()
    assert Meeting(folder).stage("transcribe") == "skipped"
