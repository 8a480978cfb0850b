"""What packing a recording takes when that is ten times as long, beyond every limit of 4 GB.

    python -m tests.benchmarks.archive [--gb 5]

The chunks hold silence and take no room on the disk. With `--gb 8.8` there are more than 2^32 frames in one file.
Goals: every frame is in the archive, and the memory of the worker at its peak is the same within 2 MB.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from services.library.meeting import Meeting
from services.recording.chunkfiles import HEADER_BYTES, Layout, chunk_path, header
from services.worker.client import Worker

_LAYOUT = Layout(48_000, 1, 48_000 * 600)
_MOST_GROWTH_MB = 2.0


def silence(root: Path, gigabytes: float) -> tuple[Meeting, int]:
    """A recording of so much silence, in sparse files; and its frames."""
    info = {"rate": _LAYOUT.rate, "channels": [{"source": "mic"}], "chunk_frames": _LAYOUT.chunk_frames}
    meeting = Meeting.create(root, f"Silence {gigabytes:g}", info | {"stages": {"record": {"status": "done"}}})
    meeting.audio.mkdir()
    frames = round(gigabytes * 1e9) // _LAYOUT.frame_bytes
    for number, start in enumerate(range(0, frames, _LAYOUT.chunk_frames)):
        size = min(_LAYOUT.chunk_frames, frames - start) * _LAYOUT.frame_bytes
        with chunk_path(meeting.audio, number).open("wb") as file:
            file.write(header(_LAYOUT, size))
            file.truncate(HEADER_BYTES + size)
    return meeting, frames


def pack(root: Path, gigabytes: float) -> tuple[bool, float]:
    """Whether all frames came to be in the archive, and the most that the worker held, in MB."""
    meeting, frames = silence(root, gigabytes)
    peak, begun = 0.0, time.monotonic()
    with Worker("archive") as worker:

        def measure(*_: object) -> None:
            nonlocal peak
            peak = max(peak, worker.memory().pss)

        result = worker.call("archive", {"meeting": str(meeting.folder), "format": "flac"}, on_progress=measure)
    seconds, exact = time.monotonic() - begun, result["frames"] == frames
    print(
        f"{gigabytes:5.2f} GB  {frames / _LAYOUT.rate / 3600:5.1f} h  {frames:13,} frames  "
        f"{'all there' if exact else 'NOT ALL THERE'}  {seconds:6.1f} s  peak {peak:.1f} MB"
    )
    return exact, peak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=5.0, help="how much the long recording is (5)")
    gigabytes = parser.parse_args().gb
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as home:
        os.environ["SOTTO_HOME"] = home
        (one, short), (other, long) = (pack(Path(home), size) for size in (gigabytes / 10, gigabytes))
    growth = long - short
    print(f"ten times as long: {growth:+.1f} MB (goal: within {_MOST_GROWTH_MB:g})")
    return 0 if one and other and growth <= _MOST_GROWTH_MB else 1


if __name__ == "__main__":
    sys.exit(main())
