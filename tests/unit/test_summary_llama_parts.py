"""What surrounds a language model: fitting, the answer's way to the screen, reading minutes, looking at files."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import MissingPackageError, ModelError
from services.models.options import KvCache
from services.summarization import fitting, gguf, minutes, prompt, runtime
from services.summarization.answer import Answer, without_loop
from services.summarization.cost import Shape
from services.summarization.engine import ActionItem, Summary

MINUTES = """\
# Launch of the beta

## Summary

The beta is almost ready.

## Decisions

- Launch on March 3rd

## Action items

- Maria: send the report (by Friday)
- Book a room

## Open questions

- Who pays?
"""


def _heard(*pieces: str | bytes) -> tuple[str, str]:
    """What an answer shows and keeps of `pieces`."""
    shown: list[str] = []
    answer = Answer(shown.append)
    for piece in pieces:
        answer.feed(piece.encode() if isinstance(piece, str) else piece)
    answer.close()
    return "".join(shown), answer.text


@settings(max_examples=300)
@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 300))
def test_parts_cover_everything_once_and_fit(sizes: list[int], capacity: int) -> None:
    """Feature: summary, Property 5: parts cover all lines once, in order, none is empty and none exceeds its room."""
    found = fitting.parts(sizes, capacity)
    assert [index for part in found for index in part] == list(range(len(sizes)))
    for part in found:
        assert 0 < sum(sizes[index] for index in part) <= capacity


@settings(max_examples=300)
@given(st.lists(st.integers(1, 50), min_size=3, max_size=60), st.integers(100, 300))
def test_condensing_notes_comes_to_an_end(sizes: list[int], capacity: int) -> None:
    """Feature: summary, Property 6: notes of at most half a part always become fewer."""
    if sum(sizes) > capacity:
        assert len(fitting.parts(sizes, capacity)) < len(sizes)


@given(st.integers(0, 50_000), st.integers(1, 2000), st.integers(256, 131_072), st.integers(256, 131_072))
def test_the_context_is_no_larger_than_needed_and_allowed(body: int, frame: int, trained: int, limit: int) -> None:
    """Feature: summary, Property 7: a context fits the need, the model and the limit."""
    context = fitting.context_for(body, frame, trained, limit)
    assert context <= min(trained, limit)
    assert context < body + frame + fitting.ANSWER_TOKENS + 256
    room = fitting.divide(context, frame)
    if room is not None:
        assert frame + room.body + room.answer == context
        assert room.notes <= room.answer
        if context < min(trained, limit):
            assert body <= room.body


@given(
    st.builds(
        Shape,
        layers=st.integers(1, 80),
        kv_heads=st.integers(1, 64),
        key=st.integers(1, 256),
        value=st.integers(1, 256),
        width=st.integers(32, 8192),
        vocabulary=st.integers(256, 262_144),
    ),
    st.sampled_from(["f16", "q8_0", "q4_0"]),
    st.integers(1, 131_072),
    st.floats(0, 64_000),
)
def test_the_context_is_the_largest_that_its_memory_allows(
    shape: Shape, kind: KvCache, wanted: int, room: float
) -> None:
    """Feature: summary, Property 10: a context takes no more than its room, and one step more would."""
    context = fitting.within(wanted, shape.most_tokens(room, kind))
    assert context <= wanted
    if context:
        assert shape.context_mb(context, kind) <= room * (1 + 1e-9)
    if context < wanted:
        assert shape.context_mb(min(wanted, context + 256), kind) > room * (1 - 1e-9)
    assert shape.context_mb(wanted, "f16") > shape.context_mb(wanted, "q8_0") > shape.context_mb(wanted, "q4_0")


def test_what_a_known_model_takes_is_known() -> None:
    """Llama 3.2 3B: 28 layers, 8 heads of 128 for keys and values: 112 KB a token with 16 bits."""
    shape = Shape(layers=28, kv_heads=8, key=128, value=128, width=3072, vocabulary=128_256)
    assert 28 * 8 * 256 * 2 == 112 * 1024
    assert shape.context_mb(8192, "f16") == pytest.approx(896 + 70.6, abs=1)
    assert shape.context_mb(8192, "q8_0") == pytest.approx(476 + 70.6, abs=1)
    assert shape.context_mb(8192, "q4_0") == pytest.approx(252 + 70.6, abs=1)


@given(st.floats(0, 64_000), st.floats(0, 2000), st.floats(1, 64_000))
def test_a_model_leaves_room_for_the_rest_and_keeps_its_limit(available: float, held: float, limit: float) -> None:
    """Feature: summary, Property 11: a model's room is within what the system has and what it is allowed."""
    unlimited, limited = (fitting.room_mb(available, held, most) for most in (0, limit))
    assert 0 <= limited <= unlimited <= max(0.0, available - 200)
    assert limited == 0 or held + limited < limit


@given(st.integers(1, 4000))
def test_the_smallest_useful_context_is_useful(frame: int) -> None:
    """Feature: summary, Property 12: no smaller context than the smallest one can be divided."""
    least = fitting.smallest(frame)
    assert fitting.divide(least, frame) is not None
    assert fitting.divide(least - 256, frame) is None


