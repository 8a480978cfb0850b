"""An OpenAI-compatible speech server on loopback, which behaves or misbehaves as a test wants."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Json = dict[str, Any]

KEY = "sk-a-key-that-must-not-be-seen"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came in.

    Attributes:
        path: Where it was sent.
        headers: Its headers, by name in lower case.
        fields: The form without the file, each with all of its values.
        seconds: Length of the WAV file; 0 where there was none that is 16 kHz, mono and 16 bits.
    """

    path: str
    headers: dict[str, str]
    fields: dict[str, list[str]]
    seconds: float


class Reply:
    """What a behaviour answers with."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler

    def send(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", kind)
        self._handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def json(self, data: object, status: int = 200, **headers: str) -> None:
        self.send(status, json.dumps(data).encode(), **headers)

    def error(self, status: int, message: str, **headers: str) -> None:
        self.json({"error": {"message": message, "type": "invalid_request_error"}}, status, **headers)

    def break_off(self) -> None:
        """Promise an answer, send the beginning of one, and hang up."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        self._handler.wfile.write(head + b'{"te')
        self._handler.wfile.flush()
        self._handler.close_connection = True


Behaviour = Callable[[Asked, Reply], None]


def words(asked: Asked, reply: Reply) -> None:
    """As the best of them do: segments, and words without their punctuation beside them."""
    if asked.fields["response_format"] != ["verbose_json"]:
        reply.error(400, "this server speaks verbose_json only")
        return
    told = [
        ("Good", 0.1, 0.3),
        ("morning", 0.3, 0.6),
        ("everyone", 0.6, 1.0),
        ("Twenty", 1.2, 1.4),
        ("five", 1.4, 1.6),
        ("came", 1.6, 2.0),
    ]
    first = {"start": 0.1, "end": 1.0, "text": " Good morning, everyone.", "avg_logprob": -0.2, "no_speech_prob": 0.01}
    second = {"start": 1.2, "end": 2.0, "text": " Twenty-five came.", "avg_logprob": -0.3, "no_speech_prob": 0.02}
    reply.json(
        {
            "language": "english",
            "duration": asked.seconds,
            "text": "Good morning, everyone. Twenty-five came.",
            "segments": [first, second],
            "words": [{"word": word, "start": start, "end": end} for word, start, end in told],
        }
    )


def plain(asked: Asked, reply: Reply) -> None:
    """Only the text, whatever is asked for."""
    reply.json({"text": " Good morning, everyone."})


@dataclass
class SpeechServer:
    """A server at work.

    Attributes:
        asked: What has come in, in order.
        script: What it does with each request, one after another; the last one stays.
    """

    script: Sequence[Behaviour]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, asked: Asked, reply: Reply) -> None:
        number = len(self.asked)
        self.asked.append(asked)
        self.script[min(number, len(self.script) - 1)](asked, reply)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no fault of the server."""


@contextmanager
def serving(*script: Behaviour, port: int = 0) -> Iterator[SpeechServer]:
    """A server with this script, on this port (0: one that is free)."""
    server = SpeechServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])) if "Content-Length" in self.headers else b""
            server.answer(_parse(self.path, dict(self.headers), body), Reply(self))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Its words would stand between those of the tests."""

    http = _Quiet(("127.0.0.1", port), Handler)
    http.daemon_threads = True
    server.port = http.server_address[1]
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, name="speech server")
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _parse(path: str, headers: dict[str, str], body: bytes) -> Asked:
    lower = {name.lower(): value for name, value in headers.items()}
    message = message_from_bytes(b"Content-Type: " + lower.get("content-type", "").encode() + b"\r\n\r\n" + body)
    fields: dict[str, list[str]] = {}
    seconds = 0.0
    for part in message.get_payload() if message.is_multipart() else []:
        assert not isinstance(part, str)
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if name == "file":
            seconds = _seconds(content)
        else:
            fields.setdefault(name, []).append(content.decode())
    return Asked(path, lower, fields, seconds)


def _seconds(content: bytes) -> float:
    try:
        with wave.open(io.BytesIO(content)) as sound:
            if (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) != (16_000, 1, 2):
                return 0.0
            return len(sound.readframes(sound.getnframes())) / 2 / 16_000
    except (wave.Error, EOFError):
        return 0.0
