"""`sotto process` when the chosen model has too little memory: it is said, and each word is printed once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services import paths, settings
from services.events import FellBack, SegmentReady, StageChanged
from services.library.meeting import Meeting
from services.library.segments import Segment
from services.models.store import MANIFEST, folder_of
from services.sample import MEETING
from tests.functional.command import sotto
from tests.models.fixtures import scripted_whisper
from tests.models.whisper_ct2 import Recipe
from tui.cli.work import Work

__all__ = ["scripted_whisper"]


def test_it_is_said_and_told(
    home: Path, scripted_whisper: Callable[[Recipe], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.private(paths.models())
    shutil.copytree(scripted_whisper(Recipe()), folder_of("faster-whisper", "small"))
    (folder_of("faster-whisper", "small") / MANIFEST).write_text("{}")
    monkeypatch.setenv("SOTTO_MEMORY_MAX_STT_MB", "400")
    done = sotto("process", MEETING, "--json", "--stt", "whisper:small", "--summary", "none")
    (result,) = done.objects
    assert (done.code, result["error"]) == (0, None)
    (fell,) = result["fell_back"]
    assert (fell["model"], fell["old"], fell["new"]) == ("stt", "faster-whisper:small", "moonshine:tiny-en")
    assert "faster-whisper:small gave up: " in done.err
    assert "moonshine:tiny-en went on." in done.err
    assert result["stt"] == "moonshine:tiny-en"
    assert result["warnings"]
    assert result["chunks"] >= len(result["segments"]) // 2 > 0
    report = sotto("report", result["meeting"])
    assert "faster-whisper:small gave up: " in report.out
    assert "A model was short of memory: allow it more" in report.out
    assert "Memory was never short" not in report.out
    assert result["peak_mb_per_hour"] == pytest.approx(result["peak_pss_mb"] / result["duration_s"] * 3600, rel=0.01)


def test_what_is_done_again_is_printed_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = Work(settings.load(), as_json=False)
    meeting = Meeting.create(home / "recordings", "talk").folder

    def hear(start: float, text: str, batch: int | None) -> None:
        work._show(SegmentReady(meeting, Segment(start, start + 1, text), preview=False, batch=batch))

    work._show(StageChanged(meeting, "transcribe", "running"))
    hear(0.0, "Kept from before.", None)
    hear(1.0, "The first batch.", 1)
    hear(2.0, "Half of", 2)
    assert "The first batch." in capsys.readouterr().out
    work._show(FellBack("stt", "large", "small", "It took too much.", meeting))
    assert "large gave up: It took too much. small went on." in capsys.readouterr().err
    hear(2.0, "The second batch.", 2)
    hear(2.0, "The second batch.", 2)  # the same engine, once more
    hear(3.0, "Its end.", 2)
    work._show(StageChanged(meeting, "transcribe", "done"))
    assert capsys.readouterr().out.splitlines() == ["[0:02] The second batch.", "[0:03] Its end."]