@given(st.text(max_size=60), st.lists(st.integers(1, 4), max_size=40))
def test_an_answer_arrives_whole_however_it_is_cut(text: str, cuts: list[int]) -> None:
    """Feature: summary, Property 8: bytes cut anywhere give the same text as the whole."""
    raw = text.encode()
    pieces, begin = [], 0
    for cut in cuts:
        pieces.append(raw[begin : begin + cut])
        begin += cut
    assert _heard(*pieces, raw[begin:]) == _heard(raw)


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("<think>The user wants", " minutes.</th", "ink>\n\n# Title\n"), "# Title\n"),
        (("<thi", "nk>never ends"), ""),
        (("# Ti", "tle", "<|im_e", "nd|>", " and more"), "# Title"),
        (("1 < 2 and ", "3 <4"), "1 < 2 and 3 <4"),
        (("a\x1b", "[31mred\x1b[", "0m", "\x07b"), "aredb"),
        ((b"caf\xc3", b"\xa9"), "café"),
        ((b"\xff\xfeok",), "\ufffd\ufffdok"),
        (("\n\n  # Title",), "# Title"),
    ],
)
def test_an_answer_shows_only_what_may_be_shown(pieces: tuple[str | bytes, ...], text: str) -> None:
    assert _heard(*pieces) == (text, text)


def test_thinking_whose_beginning_was_in_the_prompt_is_not_kept() -> None:
    _, kept = _heard("Let me see.", "</think>", "# Title")
    assert kept == "# Title"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It is so. " + "And so on. " * 4, "It is so. And so on.\n"),
        ("- one\n" + "- same line\n" * 4, "- one\n- same line\n"),
        ("- one\n" + f"- {'long ' * 30}line\n" * 4, f"- one\n- {'long ' * 30}line\n"),
        ("- Anna: send it\n- Tom: send it\n- Eva: send it\n- Max: send it\n", None),
        ("----------------------------------------", None),
    ],
)
def test_going_round_in_circles_ends(text: str, kept: str | None) -> None:
    assert without_loop(text) == kept


def test_a_loop_stops_the_answer() -> None:
    answer = Answer(lambda _: None)
    for _ in range(50):
        answer.feed(b"round and round ")
    assert answer.done
    assert answer.text.count("round and round") == 1


def test_minutes_in_our_form_are_read() -> None:
    found = minutes.parse(MINUTES, "", "")
    assert found == Summary(
        title="Launch of the beta",
        suggestion="Launch of the beta",
        text="The beta is almost ready.",
        decisions=("Launch on March 3rd",),
        actions=(ActionItem("send the report", "Maria", "by Friday"), ActionItem("Book a room")),
        questions=("Who pays?",),
    )
    assert found.markdown == MINUTES


@pytest.mark.parametrize(
    "text",
    [
        "We talked about the beta.\nIt is late.",
        "```markdown\nWe talked about the beta.\nIt is late.\n```",
    ],
)
def test_an_answer_without_our_headings_is_kept(text: str) -> None:
    found = minutes.parse(text, "Sync", "")
    assert found.markdown == "# Sync\n\n## Summary\n\nWe talked about the beta.\nIt is late.\n"


def test_other_forms_of_the_same_are_understood() -> None:
    text = (
        "**Summary:**\nAll is well.\n\n**Key decisions**\n1. Go.\n* Wait\n  and see\n\n### Next Steps\n"
        "- **Tom**: call (none)\n- Unassigned: write\n\n## Open questions\n- None.\n\n## Mood\nGood."
    )
    found = minutes.parse(text, "Sync", "")
    assert found.decisions == ("Go.", "Wait and see")
    assert found.actions == (ActionItem("call", "Tom"), ActionItem("write"))
    assert found.questions == ()
    assert found.text == "All is well.\n\n## Mood\nGood."


@given(st.text(max_size=300))
def test_nothing_that_a_model_wrote_breaks_the_reading(text: str) -> None:
    """Feature: summary, Property 9: any answer can be read, and its markdown reads the same again."""
    once = minutes.parse(text, "Sync", "")
    assert once.markdown.startswith("# Sync\n")


def test_a_title_cannot_write_control_tokens_into_a_prompt() -> None:
    assert "<" not in prompt.transcript_of("<|im_end|>", "2026-02-23")
    assert prompt.transcript_of("", "") == "Transcript of the meeting:"


_HEADER = b"GGUF" + struct.pack("<IQQ", 3, 10, 10)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"RIFF" + bytes(100), "not a GGUF model"),
        (b"not", "not a GGUF model"),
        (b"GGUF\x03\x00", "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 1, 10, 10), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 10, 10), "version"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 10), "only a vocabulary"),
    ],
)
def test_a_file_that_is_no_model_is_told_without_any_library(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "model\x1b[31m.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=words) as caught:
        gguf.check(path)
    assert "\x1b" not in caught.value.message
    assert caught.value.hint


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model at"):
        gguf.check(tmp_path / "absent.gguf")
    with pytest.raises(ModelError, match="a folder"):
        gguf.check(tmp_path)


def test_a_file_with_a_good_header_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(_HEADER)
    gguf.check(path)


def test_without_the_package_the_hint_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    runtime.library.cache_clear()
    try:
        with pytest.raises(MissingPackageError) as caught:
            runtime.library()
        assert "make llama" in caught.value.hint
    finally:
        runtime.library.cache_clear()
