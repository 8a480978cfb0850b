"""How long an archive is, from its first and last bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from services.recording.length import archive_seconds
from tests.unit.left_meetings import RATE, noise


@pytest.mark.parametrize("content", [b"", b"fLaC", b"fLaC" + bytes(60), b"OggS", b"OggS" + b"OpusHead" + bytes(3)])
def test_an_archive_that_does_not_tell_its_length(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "audio.flac"
    file.write_bytes(content)
    assert archive_seconds(file) == 0


@pytest.mark.parametrize("options", [{}, {"format": "OGG", "subtype": "OPUS"}], ids=["flac", "opus"])
@pytest.mark.parametrize("seconds", [0.5, 3.25, 61.7])
def test_an_archive_tells_its_length(tmp_path: Path, options: dict[str, str], seconds: float) -> None:
    file = tmp_path / f"audio.{'opus' if options else 'flac'}"
    soundfile.write(file, noise(seconds, 2), RATE, **options)
    assert archive_seconds(file) == pytest.approx(soundfile.info(file).duration, abs=0.001)
