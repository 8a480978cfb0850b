"""Live captions from the chunks of a recording that goes on meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services.library.meeting import Meeting
from services.recording.chunks import ChunkWriter
from services.transcription.host import create
from services.worker.handler import Json, Method
from tests.functional.test_transcription_host import RATE, sample
from tests.functional.waiting import until
from tests.models.fixtures import scripted_whisper as scripted_whisper
from tests.models.whisper_ct2 import Recipe
from tests.speechset import HeldCall, word_error_rate


@pytest.fixture(scope="module")
def methods() -> Iterator[Mapping[str, Method]]:
    found = create()
    found["load"]({"engine": "moonshine", "model": "tiny-en"}, HeldCall())
    yield found
    found["unload"]({}, HeldCall())


class Recorder:
    """Writes a recording as the recorder does, in its own thread; waits for the captions so that they keep up."""

    def __init__(self, root: Path, pcm: NDArray[np.int16], speakers: tuple[str, ...]) -> None:
        info = {"rate": RATE, "channels": [{"source": "x", "speaker": speaker} for speaker in speakers]}
        self.meeting = Meeting.create(root, "live", info)
        self.meeting.set_stage("record", "running")
        self._writer = ChunkWriter(self.meeting.audio, RATE, len(speakers), 10.0)
        self._pcm = pcm
        self.written = 0.0

    def write(self, seconds: float) -> None:
        at = round(self.written * RATE)
        self._writer.write(self._pcm[at : at + round(seconds * RATE)])
        self.written += seconds

    def keep_up_with(self, call: HeldCall) -> None:
        """Write a second whenever the captions have read all there is."""
        while self.written * RATE < len(self._pcm) and not call.cancelled:
            if not self.written or any(done >= self.written for done, _ in call.steps[-3:]):
                self.write(1.0)
            time.sleep(0.01)
        self.end()

    def end(self) -> None:
        self._writer.close()
        self.meeting.set_stage("record", "done")


def follow(
    methods: Mapping[str, Method],
    recorder: Recorder,
    call: HeldCall,
    start: float = 0.0,
    heard: Mapping[str, float] | None = None,
) -> Json:
    args = {"meeting": str(recorder.meeting.folder), "language": "en", "from_s": start, "heard": dict(heard or {})}
    return methods["follow"](args, call)


def heard(call: HeldCall, speaker: str) -> list[tuple[float, float]]:
    """The spans of a speaker that were taken into account."""
    told = [item["heard"] for item in call.items if "heard" in item]
    return [(span["start"], span["end"]) for span in told if span["speaker"] == speaker]


def test_words_appear_while_they_are_spoken_and_segments_at_pauses(
    methods: Mapping[str, Method], tmp_path: Path
) -> None:
    recorder, call = Recorder(tmp_path, sample()[: 16 * RATE], ("You", "Others")), HeldCall()
    writing = threading.Thread(target=recorder.keep_up_with, args=(call,))
    writing.start()
    result = follow(methods, recorder, call)
    writing.join()
    kinds = [next(iter(item)) for item in call.items]
    assert kinds.index("partial") < next(n for n, item in enumerate(call.items) if item.get("segments"))
    assert result["segments"] == len(call.segments()) >= 3
    assert result["skipped_s"] == 0
    assert result["position_s"] == pytest.approx(16, abs=0.1)
    said = (
        "Good morning, everyone. Today we talk about the new website. "
        "Good morning, Susan. The design is finished. We tested it with ten people. Nine of them liked it."
    )
    assert word_error_rate(said, call.text()) < 0.25
    assert {segment["speaker"] for segment in call.segments()} == {"You", "Others"}
    for speaker in ("You", "Others"):
        own = [segment for segment in call.segments() if segment["speaker"] == speaker]
        assert all(a["end"] <= b["start"] for a, b in zip(own, own[1:], strict=False)), "an utterance came twice"
    first = next(item["partial"] for item in call.items if "partial" in item)
    assert first["speaker"] == "You"
    assert "morning" in first["text"].lower()


def test_it_ends_when_it_is_cancelled_with_what_it_has(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, call = Recorder(tmp_path, sample(), ("You", "Others")), HeldCall()
    recorder.write(12.0)
    results: list[Json] = []
    following = threading.Thread(target=lambda: results.append(follow(methods, recorder, call)))
    following.start()
    until(lambda: bool(call.segments()))
    call.cancelled = True
    following.join(30)
    assert not following.is_alive()
    assert results[0]["segments"] == len(call.segments())


def test_words_in_the_air_when_the_recording_ends_are_kept(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, call = Recorder(tmp_path, sample()[: 3 * RATE], ("You", "Others")), HeldCall()
    recorder.write(3.0)
    recorder.end()
    assert follow(methods, recorder, call)["segments"] == 1
    assert call.text().startswith("Good morning")


def test_it_goes_on_where_it_was_told_to(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, call = Recorder(tmp_path, sample()[: 24 * RATE], ("You", "Others")), HeldCall()
    recorder.write(24.0)
    recorder.end()
    follow(methods, recorder, call, start=14.5)
    assert call.segments()[0]["start"] >= 14.5
    assert "That is good news" in call.text()
    assert "morning" not in call.text()


def test_too_far_behind_it_skips_and_says_so(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, call = Recorder(tmp_path, sample()[: 60 * RATE], ("You", "Others")), HeldCall()
    recorder.write(60.0)
    recorder.end()
    result = follow(methods, recorder, call)
    assert call.items[0] == {"skipped": {"start": 0.0, "end": 55.0}}
    assert result["skipped_s"] == 55
    assert "one more thing" in call.text()
    for speaker in ("You", "Others"):
        assert 55.0 <= heard(call, speaker)[0][0] <= 59.1, "it began in the middle of a word, or never"
        assert heard(call, speaker)[-1][1] == 60.0


def test_how_far_behind_it_skips_and_how_often_it_shows_words_can_be_set(
    methods: Mapping[str, Method], tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path, sample(), ("You", "Others"))
    recorder.write(16.0)
    recorder.end()
    args = {"meeting": str(recorder.meeting.folder), "language": "en", "from_s": 0.0, "heard": {}}
    skipping = HeldCall()
    assert methods["follow"](args | {"skip_s": 8.0}, skipping)["skipped_s"] == 12.0, "it goes on half as far behind"
    partials = []
    for update_s in (0.2, 5.0):
        recorder = Recorder(tmp_path, sample()[: 14 * RATE], ("You", "Others"))
        call = HeldCall()
        writing = threading.Thread(target=recorder.keep_up_with, args=(call,))
        writing.start()
        methods["follow"](args | {"meeting": str(recorder.meeting.folder), "update_s": update_s}, call)
        writing.join()
        partials.append(sum("partial" in item and item["partial"]["text"] != "" for item in call.items))
    assert 0 < partials[1] < partials[0]


def test_what_was_open_when_it_skips_is_left_to_the_final_text(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, call = Recorder(tmp_path, sample()[: 60 * RATE], ("You", "Others")), HeldCall()
    recorder.write(7.0)
    running = threading.Thread(target=follow, args=(methods, recorder, call))
    running.start()
    until(lambda: any(item.get("partial", {}).get("text") for item in call.items))
    recorder.write(53.0)
    recorder.end()
    running.join()
    (skipped,) = (item["skipped"] for item in call.items if "skipped" in item)
    before = {speaker: [end for _, end in heard(call, speaker) if end < 50] for speaker in ("You", "Others")}
    assert skipped["start"] == min(max(ends, default=0.0) for ends in before.values())
    shown: dict[str, str] = {}
    for item in call.items[: next(n for n, item in enumerate(call.items) if "skipped" in item)]:
        if "partial" in item:
            shown[item["partial"]["speaker"]] = item["partial"]["text"]
        for segment in item.get("segments", []):
            shown[segment["speaker"]] = ""
    assert set(shown.values()) == {""}, "words stay on the screen that no segment will take the place of"


def test_each_channel_goes_on_where_it_was_left(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, whole, rest = Recorder(tmp_path, sample()[: 24 * RATE], ("You", "Others")), HeldCall(), HeldCall()
    recorder.write(24.0)
    recorder.end()
    follow(methods, recorder, whole)
    # The worker died: `Others` had been understood to the end, of `You` nothing after the first words.
    left = {"You": heard(whole, "You")[0][1], "Others": 24.0}
    follow(methods, recorder, rest, heard=left)
    expected = [segment["text"] for segment in whole.segments() if segment["speaker"] == "You"][1:]
    assert [segment["text"] for segment in rest.segments()] == expected
    assert expected
    assert heard(rest, "You")[0][0] == left["You"]
    assert heard(rest, "Others") == []


def test_what_was_heard_is_everything_once(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, call = Recorder(tmp_path, sample()[: 29 * RATE], ("You", "Others")), HeldCall()
    recorder.write(29.0)
    recorder.end()
    follow(methods, recorder, call)
    for speaker in ("You", "Others"):
        spans = heard(call, speaker)
        assert spans[0][0] == 0.0
        assert spans[-1][1] == 29.0
        assert all(a[1] == b[0] for a, b in pairwise(spans))


def test_up_to_half_a_minute_behind_nothing_is_skipped(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, call = Recorder(tmp_path, sample()[: 29 * RATE], ("You", "Others")), HeldCall()
    recorder.write(29.0)
    recorder.end()
    assert follow(methods, recorder, call)["skipped_s"] == 0
    assert "Good morning, everyone." in call.text()
    partials_behind = [item for item in call.items if "partial" in item and item["partial"]["start"] < 20]
    assert partials_behind == [], "time went into partials while it was behind"


def test_silence_gives_nothing(methods: Mapping[str, Method], tmp_path: Path) -> None:
    recorder, call = Recorder(tmp_path, np.zeros((20 * RATE, 1), np.int16), ("",)), HeldCall()
    recorder.write(20.0)
    recorder.end()
    assert follow(methods, recorder, call)["segments"] == 0
    assert all(item["heard"]["speaker"] == "" and item["segments"] == [] for item in call.items)
    assert heard(call, "")[-1][1] == 20.0
    assert len(heard(call, "")) > 1, "whoever goes on after a crash would begin at the start"


def test_the_language_is_learnt_from_whole_utterances(
    scripted_whisper: Callable[[Recipe], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "sotto.transcription")
    recorder, call = Recorder(tmp_path, sample()[: 12 * RATE], ("You", "Others")), HeldCall()
    recorded = threading.Thread(target=recorder.keep_up_with, args=(call,))
    host = create()
    model = scripted_whisper(Recipe(language="de", certainty=0.4))  # never certain: each utterance is asked about
    host["load"]({"engine": "whisper", "model": str(model), "options": {"beam": 1}}, HeldCall())
    recorder.write(1.0)
    recorded.start()
    host["follow"]({"meeting": str(recorder.meeting.folder), "language": "auto"}, call)
    recorded.join()
    host["unload"]({}, HeldCall())
    whole = [item for item in call.items if item.get("segments")]
    assert any(item.get("partial", {}).get("text") for item in call.items)
    assert whole
    assert caplog.text.count("is spoken (") == len(whole)
