"""Recording as the app sees it: what it is told of recorders that begin, run, end and die."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from services import paths
from services.errors import AudioFileError, CancelledError, RecorderBusyError, RecorderError, StorageError
from services.events import Event, Failed, RecordingStarted, RecordingStopped
from services.library.meeting import Meeting
from services.recording.chunks import chunk_path
from services.recording.service import RecordingService
from tests.functional.recordings import file_of, noise, request
from tests.functional.waiting import until


class Heard:
    """Events in the order in which they came."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def wait_for(self, kind: type[Event]) -> Event:
        until(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))


def test_the_service_tells_of_beginning_and_end(home: Path, tmp_path: Path) -> None:
    heard = Heard()
    service = RecordingService(heard)
    service.attach_if_running()
    until(lambda: not service.active)
    assert heard.events == []
    service.start(request(home, file_of(tmp_path, noise(30)), title="Weekly sync"))
    started = heard.wait_for(RecordingStarted)
    service.start(request(home, file_of(tmp_path, noise(1))))
    failed = heard.wait_for(Failed)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RecorderBusyError)
    until(lambda: service.latest is not None and service.latest.seconds > 0.2)
    service.stop()
    stopped = heard.wait_for(RecordingStopped)
    assert isinstance(started, RecordingStarted)
    assert isinstance(stopped, RecordingStopped)
    assert (started.title, started.attached, stopped.error) == ("Weekly sync", False, None)
    assert started.meeting == stopped.meeting
    assert service.latest is not None
    assert service.latest.state == "done"
    assert stopped.seconds == service.latest.seconds
    until(lambda: not service.active)
    service.close()


class Patient(RecordingService):
    """Keeps what was to be read in `latest` before the recording began."""

    said: tuple[tuple[str, str], ...] = ()

    def _waits(self, detail: str) -> None:
        super()._waits(detail)
        assert self.latest is not None
        self.said += ((self.latest.state, self.latest.detail),)


def test_what_a_start_waits_for_is_told_meanwhile(home: Path, tmp_path: Path) -> None:
    heard = Heard()
    service = Patient(heard)
    service.start(request(home, file_of(tmp_path, noise(1))))
    heard.wait_for(RecordingStopped)
    assert service.said
    assert all(state == "starting" and detail for state, detail in service.said)
    until(lambda: not service.active)


@pytest.mark.parametrize("limit", [1.0, None])
def test_a_recording_that_ends_by_itself_says_why(home: Path, tmp_path: Path, limit: float | None) -> None:
    heard = Heard()
    service = RecordingService(heard)
    service.start(request(home, file_of(tmp_path, noise(30)), seconds=limit))
    heard.wait_for(RecordingStarted)
    if limit is None:
        service.stop()
    stopped = heard.wait_for(RecordingStopped)
    assert isinstance(stopped, RecordingStopped)
    assert stopped.error is None
    assert bool(stopped.reason) is (limit is not None)
    until(lambda: not service.active)


def test_a_closed_app_leaves_the_recorder_and_the_next_one_takes_it_up(home: Path, tmp_path: Path) -> None:
    heard, again = Heard(), Heard()
    first, second = RecordingService(heard), RecordingService(again)
    first.start(request(home, file_of(tmp_path, noise(60)), title="Weekly sync"))
    heard.wait_for(RecordingStarted)
    first.close()
    assert [type(event) for event in heard.events] == [RecordingStarted]
    second.attach_if_running()
    started = again.wait_for(RecordingStarted)
    assert isinstance(started, RecordingStarted)
    assert started.attached
    second.stop()
    again.wait_for(RecordingStopped)
    second.close()


