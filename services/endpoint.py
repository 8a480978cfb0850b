"""One server that is asked over HTTP: asked again when it fails for a while, and given up at any moment."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from services.errors import RemoteError, UsageError
from services.text import one_line

Form = Mapping[str, str | list[str]]
Heed = Callable[[str], None]
"""Is called a few times a second while a server is waited for, with what is waited for (empty while it is not worth
telling). What it raises ends the waiting."""

KEPT = "What was transcribed so far is kept; `sotto process` with the meeting's folder goes on from there."

_KEY_HINT = "Set `SOTTO_TRANSCRIPTION_API_KEY` anew."

_TIMES = httpx2.Timeout(connect=10.0, read=300.0, write=60.0, pool=10.0)
"""A server that is there takes a connection at once; without a graphics card it may think for minutes."""

_LONGEST_ATTEMPT = 600.0
"""Seconds for one attempt as a whole: an answer that comes byte by byte breaks no time-out of its own."""

_LARGEST_ANSWER = 4 << 20
"""In bytes. The words of half a minute with all that servers tell about them are 50 KB."""

_TICK = 0.25
_LONG_WAIT = 5.0
_FOR_A_WHILE = (408, 425, 429)
_FOR_EVER = (501, 505)
"""Of the statuses from 500 on those that stay as they are."""

_log = logging.getLogger("sotto.endpoint")


@dataclass(frozen=True, slots=True)
class Retries:
    """How long a server that fails is asked again. Times in seconds.

    Attributes:
        attempts: In all, the first included.
        first: The wait before the second attempt; each further one is twice as long, and shortened by up to a half at
            random, so that many who failed together do not come back together.
        longest: No such wait is longer.
        asked: A server that asks for a pause gets it when it is no longer than this.
        begun: No attempt begins later than so long after the first.
    """

    attempts: int = 10
    first: float = 0.5
    longest: float = 30.0
    asked: float = 300.0
    begun: float = 900.0

    def wait(self, attempt: int) -> float:
        """How long to wait after this attempt; the first is 0."""
        return min(self.longest, self.first * 2.0**attempt) * random.uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        status: The HTTP status.
        kind: The media type, lower case, without parameters.
        body: At most 4 MB.
        pause: Seconds that the server asks to be left alone; None where it does not.
        moved: Where it sends us, as it says.
    """

    status: int
    kind: str
    body: bytes
    pause: float | None = None
    moved: str = ""


