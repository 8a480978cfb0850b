"""Live captions: the chunks of a recording read while they grow, words while they are spoken, segments at pauses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.audio.front import FrontEnd, Heard
from services.audio.normalise import LiveNormaliser
from services.audio.vad import VoiceDetector
from services.audio.windows import Policy, Window
from services.library.meeting import Meeting, speakers
from services.library.segments import Segment
from services.recording.reader import MeetingAudio
from services.transcription.plausible import holds_speech
from services.transcription.understanding import Understanding
from services.worker.handler import Call, Json

POLICY = Policy(longest=12.0, pause=0.6, target=12.0, overlap=0.0)
"""An utterance ends at a short pause: people want to read it, accuracy comes with the final pass. Nor is a word told
twice where nobody pauses: captions do not wait for the next utterance to join them."""

_POLL_SECONDS = 0.15
_STEP_SECONDS = 1.0
_FIRST_PARTIAL_SECONDS = 0.5
_REST_SECONDS = 0.1
"""So much new speech is worth working an open utterance out again when the speaker has paused: more may not come."""

_PAUSED_SECONDS = 0.2
_PARTIAL_SHARE = 0.5
"""Open utterances may take so much of the time; a slow engine works them out more rarely."""

_PARTIALS_UP_TO_BEHIND = 2.0
"""Further behind than this, open utterances are not worked out: time goes into catching up."""

_RESUME_BEHIND = 5.0
"""After a skip the captions go on so far behind the recording, so that they begin with a whole sentence."""

_RESUME_SHARE = 0.5
"""But no farther than this share of what makes them skip: else they would do it again at once."""

_MARK_SECONDS = 15.0
"""A channel that is silent tells so often that it is."""


@dataclass(slots=True)
class _Open:
    """An utterance that goes on. In seconds: speech in it that was worked out, speech in it, and where that ends."""

    shown: float = 0.0
    voiced: float = 0.0
    spoken: float = 0.0


class Follower:
    """Follows one recording to its end.

    It sends `{"partial": {speaker, start, text}}` of open utterances, `{"heard": {speaker, start, end}, "segments":
    [...]}` of windows that have ended, and of silence from time to time, and `{"skipped": {start, end}}`. What was
    heard of a speaker is everything that was taken into account, once: what is missing there is in no caption.

    Args:
        folder: The meeting.
        understanding: The engine.
        detector: Makes a voice detector.
        call: Receives the items; ends the work when cancelled.
        start: Where to begin, in seconds.
        heard: Where to begin with speakers of whom more was heard before.
        update_s: So much new speech, in seconds, is worth working an open utterance out again.
        skip_s: So many seconds behind the recording, what is too far back is let go of.
        policy: When an utterance ends.

    Raises:
        AudioFileError, StorageError: There is no recording to follow.
    """

    def __init__(
        self,
        folder: Path,
        understanding: Understanding,
        detector: Callable[[], VoiceDetector],
        call: Call,
        start: float,
        heard: Mapping[str, float],
        update_s: float = 0.4,
        skip_s: float = 30.0,
        policy: Policy = POLICY,
    ) -> None:
        self._understanding = understanding
        self._update_s, self._skip_s, self._policy = update_s, skip_s, policy
        self._detector = detector
        self._call = call
        self._audio = MeetingAudio(folder)
        self._speakers = speakers(Meeting(folder), self._audio.channels)
        self._heard = {label: heard[label] for label in self._speakers if label in heard}
        begins = {label: self._heard.get(label, start) for label in self._speakers}
        self._position = math.floor(min(begins.values()) * self._audio.rate)
        # What was skipped ends anywhere; what was heard ends in a pause.
        unheard = {label for label, begin in begins.items() if begin > 0} - self._heard.keys()
        self._front = self._new_front(begins, unheard)
        self._open: dict[str, _Open] = {}
        self._rest_until = 0.0
        self._segments = 0
        self._skipped = 0.0

    def run(self) -> Json:
        """Work until the recording ends or the call is cancelled. Returns counts and the position reached."""
        with self._audio:
            while not self._call.cancelled:
                growing = self._audio.growing  # asked before reading: what is there then is all there is
                if self._behind > self._skip_s:
                    self._skip()
                if not self._step() and not growing:
                    self._finish()
                    break
            self._mark(0.0)
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
        self._mark(_MARK_SECONDS)
        behind = self._behind
        if behind <= _PARTIALS_UP_TO_BEHIND:
            self._show_open()
        if behind < _POLL_SECONDS:
            time.sleep(_POLL_SECONDS - max(0.0, behind))
        return True

    def _commit(self, ended: list[Heard]) -> None:
        for speaker, (begun, _) in self._front.settled().items():
            self._heard.setdefault(speaker, begun)
        for heard in ended:
            segments = self._understanding.segments(heard) if holds_speech(heard.window) else []
            self._segments += len(segments)
            self._tell_heard(heard.speaker, heard.window.end, segments)
            if self._open.pop(heard.speaker, _Open()).shown and not segments:
                self._clear(heard.speaker)

    def _tell_heard(self, speaker: str, end: float, segments: list[Segment]) -> None:
        """Tell that all up to `end` was taken into account, and what was said there."""
        start, end = self._heard[speaker], min(end, self._position / self._audio.rate)  # a last frame is filled up
        if end > start or segments:
            self._heard[speaker] = end
            heard = {"speaker": speaker, "start": round(start, 3), "end": round(end, 3)}
            self._call.item({"heard": heard, "segments": [segment.to_dict() for segment in segments]})

    def _mark(self, least: float) -> None:
        """Tell how far the speakers were heard who have said nothing for `least` seconds."""
        for speaker, (_, settled) in self._front.settled().items():
            if settled - self._heard[speaker] > least:
                self._tell_heard(speaker, settled, [])

    def _finish(self) -> None:
        """The recording has ended, and all of it was read."""
        end = self._position / self._audio.rate
        listened = self._front.settled()
        self._commit(self._front.flush())
        for speaker in listened:
            self._tell_heard(speaker, end, [])

    def _show_open(self) -> None:
        """Work out what is being said, where enough of it is new."""
        for heard in self._front.open():
            window, utterance = heard.window, self._open.setdefault(heard.speaker, _Open())
            if window.voiced > utterance.voiced:
                utterance.voiced, utterance.spoken = window.voiced, window.end
            if self._call.cancelled or not self._worth(window, utterance) or not holds_speech(window):
                continue
            utterance.shown = window.voiced
            begun = time.monotonic()
            text = " ".join(segment.text for segment in self._understanding.so_far(heard))
            self._rest_until = begun + (time.monotonic() - begun) / _PARTIAL_SHARE
            if text:
                self._call.item({"partial": {"speaker": heard.speaker, "start": round(window.start, 3), "text": text}})

    def _worth(self, window: Window, utterance: _Open) -> bool:
        """Whether it is time to work an open utterance out."""
        new = window.voiced - utterance.shown
        if not utterance.shown:
            enough = new >= _FIRST_PARTIAL_SECONDS
        elif window.end - utterance.spoken >= _PAUSED_SECONDS:
            enough = new >= _REST_SECONDS
        else:
            enough = new >= self._update_s
        return enough and time.monotonic() >= self._rest_until

    def _clear(self, speaker: str) -> None:
        self._call.item({"partial": {"speaker": speaker, "start": 0.0, "text": ""}})

    def _skip(self) -> None:
        """Let go of what is too far back. It is transcribed from disk afterwards, with the utterance that was open."""
        rate = self._audio.rate
        self._mark(0.0)
        for speaker in self._open:
            self._clear(speaker)
        self._open.clear()
        begun = min(self._heard.values(), default=self._position / rate)
        self._position = self._audio.frames - round(min(_RESUME_BEHIND, _RESUME_SHARE * self._skip_s) * rate)
        end = self._position / rate
        self._call.item({"skipped": {"start": round(begun, 3), "end": round(end, 3)}})
        self._skipped += end - begun
        self._heard.clear()
        self._front = self._new_front(dict.fromkeys(self._speakers, end), set(self._speakers))

    def _new_front(self, begins: Mapping[str, float], settle: set[str]) -> FrontEnd:
        rate = self._audio.rate
        sources = [(LiveNormaliser(channel, rate), label) for channel, label in enumerate(self._speakers)]
        spans = {label: ((begin, math.inf),) for label, begin in begins.items()}
        start = self._position / rate
        return FrontEnd(sources, self._detector, self._policy, start, ordered=False, spans=spans, settle=settle)
