"""The sample meeting: what is shipped is what the script says, and the built-in recogniser hears it."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import moonshine_voice
import numpy as np
import pytest
import soundfile
from moonshine_voice import ModelArch, Transcriber

from services.sample import MEETING, TITLE
from services.sample.make import RATE, perform, write
from services.sample.script import Expected, read


def test_the_file_is_a_small_stereo_opus_of_about_a_minute() -> None:
    info = soundfile.info(MEETING)
    assert (info.format, info.subtype, info.channels) == ("OGG", "OPUS", 2)
    assert 60 <= info.duration <= 90
    assert MEETING.stat().st_size < 400 * 1024
    with av.open(str(MEETING)) as container:
        assert container.streams.audio[0].codec_context.name in {"opus", "libopus"}


def test_the_script_holds_what_a_summary_is_made_of() -> None:
    script = read()
    assert script.title == TITLE
    assert len(script.decisions) >= 2
    assert len(script.actions) >= 3
    assert len(script.questions) >= 1
    assert all(action.owner in script.voices and action.due for action in script.actions)
    text = " ".join(turn.text for turn in script.turns)
    assert [expected.missing(text) for expected in script.expected] == [[] for _ in script.expected]
    assert {script.voices[turn.speaker].channel for turn in script.turns} == {1, 2}


def test_missing_names_words_owner_and_date() -> None:
    expected = Expected(("bank", "contract"), owner="Martin", due="Friday")
    assert expected.missing("Martin banks on a contract.") == ["bank", "friday"]
    assert expected.missing("By FRIDAY, Martin's bank: Martin signs the contract") == []


def test_the_builtin_recogniser_hears_every_item_on_its_channel() -> None:
    script = read()
    samples, rate = soundfile.read(MEETING, dtype="float32")
    assert rate == RATE
    model = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
    transcriber = Transcriber(str(model), ModelArch.TINY)
    try:
        for channel in (1, 2):
            transcript = transcriber.transcribe_without_streaming(samples[:, channel - 1].tolist(), rate)
            heard = " ".join(line.text for line in transcript.lines)
            spoken = " ".join(turn.text for turn in script.turns if script.voices[turn.speaker].channel == channel)
            there = [expected for expected in script.expected if not expected.missing(spoken)]
            assert len(there) >= 2
            assert [expected.missing(heard) for expected in there] == [[] for _ in there]
    finally:
        transcriber.close()


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed (make test installs it)")
def test_made_again_it_is_the_same_meeting(tmp_path: Path) -> None:
    again = tmp_path / "again.opus"
    write(again, perform(read()))
    shipped, _ = soundfile.read(MEETING, dtype="float32")
    made, _ = soundfile.read(again, dtype="float32")
    # Encoders of different versions round differently; the words lie at the same places all the same.
    assert made.shape == shipped.shape
    for channel in (0, 1):
        assert np.corrcoef(np.abs(made[:, channel]), np.abs(shipped[:, channel]))[0, 1] > 0.9
