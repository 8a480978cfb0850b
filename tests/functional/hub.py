"""A model hub on loopback: a real HTTP server that serves real files as a hub does, and fails as hubs do."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REVISION = "0123456789abcdef0123456789abcdef01234567"

_LARGE = 10_000
"""Files from this many bytes on are described by their SHA-256, smaller ones as git does."""


@dataclass
class Faults:
    """What goes wrong. Each can be changed while the hub is at work.

    Attributes:
        breaks_after: A connection ends after so many bytes of a file.
        breaks: How many connections do.
        statuses: What the next requests for a file are answered with, one after another.
        retry_after: Goes along with these.
        extra_length: So many bytes more are promised than there are.
        listed_extra: The list says that files are so many bytes longer than they are.
        corrupt: Files arrive with another first byte.
        no_ranges: Requests for a part get the whole.
        no_length: Nothing says how long a file is.
        no_version: Nothing names the version of a file.
        wrong_range: A part begins one byte after the one that was asked for.
        stalls: A file's second half is not sent before `go_on` is set.
    """

    breaks_after: int = 0
    breaks: int = 0
    statuses: list[int] = field(default_factory=list)
    retry_after: str = ""
    extra_length: int = 0
    listed_extra: int = 0
    corrupt: bool = False
    no_ranges: bool = False
    no_length: bool = False
    no_version: bool = False
    wrong_range: bool = False
    stalls: bool = False
    go_on: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Request:
    """What somebody asked for.

    Attributes:
        path: With its query.
        range: The header; empty where the whole was asked for.
        authorization: Likewise.
        stored: It reached the store behind the hub, where the files are.
    """

    path: str
    range: str
    authorization: str
    stored: bool


class ModelHub:
    """The stand-in: `url` is the hub, which sends those who ask for a file on to a store at another port.

    Attributes:
        files: Its content: `OWNER/NAME` to path to content; below `archives` by name alone.
        versions: What the entity tag of a path is made of, beside its content.
        faults: What goes wrong.
        requests: What was asked for, in order.
        redirect: Where files are said to be; None for the store.
        listing: What the API answers; None for the truth.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.versions: dict[str, str] = {}
        self.faults = Faults()
        self.requests: list[Request] = []
        self.redirect: str | None = None
        self.listing: bytes | None = None
        self._servers = [_server(self, stored) for stored in (False, True)]
        self.url, self.store = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)

    def close(self) -> None:
        self.faults.go_on.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def ranges(self) -> list[str]:
        """Which parts of files were asked for, in order; empty for a whole one."""
        return [each.range for each in self.requests if each.stored or each.path.startswith("/archives/")]

    def content(self, path: str) -> tuple[bytes, str] | None:
        """What lies at a path of the store, and the tag of its version."""
        parts = path.strip("/").split("/")
        if parts[0] == "archives":
            content = self.files.get("archives", {}).get(parts[1])
        else:
            content = self.files.get("/".join(parts[:2]), {}).get("/".join(parts[4:]))
        if content is None:
            return None
        tag = hashlib.sha256(content + self.versions.get(path, "").encode()).hexdigest()[:16]
        return content, f'"{tag}"'

    def listed(self, repository: str) -> list[dict[str, Any]] | None:
        """A repository's files as the hub's API lists them."""
        if repository not in self.files:
            return None
        listed: list[dict[str, Any]] = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "more"}]
        for path, content in self.files[repository].items():
            size = len(content) + self.faults.listed_extra
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, Any] = {"type": "file", "oid": blob, "size": size, "path": path}
            if len(content) >= _LARGE:
                # Of a large file git has a pointer, whose own sum nobody needs.
                entry |= {"oid": "f" * 40, "lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": size}}
            listed.append(entry)
        return listed


@contextmanager
def model_hub() -> Iterator[ModelHub]:
    """A hub that ends with the block."""
    hub = ModelHub()
    try:
        yield hub
    finally:
        hub.close()


def _server(hub: ModelHub, stored: bool) -> ThreadingHTTPServer:
    class Handler(_Handler):
        owner = hub
        is_store = stored

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    owner: ModelHub
    is_store: bool
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has there
        pass

    def do_GET(self) -> None:
        hub = self.owner
        range_, authorization = (self.headers.get(name, "") for name in ("Range", "Authorization"))
        hub.requests.append(Request(self.path, range_, authorization, self.is_store))
        if found := re.fullmatch(r"/api/models/(.+?)/tree/([^?]+)(\?.*)?", self.path):
            self._list(found[1], found[2])
        elif self.is_store or self.path.startswith("/archives/"):
            self._serve_file()
        else:
            there = hub.redirect if hub.redirect is not None else f"{hub.store}{self.path}"
            self._answer(302, b"", {"Location": there, "X-Linked-Size": "1"})

    def _list(self, repository: str, revision: str) -> None:
        listed = self.owner.listed(repository) if revision == REVISION else None
        if self.owner.listing is not None:
            self._answer(200, self.owner.listing)
        elif listed is None:
            self._answer(404, b'{"error":"Repository not found"}')
        else:
            self._answer(200, json.dumps(listed).encode())

    def _serve_file(self) -> None:
        faults = self.owner.faults
        found = self.owner.content(self.path)
        if faults.statuses:
            status = faults.statuses.pop(0)
            self._answer(status, b"no", {"Retry-After": faults.retry_after} if faults.retry_after else {})
            return
        if found is None:
            self._answer(404, b"Entry not found")
            return
        content, tag = found
        if faults.corrupt:
            content = bytes([content[0] ^ 1]) + content[1:]
        headers = {} if faults.no_version else {"ETag": tag}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(asked[1]) if asked and not faults.no_ranges and self.headers.get("If-Range") in (None, tag) else 0
        if begin and begin >= len(content):
            self._answer(416, b"", headers | {"Content-Range": f"bytes */{len(content)}"})
            return
        if begin:
            begin += int(faults.wrong_range)
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self._send_slowly(206 if begin else 200, content[begin:], headers)

    def _send_slowly(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        """Send a file, or as much of it as the faults let through."""
        faults = self.owner.faults
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if faults.no_length:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(content) + faults.extra_length))
        self.end_headers()
        if faults.breaks > 0 and faults.breaks_after < len(content):
            faults.breaks -= 1
            self.close_connection = True
            content = content[: faults.breaks_after]
        try:
            if faults.stalls:
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                faults.go_on.wait(60)
                content = content[len(content) // 2 :]
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # nobody listens any more
        if faults.extra_length:
            self.close_connection = True

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
