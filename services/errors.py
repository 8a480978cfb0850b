"""Every error that sotto shows to a person.

    SottoError
    +-- UsageError            wrong use: unknown engine, bad option, wrong setting   (exit code 2)
    |   +-- SettingsError
    +-- AudioFileError        a file that holds no sound we can read
    +-- DeviceError           a microphone or sound server that is not there
    +-- RecorderError         the recorder refused, or is gone
    |   +-- RecorderBusyError     a recording is running already
    |   +-- NoRecordingError      none is running
    +-- MeetingBusyError      a meeting that another sotto is at work on
    +-- StorageError          a folder that cannot be written, a full disk, a damaged meeting
    |   +-- PathError             a file or folder that somebody named and that will not do
    +-- ModelError            a model that is missing, damaged or does not load
    |   +-- MissingPackageError   an optional package that is not installed
    |   +-- RemoteError           a server that does not answer, or refuses
    |   +-- MissingModelError     a model that has to be downloaded first
    |   +-- DamagedModelError     a model whose files are not what they were when it was downloaded
    |   +-- MemoryLimitError      a model that needs more memory than there is, or than it may have
    |   +-- DownloadError         a model that could not be fetched, or is not what it should be
    +-- WorkerError           a child process that failed
        +-- WorkerDiedError       it ended: exit signal and last log lines
        |   +-- WorkerKilledError     by SIGKILL that sotto did not send: the system, out of memory, as a rule
        +-- WorkerStalledError    it neither progressed nor worked
        +-- CancelledError        it was asked to stop, and did

An error says what happened (`title`, `message`) and what to do next (`hint`). It crosses a process boundary as
plain data (`to_dict`) and is the same class on the other side (`from_dict`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class SottoError(Exception):
    """Base of all errors that a person may see.

    Args:
        message: What happened, one sentence, in words a user knows.
        hint: What to press or type next.
    """

    title: ClassVar[str] = "Something went wrong"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_dict(self) -> dict[str, str]:
        return {"type": type(self).__name__, "message": self.message, "hint": self.hint}

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> SottoError:
        """Rebuild an error that another process raised; an unknown type becomes a `WorkerError`."""
        cls = _classes().get(str(data.get("type")), WorkerError)
        return cls(str(data.get("message", "")), str(data.get("hint", "")))


def _classes() -> dict[str, type[SottoError]]:
    found: dict[str, type[SottoError]] = {}
    waiting: list[type[SottoError]] = [SottoError]
    while waiting:
        cls = waiting.pop()
        found[cls.__name__] = cls
        waiting.extend(cls.__subclasses__())
    return found


class UsageError(SottoError):
    title = "That does not work"
    exit_code = 2


class SettingsError(UsageError):
    title = "A setting is wrong"


class AudioFileError(SottoError):
    title = "No sound could be read"


class DeviceError(SottoError):
    title = "No sound device"


class RecorderError(SottoError):
    title = "The recorder failed"


class RecorderBusyError(RecorderError):
    title = "A recording is running"


class NoRecordingError(RecorderError):
    title = "Nothing happened"


class MeetingBusyError(SottoError):
    title = "The meeting is in use"


class StorageError(SottoError):
    title = "The disk refused"


class PathError(StorageError):
    title = "That does not work"


class ModelError(SottoError):
    title = "The model did not load"


class MissingPackageError(ModelError):
    title = "A package is missing"


class RemoteError(ModelError):
    title = "The server did not help"


class MissingModelError(ModelError):
    title = "A model is missing"


class DamagedModelError(ModelError):
    title = "A model is damaged"


class MemoryLimitError(ModelError):
    title = "Not enough memory"


class DownloadError(ModelError):
    title = "The model was not fetched"


class WorkerError(SottoError):
    title = "A helper process failed"


class WorkerDiedError(WorkerError):
    title = "A helper process ended"


class WorkerKilledError(WorkerDiedError):
    title = "A helper process was killed"


class WorkerStalledError(WorkerError):
    title = "A helper process hangs"


class CancelledError(WorkerError):
    title = "Cancelled"