class Endpoint:
    """A server and the key to it. Used by one thread at a time. Sends nothing until it is asked.

    Redirects are not followed: what is sent, and the key, are for this server alone. Proxies are those of the
    environment.

    Args:
        url: Base address.
        api_key: Goes along as a bearer token; empty for none. Never in an error or a log.
        retries: How long to go on when the server fails.

    Raises:
        UsageError: `url` is no address, `api_key` cannot be one, or the proxy of the environment cannot be used.
    """

    def __init__(self, url: str, api_key: str = "", retries: Retries = Retries()) -> None:  # noqa: B008 - frozen
        try:
            self._url = httpx2.URL(url)
        except httpx2.InvalidURL:
            self._url = httpx2.URL()
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise UsageError(f"{one_line(url)!r} is not the address of a server.", "Correct `transcription.url`.")
        self.host = one_line(self._url.netloc.decode("ascii", "replace"), 80)
        if not is_key(api_key):
            raise UsageError("The key of the server holds a blank or a character that no key has.", _KEY_HINT)
        self._key = api_key
        self._retries = retries
        self._what = ""
        headers = {"Accept": "application/json, text/plain;q=0.5", "Accept-Encoding": "identity", "User-Agent": "sotto"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._client = new_client(_TIMES, headers)
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def post(self, path: str, form: Form, file: tuple[str, bytes, str], heed: Heed) -> Answer:
        """Send a form with a file, again and again while that has a chance.

        Args:
            path: Below the base address.
            form: Fields; a list is sent as one field for each of its values.
            file: The field `file`: name, content, media type.
            heed: See `Heed`.

        Returns:
            The answer, also one that refuses: any status but those that are temporary.

        Raises:
            RemoteError: The server cannot be reached, or fails for good; the message says how.
            Whatever `heed` raises.
        """
        url = self._url.copy_with(path=f"{self._url.path.rstrip('/')}/{path}")
        return self._runner.run(self._attended(url, form, file, heed))

    def redact(self, text: str) -> str:
        """`text` of the server on one line, without the key."""
        return one_line(text.replace(self._key, "…") if self._key else text)

    async def _attended(self, url: httpx2.URL, form: Form, file: tuple[str, bytes, str], heed: Heed) -> Answer:
        """Ask in the background, and `heed` in front."""
        self._what, begun = "", time.monotonic()
        work = asyncio.create_task(self._persist(url, form, file))
        try:
            while not work.done():
                long = time.monotonic() - begun > _LONG_WAIT
                heed(self._what or (f"waiting for {self.host}" if long else ""))
                await asyncio.wait({work}, timeout=_TICK)
            return work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _persist(self, url: httpx2.URL, form: Form, file: tuple[str, bytes, str]) -> Answer:
        begun = time.monotonic()
        attempt = 0
        while True:
            pause: float | None = None
            try:
                answer = await self._attempt(url, form, file)
                if not may_pass(answer.status):
                    return answer
                reason, pause = _REASONS.get(answer.status, f"it failed ({answer.status})"), answer.pause
            except (httpx2.TransportError, TimeoutError) as error:
                reason = self._reason(error)
            attempt += 1
            wait = self._wait(attempt, reason, pause, begun)
            _log.warning("%s: %s; attempt %d follows in %.1f s", self.host, reason, attempt + 1, wait)
            self._what = f"waiting for {self.host}: {reason}"
            await asyncio.sleep(wait)

    async def _attempt(self, url: httpx2.URL, form: Form, file: tuple[str, bytes, str]) -> Answer:
        async with (
            asyncio.timeout(_LONGEST_ATTEMPT),
            self._client.stream("POST", url, data=form, files={"file": file}) as response,
        ):
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise RemoteError(f"{self.host} packed its answer, which it was asked not to do.", KEPT)
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > _LARGEST_ANSWER:
                    raise RemoteError(
                        f"{self.host} answered with more than {_LARGEST_ANSWER >> 20} MB: that is no transcript.",
                        f"Look whether `transcription.url` is the address of a speech server. {KEPT}",
                    )
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            moved = response.headers.get("location", "")
            return Answer(
                response.status_code, kind, bytes(body), pause_asked(response.headers.get("retry-after")), moved
            )

    def _wait(self, attempt: int, reason: str, pause: float | None, begun: float) -> float:
        """Seconds until the next attempt.

        Raises:
            RemoteError: There is no next one.
        """
        wait = max(self._retries.wait(attempt - 1), pause or 0.0)
        if pause is not None and pause > self._retries.asked:
            raise RemoteError(f"{self.host} wants to be left alone for {pause / 60:.0f} minutes: {reason}.", KEPT)
        if attempt >= self._retries.attempts or time.monotonic() - begun + wait > self._retries.begun:
            times = "once" if attempt == 1 else f"{attempt} times in a row"
            raise RemoteError(f"{self.host} does not answer: {reason}, {times}.", KEPT)
        return wait

    def _reason(self, error: httpx2.TransportError | TimeoutError) -> str:
        """What went wrong, in words.

        Raises:
            RemoteError: It will go wrong every time.
        """
        if why := untrusted(error):
            raise RemoteError(
                f"{self.host} cannot be trusted: {why}.", f"Look at the address and at its certificate. {KEPT}"
            ) from error
        if isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
            raise RemoteError(
                f"{self.host} cannot be asked: {self.redact(str(error))}.", "Correct `transcription.url`."
            ) from error
        return in_words(error)


_REASONS = {429: "it has no room for more at the moment (429)", 503: "it is not available at the moment (503)"}


def is_key(text: str) -> bool:
    """Whether it can go along as a bearer token, or is empty: visible characters of ASCII, as a header takes them."""
    return text.isascii() and text.isprintable() and " " not in text


def new_client(times: httpx2.Timeout, headers: Mapping[str, str]) -> httpx2.AsyncClient:
    """A client that follows no redirects and logs no addresses: they may hold names, passwords and signatures.

    Raises:
        UsageError: The proxy of the environment cannot be used.
    """
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        return httpx2.AsyncClient(timeout=times, headers=dict(headers), follow_redirects=False)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"The proxy of the environment cannot be used: {one_line(str(error))}.",
            "Look at HTTPS_PROXY and ALL_PROXY; http:// and https:// are understood.",
        ) from error


def may_pass(status: int) -> bool:
    """Whether a server that answers so may well serve the same request later."""
    return status in _FOR_A_WHILE or (status >= 500 and status not in _FOR_EVER)


def untrusted(error: BaseException) -> str:
    """Why the certificate of a server was not believed; empty where something else went wrong."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return one_line(cause.verify_message)
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return ""


def in_words(error: httpx2.TransportError | TimeoutError) -> str:
    """What went wrong with a connection and may go well the next time."""
    if isinstance(error, httpx2.ProxyError):
        return "the proxy refuses"
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return "it cannot be reached"
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return "it takes too long"
    return "the connection broke off"


def pause_asked(header: str | None) -> float | None:
    """Seconds in a `Retry-After`, which has them or a date (RFC 9110, 10.2.3); None where there is none."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header.strip()[:9])
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
