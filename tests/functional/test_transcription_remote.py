"""The engine that asks a server: a real server on loopback, which behaves and misbehaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from services.endpoint import Answer, Endpoint, Retries
from services.errors import ModelError, RemoteError, SottoError, UsageError
from services.library.segments import Word
from services.models.options import EngineOptions
from services.transcription.engine import Piece
from services.transcription.remote import Remote
from tests.functional.speech_server import KEY, Asked, Behaviour, Reply, plain, serving, words

WINDOW = np.zeros(3 * 16_000, np.float32)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy this machine has is not for loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def engine() -> Iterator[Callable[..., Remote]]:
    """Makes a loaded engine."""
    made: list[Remote] = []

    def make(url: str, vocabulary: tuple[str, ...] = ()) -> Remote:
        made.append(Remote("whisper-1", EngineOptions(url=url, api_key=KEY, vocabulary=vocabulary)))
        made[-1].load()
        return made[-1]

    yield make
    for each in made:
        each.unload()


def failing(status: int, **headers: str) -> Behaviour:
    def fail(_: Asked, reply: Reply) -> None:
        reply.error(status, f"no, not with {KEY}", **headers)

    return fail


def saying(text: str, kind: str = "application/json", status: int = 200, **headers: str) -> Behaviour:
    def say(_: Asked, reply: Reply) -> None:
        reply.send(status, text.encode(), kind, **headers)

    return say


def broken(_: Asked, reply: Reply) -> None:
    reply.break_off()


def test_words_keep_their_times_and_get_their_punctuation(engine: Callable[..., Remote]) -> None:
    with serving(words) as server:
        first, second = engine(server.url, ("Zieliński", "CTranslate2")).transcribe(WINDOW, "en")
    assert first.words == (Word(0.1, 0.3, "Good"), Word(0.3, 0.6, "morning,"), Word(0.6, 1.0, "everyone."))
    assert second.words == (Word(1.2, 1.6, "Twenty-five"), Word(1.6, 2.0, "came."))
    assert (second.text, second.log_probability, second.no_speech) == ("Twenty-five came.", -0.3, 0.02)
    (asked,) = server.asked
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.seconds == 3.0
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.fields == {
        "model": ["whisper-1"],
        "language": ["en"],
        "prompt": ["Zieliński, CTranslate2"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["word", "segment"],
    }


def test_a_language_that_nobody_named_is_left_to_the_server(engine: Callable[..., Remote]) -> None:
    with serving(words) as server:
        engine(server.url).transcribe(WINDOW, "")
    assert "language" not in server.asked[0].fields


def test_a_server_that_takes_less_is_asked_for_less_and_only_once(engine: Callable[..., Remote]) -> None:
    def simple(asked: Asked, reply: Reply) -> None:
        if asked.fields["response_format"] != ["json"]:
            reply.error(400, "response_format is not compatible with this model")
        else:
            plain(asked, reply)

    with serving(simple) as server:
        asking = engine(server.url)
        for _ in range(2):
            assert asking.transcribe(WINDOW, "en") == [Piece(0.0, 3.0, "Good morning, everyone.")]
    formats = [
        (*asked.fields["response_format"], "timestamp_granularities[]" in asked.fields) for asked in server.asked
    ]
    assert formats == [("verbose_json", True), ("verbose_json", False), ("json", False), ("json", False)]


def test_plain_text_will_do(engine: Callable[..., Remote]) -> None:
    def text(asked: Asked, reply: Reply) -> None:
        if asked.fields["response_format"] == ["text"]:
            reply.send(200, b" Good morning.\n", "text/plain; charset=utf-8")
        else:
            reply.error(422, "text only")

    with serving(text) as server:
        assert engine(server.url).transcribe(WINDOW, "en") == [Piece(0.0, 3.0, "Good morning.")]


def test_a_form_that_is_refused_whatever_it_asks_for_is_told_with_the_first_reason(
    engine: Callable[..., Remote],
) -> None:
    with serving(failing(400), saying('{"detail": "another"}', status=400)) as server:
        with pytest.raises(RemoteError, match=r"refuses \(400\): no, not with …\.$"):
            engine(server.url).transcribe(WINDOW, "en")
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    "script",
    [(failing(429, Retry_After="1"),), (failing(500),) * 3, (broken,), (failing(503), broken, failing(408))],
    ids=["too many", "failures", "breaks off", "one after another"],
)
def test_what_fails_for_a_while_is_tried_again(engine: Callable[..., Remote], script: tuple[Behaviour, ...]) -> None:
    with serving(*script, words) as server:
        assert len(engine(server.url).transcribe(WINDOW, "en")) == 2
    assert len(server.asked) == len(script) + 1


@pytest.mark.parametrize(
    ("reply", "said", "hint"),
    [
        (failing(401), "does not accept the key (401): no, not with …", "SOTTO_TRANSCRIPTION_API_KEY"),
        (failing(404), "no model whisper-1 (404)", "--stt openai:MODEL"),
        (failing(413), "does not take so much at once", "1 MB"),
        (failing(418), "refuses (418): no", "settings"),
        (failing(501), "refuses (501): no", "settings"),
        (saying("", status=307, Location="https://elsewhere.example/v1"), "https://elsewhere.example/v1", "set `tran"),
        (saying("<html><p>Sign in</p></html>", "text/html"), "no transcript: a web page", "up to and with /v1"),
        (saying("<html>404</html>", "text/html", 404), "(404).", "up to and with /v1"),
        (saying('{"text": 12}'), "JSON without a text", "speech server"),
        (saying("[" * 100_000), "no JSON", "speech server"),
        (saying('{"text": "' + "x" * (5 << 20) + '"}'), "more than 4 MB", "speech server"),
        (saying("xx", Content_Encoding="gzip"), "packed its answer", "kept"),
        (failing(429, Retry_After="86400"), "wants to be left alone for 1440 minutes", "kept"),
    ],
    ids="key model size other never moved page page404 nothing nested large packed busy".split(),
)
def test_what_will_not_get_better_is_told_at_once(
    engine: Callable[..., Remote], reply: Behaviour, said: str, hint: str
) -> None:
    with serving(reply) as server:
        with pytest.raises(RemoteError) as caught:
            engine(server.url).transcribe(WINDOW, "en")
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert "is kept" in caught.value.hint
    assert KEY not in str(caught.value)
    assert len(server.asked) == 1


def test_a_key_at_the_place_where_a_long_answer_is_cut_is_not_shown(engine: Callable[..., Remote]) -> None:
    with serving(saying(f"{'x' * 193} {KEY}", "text/plain", 418)) as server:
        with pytest.raises(RemoteError) as caught:
            engine(server.url).transcribe(WINDOW, "en")
    assert "xxx" in caught.value.message
    assert KEY[:3] not in caught.value.message


def test_an_answer_is_not_believed(engine: Callable[..., Remote]) -> None:
    segments = [
        {"start": -5, "end": 1e308, "text": "\x1b[31mred\x07 \u202etext\n twice", "avg_logprob": "high"},
        {"start": 2.0, "end": 1.0, "text": "later", "no_speech_prob": float("nan")},
        {"start": 0.5, "end": True, "text": "earlier", "words": [{"word": "other", "start": 0}]},
        {"start": None, "text": None},
        "no segment",
    ]
    answer = json.dumps({"text": "x", "segments": segments, "words": [7, {"word": "x", "start": "y"}]})
    with serving(saying(answer)) as server:
        pieces = engine(server.url).transcribe(WINDOW, "en")
    assert pieces == [Piece(0.0, 3.0, "red text twice"), Piece(2.0, 2.0, "later"), Piece(2.0, 3.0, "earlier")]


def test_nothing_understood_is_nothing(engine: Callable[..., Remote]) -> None:
    with serving(saying('{"text": " ", "segments": []}')) as server:
        assert engine(server.url).transcribe(WINDOW, "en") == []


def test_a_server_that_stays_away_is_given_up() -> None:
    endpoint = Endpoint("http://127.0.0.1:9", retries=Retries(attempts=3, first=0.01))
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1:9 does not answer: it cannot be reached, 3 times") as caught:
        endpoint.post("x", {}, ("a", b"", "audio/wav"), lambda _: None)
    assert "is kept" in caught.value.hint
    endpoint.close()


def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "ftp://127.0.0.1:9")
    with pytest.raises(UsageError, match="The proxy of the environment cannot be used"):
        Endpoint("https://speech.example.org/v1")


def test_a_pause_that_is_asked_for_is_kept() -> None:
    times: list[float] = []

    def busy(_: Asked, reply: Reply) -> None:
        times.append(time.monotonic())
        reply.error(429, "later", Retry_After="1")

    with serving(busy) as server:
        endpoint = Endpoint(server.url, retries=Retries(attempts=2, first=0.001))
        with pytest.raises(RemoteError, match="2 times in a row"):
            endpoint.post("x", {}, ("a", b"", "audio/wav"), lambda _: None)
        endpoint.close()
    assert times[1] - times[0] >= 1.0


def test_nobody_begins_anew_after_the_time_for_it() -> None:
    with serving(failing(500)) as server:
        endpoint = Endpoint(server.url, retries=Retries(first=0.01, begun=0.0))
        with pytest.raises(RemoteError, match=r"\(500\), once\."):
            endpoint.post("x", {}, ("a", b"", "audio/wav"), lambda _: None)
        endpoint.close()
    assert len(server.asked) == 1


def test_a_pause_may_be_asked_for_until_a_date() -> None:
    with serving(failing(503, Retry_After="Fri, 31 Dec 2999 23:59:59 GMT")) as server:
        endpoint = Endpoint(server.url)
        with pytest.raises(RemoteError, match="wants to be left alone"):
            endpoint.post("x", {}, ("a", b"", "audio/wav"), lambda _: None)
        endpoint.close()
    with serving(failing(503, Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"), plain) as server:
        endpoint = Endpoint(server.url, retries=Retries(first=0.01))
        assert isinstance(endpoint.post("x", {}, ("a", b"", "audio/wav"), lambda _: None), Answer)
        endpoint.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "http:///v1", "ftp://127.0.0.1/v1"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a server"):
        Remote("x", EngineOptions(url=url)).load()


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_one_is_told_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        Remote("x", EngineOptions(url="http://127.0.0.1:9", api_key=key)).load()
    assert key not in str(caught.value)


def test_without_an_address_it_does_not_load() -> None:
    with pytest.raises(ModelError, match="No server is set") as caught:
        Remote("x", EngineOptions()).load()
    assert "SOTTO_TRANSCRIPTION_URL" in caught.value.hint


def test_a_server_that_nobody_certified_gets_nothing() -> None:
    with serving(plain) as server:
        endpoint = Endpoint(server.url.replace("http:", "https:"), KEY, Retries(attempts=1))
        with pytest.raises(RemoteError):
            endpoint.post("x", {}, ("a", b"", "audio/wav"), lambda _: None)
        endpoint.close()
    assert server.asked == []


def test_errors_of_servers_are_errors_of_sotto() -> None:
    assert isinstance(SottoError.from_dict(RemoteError("m", "h").to_dict()), RemoteError)
