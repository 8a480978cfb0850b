"""Who said what: cutting pieces at turns, and putting voices together over a meeting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.library.segments import Word
from services.transcription import voices
from services.transcription.engine import Piece
from services.transcription.voices import SAME, Turn, Utterance, Vector, attribute, label, pack, unpack

SIZE = 64


def voice(number: int, hoarse: float = 0.0, seed: int = 0) -> Vector:
    """A vector of length 1 that is about the same for the same speaker, and at right angles to that of any other."""
    vector = np.zeros(SIZE)
    vector[number] = 1.0
    noise = np.random.default_rng(seed).standard_normal(SIZE) / np.sqrt(SIZE)
    mixed: Vector = (vector + hoarse * noise).astype(np.float32)
    return mixed / np.float32(np.linalg.norm(mixed))


def meeting(speakers: list[int], seconds: float = 4.0) -> list[Utterance]:
    return [Utterance(10.0 * i, seconds, voice(who, 0.5, i)) for i, who in enumerate(speakers)]


def expected(speakers: list[int]) -> list[int]:
    """The speakers numbered in order of their first words."""
    first = list(dict.fromkeys(speakers))
    return [first.index(who) + 1 for who in speakers]


scripts = st.lists(st.integers(0, 5), min_size=1, max_size=40)


@given(speakers=scripts)
def test_each_voice_is_one_speaker_numbered_by_first_words(speakers: list[int]) -> None:
    """Feature: speakers, Property 1: voices that differ get labels of their own, in order of appearance."""
    assert label(meeting(speakers)) == expected(speakers)


@given(speakers=scripts, random=st.randoms(use_true_random=False))
def test_the_order_in_which_utterances_come_does_not_matter(speakers: list[int], random: object) -> None:
    """Feature: speakers, Property 2: a permutation of the utterances permutes their labels and nothing else."""
    utterances = meeting(speakers)
    places = list(range(len(utterances)))
    random.shuffle(places)  # type: ignore[attr-defined]
    labels = label(utterances)
    assert label([utterances[place] for place in places]) == [labels[place] for place in places]


@given(count=st.integers(1, 30), hoarse=st.floats(0.0, 0.6), data=st.data())
def test_one_voice_is_one_speaker_however_often_it_speaks(count: int, hoarse: float, data: st.DataObject) -> None:
    """Feature: speakers, Property 3: vectors of which any two are alike have one label."""
    lengths = data.draw(st.lists(st.floats(0.3, 20.0), min_size=count, max_size=count))
    said = [Utterance(float(i), seconds, voice(0, hoarse, i)) for i, seconds in enumerate(lengths)]
    assert label(said) == [1] * count


@given(
    vectors=st.lists(
        st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3).filter(lambda v: any(abs(x) > 0.01 for x in v)),
        max_size=25,
    ),
    seconds=st.floats(0.3, 10.0),
)
def test_any_vectors_get_labels_without_gaps(vectors: list[list[float]], seconds: float) -> None:
    """Feature: speakers, Property 4: labels are 1 to n, the first of each in order, and the same every time."""
    said = [Utterance(float(i), seconds, np.array(vector, np.float32)) for i, vector in enumerate(vectors)]
    labels = label(said)
    first = list(dict.fromkeys(labels))
    assert first == list(range(1, len(first) + 1))
    assert labels == label(said)


def test_a_short_utterance_makes_no_speaker_of_its_own() -> None:
    said = [*meeting([0, 1]), Utterance(50.0, 0.6, voice(7)), Utterance(60.0, 0.6, voice(1, 1.5, 3))]
    labels = label(said)
    assert labels[:2] == [1, 2]
    assert labels[3] == 2
    assert set(labels) == {1, 2}
    assert label([Utterance(0, 0.6, voice(0)), Utterance(1, 0.6, voice(1))]) == [1, 2], "unless nobody says more"


def test_where_nothing_is_known_of_a_voice_there_is_no_speaker() -> None:
    assert label([Utterance(0, 3, None), *meeting([0, 1]), Utterance(90, 3, None)]) == [0, 1, 2, 0]
    assert label([]) == []


def test_vectors_of_another_kind_are_none() -> None:
    assert label([*meeting([0, 1]), Utterance(90, 3, np.ones(3, np.float32))]) == [1, 2, 0]


def test_a_long_meeting_is_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "_AT_ONCE", 5)
    speakers = [0] * 12 + [1] * 3 + [2, 3, 0, 1] + [4] * 2
    assert label(meeting(speakers)) == expected(speakers)


@given(values=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=256).filter(lambda v: max(map(abs, v)) > 1e-3))
def test_a_vector_survives_its_way_through_a_file(values: list[float]) -> None:
    """Feature: speakers, Property 5: what was packed has the same direction, and is text."""
    vector = np.array(values, np.float32)
    there = unpack(pack(vector))
    assert there is not None
    assert float(there @ (vector / np.linalg.norm(vector))) > 0.99
    assert len(pack(vector)) <= 4 * (len(values) // 3 + 1)


@pytest.mark.parametrize("text", ["", "?", "AAAA", "ä", None, 7, [1.0]])
def test_what_is_no_vector_is_none(text: object) -> None:
    assert unpack(text) is None


def turns(*starts: float, end: float = 30.0) -> list[Turn]:
    ends = [*starts[1:], end]
    return [Turn(start, stop, voice(i)) for i, (start, stop) in enumerate(zip(starts, ends, strict=True))]


def who(piece: Piece) -> int:
    return int(np.argmax(piece.voice))


def spoken(text: str, pace: float = 0.5) -> Piece:
    """A piece with a word every `pace` seconds."""
    words = tuple(Word(i * pace, i * pace + 0.8 * pace, word) for i, word in enumerate(text.split()))
    return Piece(0.0, len(words) * pace, text, words)


def test_a_piece_is_cut_where_another_voice_begins() -> None:
    found = attribute([spoken("Shall we start? Yes, please do.")], turns(0.0, 1.4))
    assert [(who(piece), piece.text) for piece in found] == [(0, "Shall we start?"), (1, "Yes, please do.")]
    assert [[word.text for word in piece.words] for piece in found] == [piece.text.split() for piece in found]
    assert (found[0].start, found[0].end, found[1].start, found[1].end) == (0.0, 1.4, 1.5, 3.0)


def test_the_end_of_a_sentence_draws_the_cut_to_itself() -> None:
    found = attribute([spoken("we can go now. And you are late")], turns(0.0, 1.6))
    assert [piece.text for piece in found] == ["we can go now.", "And you are late"]


def test_a_turn_without_words_takes_none() -> None:
    (piece,) = attribute([spoken("only one speaks here")], turns(0.0, 1.95))
    assert (who(piece), piece.text) == (0, "only one speaks here")


def test_without_times_of_words_only_sentences_are_cut_apart() -> None:
    said = Piece(0.0, 10.0, "This is the first sentence of one. And this is what another said then.")
    found = attribute([said], turns(0.0, 5.5))
    assert [(who(piece), piece.text) for piece in found] == [
        (0, "This is the first sentence of one."),
        (1, "And this is what another said then."),
    ]
    whole = Piece(0.0, 10.0, "nobody knows where a sentence ends in this one")
    assert [(who(piece), piece.text) for piece in attribute([whole], turns(0.0, 3.0))] == [(1, whole.text)]


def test_without_turns_pieces_stay_as_they_are() -> None:
    assert attribute([spoken("as it was")], []) == [spoken("as it was")]


@given(
    words=st.lists(st.sampled_from(["so", "yes.", "well,", "why?", "你好", "no!"]), min_size=1, max_size=20),
    starts=st.lists(st.floats(0.1, 12.0), max_size=4, unique=True),
    timed=st.booleans(),
)
def test_no_word_is_lost_or_doubled_by_cutting(words: list[str], starts: list[float], timed: bool) -> None:
    """Feature: speakers, Property 6: the pieces are the words of the whole, in order, each with one voice."""
    piece = spoken(" ".join(words))
    piece = piece if timed else Piece(piece.start, piece.end, piece.text)
    found = attribute([piece], turns(0.0, *sorted(starts)))
    assert " ".join(part.text for part in found) == piece.text
    assert tuple(word for part in found for word in part.words) == piece.words
    assert all(part.text and part.voice for part in found)
    times = [time for part in found for time in (part.start, part.end)]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (piece.start, piece.end)


def test_two_turns_of_one_voice_are_one() -> None:
    joint = Turn(0.0, 6.0, voice(0)).and_then(Turn(6.0, 8.0, voice(1)))
    assert (joint.start, joint.end) == (0.0, 8.0)
    assert float(joint.voice @ voice(0)) > 0.9 > SAME
