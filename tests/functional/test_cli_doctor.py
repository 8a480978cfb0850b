"""`sotto doctor` in a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from services import sample
from services.recording import client
from services.recording.messages import RecordingRequest
from tests.functional.command import sotto
from tests.functional.waiting import until


@pytest.mark.parametrize("wrong", ["[recording]\nrate = 'fast'\n", "[transcription]\nengine = 'none such'\n"])
def test_wrong_settings_are_told_once(home: Path, wrong: str) -> None:
    (home / "config").mkdir(parents=True, exist_ok=True)
    (home / "config" / "config.toml").write_text(wrong)
    done = sotto("doctor")
    (told,) = [line for line in done.out.splitlines() if " settings " in line]
    assert (done.code, told[:5]) == (1, "wrong")


def test_a_recording_that_runs_is_told_with_its_length(home: Path) -> None:
    request = RecordingRequest((f"file:{sample.MEETING}",), home / "recordings", "Weekly\x1b[31m sync", seconds=3600)
    running = client.start(request)
    try:
        until(lambda: running.status().seconds > 1)
        assert "“Weekly sync” is being recorded, 0:0" in sotto("doctor").out
    finally:
        running.stop()
        running.close()
