"""Live captions: the chunks of a recording read while they grow, words while they are spoken, segments at pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.audio.front import FrontEnd, Heard
from services.audio.normalise import LiveNormaliser
from services.audio.vad import VoiceDetector
from services.audio.windows import Policy
from services.library.meeting import Meeting
from services.library.segments import Segment
from services.recording.reader import MeetingAudio
from services.transcription.plausible import holds_speech
from services.transcription.source import speakers
from services.worker.handler import Call, Json

POLICY = Policy(longest=12.0, pause=0.6, target=12.0)
"""An utterance ends at a short pause: people want to read it, accuracy comes with the final pass."""

_POLL_SECONDS = 0.25
_STEP_SECONDS = 1.0
_PARTIAL_SECONDS = 1.5
"""So much new speech is worth working an open utterance out again."""

_FIRST_PARTIAL_SECONDS = 0.7
_PARTIALS_UP_TO_BEHIND = 2.0
"""Further behind than this, open utterances are not worked out: time goes into catching up."""

_SKIP_BEHIND = 30.0
_RESUME_BEHIND = 5.0
"""After a skip the captions go on so far behind the recording, so that they begin with a whole sentence."""

Understand = Callable[[Heard], list[Segment]]


@dataclass(slots=True)
class _Partial:
    """What was last shown of a speaker's open utterance."""

    start: float
    voiced: float


class Follower:
    """Follows one recording to its end.

    Args:
        folder: The meeting.
        understand: Turns a window into segments.
        detector: Makes a voice detector.
        call: Receives the items; ends the work when cancelled.
        start: Where to begin, in seconds.

    Raises:
        AudioFileError, StorageError: There is no recording to follow.
    """

    def __init__(
        self, folder: Path, understand: Understand, detector: Callable[[], VoiceDetector], call: Call, start: float
    ) -> None:
        self._understand = understand
        self._detector = detector
        self._call = call
        self._audio = MeetingAudio(folder)
        self._speakers = speakers(Meeting(folder), self._audio.channels)
        self._position = round(start * self._audio.rate)
        self._front = self._new_front()
        self._shown: dict[str, _Partial] = {}
        self._segments = 0
        self._skipped = 0.0

    def run(self) -> Json:
        """Work until the recording ends or the call is cancelled. Returns counts and the position reached."""
        with self._audio:
            while not self._call.cancelled:
                growing = self._audio.growing  # asked before reading: what is there then is all there is
                if self._behind > _SKIP_BEHIND:
                    self._skip()
                if not self._step() and not growing:
                    self._commit(self._front.flush())
                    break
        return {
            "segments": self._segments,
            "skipped_s": round(self._skipped, 3),
            "position_s": round(self._position / self._audio.rate, 3),
        }

    @property
    def _behind(self) -> float:
        return (self._audio.frames - self._position) / self._audio.rate

    def _step(self) -> bool:
        """Take in the next piece of the recording, or wait a moment. Returns whether there was any."""
        block = self._audio.read(self._position, int(_STEP_SECONDS * self._audio.rate))
        self._call.progress(self._position / self._audio.rate, self._audio.duration_s, "captions")
        if not len(block):
            time.sleep(_POLL_SECONDS)
            return False
        self._position += len(block)
        self._commit(self._front.feed(block * np.float32(1 / 32768)))
        behind = self._behind
        if behind <= _PARTIALS_UP_TO_BEHIND:
            self._show_open()
        if behind < _POLL_SECONDS:
            time.sleep(_POLL_SECONDS - max(0.0, behind))
        return True

    def _commit(self, ended: list[Heard]) -> None:
        for heard in ended:
            segments = self._understand(heard) if holds_speech(heard.window) else []
            for segment in segments:
                self._call.item({"segment": segment.to_dict()})
                self._segments += 1
            if self._shown.pop(heard.speaker, None) is not None and not segments:
                self._call.item({"partial": {"speaker": heard.speaker, "start": heard.window.start, "text": ""}})

    def _show_open(self) -> None:
        """Work out what is being said, where enough of it is new."""
        for heard in self._front.open():
            window, last = heard.window, self._shown.get(heard.speaker)
            needed = last.voiced + _PARTIAL_SECONDS if last else _FIRST_PARTIAL_SECONDS
            if self._call.cancelled or window.voiced < needed or not holds_speech(window):
                continue
            self._shown[heard.speaker] = _Partial(window.start, window.voiced)
            text = " ".join(segment.text for segment in self._understand(heard))
            if text:
                self._call.item({"partial": {"speaker": heard.speaker, "start": round(window.start, 3), "text": text}})

    def _skip(self) -> None:
        """Let go of what is too far back; the final pass transcribes it from disk."""
        self._commit(self._front.flush())
        target = self._audio.frames - round(_RESUME_BEHIND * self._audio.rate)
        start, end = self._position / self._audio.rate, target / self._audio.rate
        self._call.item({"skipped": {"start": round(start, 3), "end": round(end, 3)}})
        self._skipped += end - start
        self._position = target
        self._front = self._new_front()

    def _new_front(self) -> FrontEnd:
        rate = self._audio.rate
        sources = [(LiveNormaliser(channel, rate), label) for channel, label in enumerate(self._speakers)]
        return FrontEnd(sources, self._detector, POLICY, self._position / rate, ordered=False)
