"""The screen's memory: of a transcript it holds places, and the words of what is in sight."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.library.segments import Segment
from tui.transcript import TranscriptIndex

_PER_ENTRY = 40
"""Bytes: 31 of its own, and the room that arrays take ahead."""

_SIGHT_BYTES = 128 * 4096
"""The words of the 128 entries that were last in sight, wrapped, of the longest kind that is made here."""


@settings(max_examples=100, deadline=None)
@given(
    batches=st.lists(st.integers(1, 300), min_size=1, max_size=3),
    words=st.integers(1, 60),
    speakers=st.integers(1, 6),
    width=st.integers(40, 160),
)
def test_a_transcript_on_the_screen_takes_bytes_for_each_entry_whatever_it_says(
    batches: list[int], words: int, speakers: int, width: int
) -> None:
    """Feature: memory-optimization, Property 4: Frontend Memory Optimization."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "transcript.jsonl")
        index = TranscriptIndex(path, width)
        count = 0
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for size in batches:
                with path.open("a", encoding="utf-8") as file:
                    for number in range(count, count + size):
                        text = f"Number {number}. " + "resident " * words
                        segment = Segment(number * 5.0, number * 5.0 + 4, text, f"Speaker {number % speakers}")
                        file.write(json.dumps(segment.to_dict()) + "\n")
                count += size
                index.extend()
            for y in range(index.height):  # the reader goes through all of it
                index.line(y)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        numbers = [index.line(y).text.split()[1] for y in range(index.height) if index.line(y).first]
        index.close()
        assert after - before < _PER_ENTRY * count + _SIGHT_BYTES
        assert numbers == [f"{number}." for number in range(count)], "every entry is there, in order, once"
