"""Windows of some spans of a stream: together they hold the speech of these spans, once."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.audio.spans import Span, SpanCutter
from services.audio.vad import FRAME, RATE
from services.audio.windows import Policy, Window
from tests.unit.test_audio_windows import PATTERNS, committed, frames_of, span, voiced

FRAME_SECONDS = FRAME / RATE
POLICY = Policy(longest=3.0, pause=0.3, target=1.5, short_pause=0.1, pad=0.2)


def cut(said: list[float], spans: list[tuple[int, int]], piece: int, settle: bool = False) -> list[Window]:
    """All windows of spans that are given in frames, fed in pieces."""
    seconds: list[Span] = [(a * FRAME_SECONDS, b * FRAME_SECONDS) for a, b in spans]
    cutter = SpanCutter(POLICY, 0.0, seconds, settle)
    frames, probabilities, windows = frames_of(len(said)), np.array(said, np.float32), list[Window]()
    for at in range(0, len(said), piece):
        before = cutter.position
        found = cutter.feed(frames[at : at + piece], probabilities[at : at + piece])
        assert all(window.start >= before - 1e-6 for window in found), "a window from a time that was called settled"
        windows += found
    return windows + cutter.flush()


@st.composite
def parts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Spans in order, in frames; neighbours may touch."""
    borders = sorted(draw(st.lists(st.integers(0, 320), min_size=2, max_size=8, unique=True)))
    return list(zip(borders[::2], borders[1::2], strict=False))


@settings(max_examples=100)
@given(PATTERNS, parts(), st.integers(1, 60))
def test_the_speech_of_spans_is_in_windows_once(said: list[float], spans: list[tuple[int, int]], piece: int) -> None:
    """Feature: spans, Property 1: windows hold the speech of their spans once, and nothing of what is outside"""
    windows = cut(said, spans, piece)
    held = [frame for window in windows for frame in committed(window)]
    assert len(held) == len(set(held))
    for first, last in spans:
        inside = {first + frame for frame in voiced(said[first:last], POLICY)}
        assert inside <= set(held)
    assert all(any(a <= span(w)[0] and span(w)[-1] < b for a, b in spans) for w in windows)


@settings(max_examples=100)
@given(PATTERNS, st.lists(st.integers(0, 320), max_size=5, unique=True), st.integers(1, 60))
def test_spans_that_touch_are_like_one_stream(said: list[float], borders: list[int], piece: int) -> None:
    """Feature: spans, Property 2: wherever a stream is cut into spans, no frame of speech is lost or doubled"""
    edges = [0, *sorted(border for border in borders if 0 < border < len(said)), len(said) + 1]
    held = [frame for window in cut(said, list(pairwise(edges)), piece) for frame in committed(window)]
    assert len(held) == len(set(held))
    # At a border the threshold is that of beginning speech, as it is at the start of a stream.
    assert {frame for frame, probability in enumerate(said) if np.float32(probability) >= POLICY.on} <= set(held)


def test_one_that_settles_begins_in_a_pause() -> None:
    said = [0.9] * 50 + [0.0] * 10 + [0.9] * 50 + [0.0] * 30
    (window,) = cut(said, [(20, 400)], 7, settle=True)
    assert span(window)[0] >= 54, "it began in the middle of what was being said"
    assert set(range(60, 110)) <= set(span(window))


def test_where_nobody_pauses_it_begins_all_the_same() -> None:
    windows = cut([0.9] * 400, [(100, 400)], 31, settle=True)
    assert windows
    assert span(windows[0])[0] == 100 + round(4.0 / FRAME_SECONDS)


def test_it_tells_since_when_it_listens() -> None:
    cutter = SpanCutter(POLICY, 10.0, [(10.0 + 40 * FRAME_SECONDS, math.inf)])
    told = []
    for count in (40, 10):
        cutter.feed(frames_of(count), np.zeros(count, np.float32))
        told.append(cutter.begun)
    assert told == [None, 10.0 + 40 * FRAME_SECONDS]
