"""The language of a meeting is found once, survives an odd window, and follows a real change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.audio.windows import Policy
from services.transcription.engine import Piece
from services.transcription.language import SpokenLanguage

SECOND = 16_000


@dataclass(frozen=True)
class Talk:
    """A window: what an engine hears in it."""

    code: str
    probability: float = 0.95
    voiced: float = 20.0
    sure_of_words: float = -0.2


class Listener:
    """An engine that hears what it is told to, and writes down in what language it was asked."""

    policy = Policy()

    def __init__(self) -> None:
        self.now = Talk("en")
        self.asked: list[str] = []

    def load(self) -> None: ...
    def unload(self) -> None: ...

    def detect(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        self.asked.append("?")
        return self.now.code, self.now.probability

    def transcribe(self, samples: NDArray[np.float32], language: str) -> list[Piece]:
        self.asked.append(language)
        sure = self.now.sure_of_words if language == self.now.code else min(self.now.sure_of_words, -0.5)
        return [Piece(0.0, 1.0, language, log_probability=sure)]


def written(spoken: SpokenLanguage, engine: Listener, talks: Iterable[Talk]) -> list[str]:
    """The language that each window was written in."""
    out = []
    for talk in talks:
        engine.now = talk
        (piece,) = spoken.transcribe(np.zeros(SECOND, np.float32), talk.voiced)
        out.append(piece.text)
    return out


def test_it_is_asked_for_once() -> None:
    engine = Listener()
    spoken = SpokenLanguage(engine)
    assert written(spoken, engine, [Talk("de")] * 5) == ["de"] * 5
    assert engine.asked == ["?", *["de"] * 5]
    assert spoken.kept == "de"


def test_a_short_word_at_the_start_decides_nothing() -> None:
    engine = Listener()
    spoken = SpokenLanguage(engine)
    talks = [Talk("cy", 0.9, voiced=0.5), Talk("en", 0.9), Talk("en", 0.9)]
    assert written(spoken, engine, talks) == ["cy", "en", "en"]
    assert spoken.kept == "en"


def test_unsure_windows_add_up() -> None:
    engine = Listener()
    spoken = SpokenLanguage(engine)
    talks = [Talk("nl", 0.4), Talk("de", 0.6), Talk("de", 0.5), Talk("de", 0.5)]
    assert written(spoken, engine, talks) == ["nl", "de", "de", "de"]
    assert spoken.kept == "de"


def test_after_a_minute_of_doubt_the_likeliest_is_kept() -> None:
    engine = Listener()
    spoken = SpokenLanguage(engine)
    kept = []
    for talk in [Talk("nl", 0.6), Talk("de", 0.5), Talk("de", 0.5)]:  # 20 s each
        written(spoken, engine, [talk])
        kept.append(spoken.kept)
    assert kept == ["", "", "de"]


def test_one_window_in_another_language_is_written_in_it_and_changes_nothing() -> None:
    engine = Listener()
    spoken = SpokenLanguage(engine)
    talks = [Talk("en")] * 3 + [Talk("fr", sure_of_words=-0.9)] + [Talk("en")] * 3
    assert written(spoken, engine, talks) == ["en", "en", "en", "fr", "en", "en", "en"]
    assert spoken.kept == "en"


@pytest.mark.parametrize("odd", [Talk("cy", 0.8, 20.0, -0.9), Talk("cy", 0.99, 2.0, -0.9)])
def test_an_unsure_or_short_window_is_written_in_the_language_of_the_meeting(odd: Talk) -> None:
    engine = Listener()
    spoken = SpokenLanguage(engine)
    assert written(spoken, engine, [Talk("en"), odd, odd, odd, Talk("en")]) == ["en"] * 5


def test_a_change_is_followed() -> None:
    engine = Listener()
    spoken = SpokenLanguage(engine)
    talks = [Talk("en")] * 3 + [Talk("de", sure_of_words=-0.9)] * 2 + [Talk("de")] * 4
    assert written(spoken, engine, talks) == ["en"] * 3 + ["de"] * 6
    assert spoken.kept == "de"
    assert engine.asked[-4:] == ["de"] * 4, "it is not asked for again and again"


def test_a_change_that_leaves_the_engine_sure_is_noticed_within_minutes() -> None:
    engine = Listener()
    spoken = SpokenLanguage(engine)
    talks = [Talk("en")] * 5 + [Talk("de")] * 20
    wrote = written(spoken, engine, talks)
    assert wrote.index("de") <= 5 + 300 // 20
    assert wrote[-3:] == ["de"] * 3
    assert spoken.kept == "de"


@pytest.mark.parametrize("cut", [1, 10, 16, 17])
def test_when_it_is_asked_again_does_not_depend_on_an_interruption(cut: int) -> None:
    talks = [Talk("en")] * 10 + [Talk("de")] * 10
    engine = Listener()
    whole = written(SpokenLanguage(engine), engine, talks)
    assert set(whole[10:]) == {"en", "de"}
    first = SpokenLanguage(engine)
    begun = written(first, engine, talks[:cut])
    assert begun + written(SpokenLanguage(engine, first.state()), engine, talks[cut:]) == whole


TALKS = st.lists(
    st.builds(
        Talk,
        st.sampled_from(["en", "de", "cy"]),
        st.sampled_from([0.3, 0.65, 0.8, 0.95]),
        st.sampled_from([0.4, 4.0, 12.0, 28.0]),
        st.sampled_from([-0.2, -0.9]),
    ),
    min_size=1,
    max_size=60,
)


@given(TALKS, st.data())
def test_going_on_anywhere_gives_the_same(talks: list[Talk], data: st.DataObject) -> None:
    """Feature: spoken-language, Property 1: a run that is interrupted and goes on with its state writes the same."""
    engine = Listener()
    whole = written(SpokenLanguage(engine), engine, talks)
    cut = data.draw(st.integers(0, len(talks)))
    first = SpokenLanguage(engine)
    begun = written(first, engine, talks[:cut])
    state = json.loads(json.dumps(first.state()))
    assert begun + written(SpokenLanguage(engine, state), engine, talks[cut:]) == whole


@given(TALKS)
def test_one_odd_window_never_changes_the_meeting(talks: list[Talk]) -> None:
    """Feature: spoken-language, Property 2: between windows in the language that is kept, one other changes nothing."""
    engine = Listener()
    spoken = SpokenLanguage(engine)
    written(spoken, engine, [Talk("en")] * 2)
    for talk in talks:
        written(spoken, engine, [talk, *[Talk("en")] * 5])
        assert spoken.kept == "en"


@given(TALKS)
def test_what_is_written_was_heard(talks: list[Talk]) -> None:
    """Feature: spoken-language, Property 3: no window is written in a language that was in none so far."""
    engine = Listener()
    wrote = written(SpokenLanguage(engine), engine, talks)
    for at, code in enumerate(wrote):
        assert code in {talk.code for talk in talks[: at + 1]}


@given(TALKS, TALKS)
def test_a_glance_teaches_nothing(talks: list[Talk], glances: list[Talk]) -> None:
    """Feature: spoken-language, Property 4: looks at windows that go on change nothing of what is known."""
    engine = Listener()
    spoken = SpokenLanguage(engine)
    written(spoken, engine, talks)
    before = spoken.state()
    for talk in glances:
        engine.now = talk
        (piece,) = spoken.glance(np.zeros(SECOND, np.float32))
        assert piece.text == (spoken.kept or max(before["heard"], key=before["heard"].__getitem__))
    assert spoken.state() == before


def test_a_glance_before_anything_is_known_asks() -> None:
    engine = Listener()
    engine.now = Talk("de")
    spoken = SpokenLanguage(engine)
    assert spoken.glance(np.zeros(SECOND, np.float32))[0].text == "de"
    assert spoken.kept == ""
