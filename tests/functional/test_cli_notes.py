"""`sotto process` tells notes, pauses and gaps with the words they belong to."""

from __future__ import annotations

import re
from pathlib import Path

import soundfile

from services import sample
from services.library.meeting import Meeting
from services.library.moments import Journal, add_note
from services.recording.chunks import ChunkWriter
from tests.functional.command import sotto

SECONDS = 20


def recorded(home: Path) -> Meeting:
    """The beginning of the sample meeting as a recorder leaves it, with a pause, a gap and notes."""
    samples, rate = soundfile.read(sample.MEETING, dtype="int16", always_2d=True, frames=SECONDS * 48_000)
    samples = samples[: SECONDS * rate]
    info = {"rate": rate, "channels": [{"source": "mic", "speaker": "You"}, {"source": "system", "speaker": "Others"}]}
    meeting = Meeting.create(home / "recordings", "Test", info | {"stages": {"record": {"status": "done"}}})
    writer = ChunkWriter(meeting.audio, rate, samples.shape[1])
    writer.write(samples)
    writer.close()
    journal = Journal(meeting)
    journal.add("pause", 9.0, "Paused at 14:03:10")
    journal.add("warning", 9.0, "the disk is nearly full")
    journal.close()
    add_note(meeting, 0, "ask \x1b[31mBob")
    add_note(meeting, SECONDS, "")
    return meeting


def test_moments_are_told_with_the_words(home: Path) -> None:
    meeting = recorded(home)
    done = sotto("process", meeting.folder, "--summary", "none")
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line for line in lines if "►" in line or "(" in line] == [
        "[0:00] ► ask Bob", "[0:09] (Paused at 14:03:10)", "[0:20] ► Marked"
    ]  # fmt: skip
    assert lines[-1] == "[0:20] ► Marked"
    starts = [int(found[1]) for line in lines if (found := re.match(r"\[0:(\d\d)\]", line))]
    assert starts == sorted(starts)
    assert min(starts) < 9 < max(starts)
    again = sotto("process", meeting.folder, "--summary", "none")
    assert again.out.splitlines() == lines


def test_json_has_the_notes(home: Path) -> None:
    meeting = recorded(home)
    (result,) = sotto("process", meeting.folder, "--summary", "none", "--json").objects
    assert result["notes"] == [
        {"at_s": 0.0, "kind": "note", "text": "ask Bob"}, {"at_s": 20.0, "kind": "mark", "text": ""}
    ]  # fmt: skip
    meeting.notes.unlink()
    (result,) = sotto("process", meeting.folder, "--summary", "none", "--json").objects
    assert result["notes"] == []