def test_of_many_wishes_for_the_length_of_files_the_last_one_holds(home: Path, tmp_path: Path) -> None:
    heard = Heard()
    service = RecordingService(heard)
    service.start(request(home, file_of(tmp_path, noise(60)), chunk_seconds=1.0))
    heard.wait_for(RecordingStarted)
    for seconds in (7.0, 3.0, 9.0, 4.0, 8.0, 2.0):
        service.use_chunks(seconds)
    until(lambda: service.latest is not None and service.latest.seconds > 6)
    service.stop()
    stopped = heard.wait_for(RecordingStopped)
    assert isinstance(stopped, RecordingStopped)
    meeting = Meeting(stopped.meeting)
    assert meeting.info()["chunk_changes"][-1][1] == 2 * 16000, "another one came last"
    service.close()


class SlowRecorder:
    """Something on the recorder's socket that says nothing: whoever looks for a recording waits for it."""

    def __init__(self) -> None:
        self._path = paths.runtime() / "recorder.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._listener.settimeout(60)

    def asked(self) -> socket.socket:
        """Waits until somebody asks; returns the connection. Nobody else finds the socket any more."""
        connection, _ = self._listener.accept()
        self._listener.close()
        self._path.unlink()
        return connection


def test_a_start_while_it_looks_for_a_recording_is_not_lost(home: Path, tmp_path: Path) -> None:
    heard, slow = Heard(), SlowRecorder()
    service = RecordingService(heard)
    service.attach_if_running()
    with slow.asked():
        service.stop()  # of nothing: the start that follows counts
        service.start(request(home, file_of(tmp_path, noise(60)), title="Weekly sync"))
        assert heard.events == []
    started = heard.wait_for(RecordingStarted)
    assert isinstance(started, RecordingStarted)
    assert (started.title, started.attached) == ("Weekly sync", False)
    service.stop()
    heard.wait_for(RecordingStopped)
    assert [type(event) for event in heard.events] == [RecordingStarted, RecordingStopped]
    service.close()


def test_a_start_that_waits_can_be_given_up(home: Path, tmp_path: Path) -> None:
    heard, slow = Heard(), SlowRecorder()
    service = RecordingService(heard)
    service.attach_if_running()
    with slow.asked():
        service.start(request(home, file_of(tmp_path, noise(60))))
        service.stop()
    failed = heard.wait_for(Failed)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, CancelledError)
    assert [type(event) for event in heard.events] == [Failed]
    service.close()


def test_the_service_tells_why_a_recording_did_not_begin(home: Path, tmp_path: Path) -> None:
    heard = Heard()
    service = RecordingService(heard)
    service.start(request(home, f"file:{tmp_path / 'nothing.wav'}"))
    failed = heard.wait_for(Failed)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, AudioFileError)
    until(lambda: not service.active)
    service.close()


def test_a_log_that_cannot_be_written_is_told(home: Path, tmp_path: Path) -> None:
    (home / "state" / "recorder.log").mkdir(parents=True)
    heard = Heard()
    service = RecordingService(heard)
    service.start(request(home, file_of(tmp_path, noise(1))))
    failed = heard.wait_for(Failed)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, StorageError)
    assert "recorder.log" in failed.error.message
    service.close()


def test_the_service_tells_of_a_recorder_that_was_killed(home: Path, tmp_path: Path) -> None:
    heard = Heard()
    service = RecordingService(heard)
    service.start(request(home, file_of(tmp_path, noise(60))))
    until(lambda: service.latest is not None and service.latest.seconds > 0.5)
    assert service.latest is not None
    os.kill(service.latest.pid, signal.SIGKILL)
    stopped = heard.wait_for(RecordingStopped)
    assert isinstance(stopped, RecordingStopped)
    assert isinstance(stopped.error, RecorderError)
    assert chunk_path(stopped.meeting / "audio", 0).exists()
    service.close()


def test_a_look_for_recordings_bears_that_there_is_no_place_for_sockets(home: Path) -> None:
    (home / "run").touch()
    heard = Heard()
    service = RecordingService(heard)
    service.look_again()
    assert (service.active, heard.events) == (False, [])
    service.close()
