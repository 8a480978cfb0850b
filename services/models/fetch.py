"""Files of any size over HTTP: each goes on where it broke off, and is what it was when it began."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx2

from services import __version__
from services.endpoint import Retries, in_words, is_key, may_pass, new_client, pause_asked, untrusted
from services.errors import CancelledError, DownloadError, UsageError
from services.models.part import Part
from services.text import one_line

Tell = Callable[[int, int], None]
"""Is called with how many bytes of the file are here, less than before when it had to begin anew, and how many it has:
for the first time before any of them is written. What it raises ends the work."""

KEPT = "What has arrived is kept: the same command goes on from there."

PATIENT = Retries(attempts=6, first=1.0, longest=30.0, asked=120.0)
"""Attempts without any progress, in a row."""

_TIMES = httpx2.Timeout(connect=15.0, read=60.0, write=30.0, pool=15.0)
_TICK = 0.25
_MOST_REDIRECTS = 5
_LARGEST_LIST = 4 << 20
"""In bytes. The list of a repository's files takes some hundred bytes for each."""

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)


class _AgainError(Exception):
    """This attempt failed; the next one may not."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause = pause


class Fetcher:
    """Gets files. Owned by one thread; every wait ends when `cancel` is set. Proxies are those of the environment.

    Args:
        cancel: Ends whatever is going on.
        token: Opens repositories that are not for everybody; empty for none. Never in an error or a log.
        token_base: The only server that is shown `token`: its address as far as scheme, host and port.
        retries: How long to go on when a server fails.

    Raises:
        UsageError: `token` cannot be one, or the proxy of the environment cannot be used.
    """

    def __init__(
        self, cancel: threading.Event, token: str = "", token_base: str = "", retries: Retries = PATIENT
    ) -> None:
        if not is_key(token):
            raise UsageError("HF_TOKEN holds a blank or a character that no token has.", "Set it anew, or unset it.")
        self._cancel = cancel
        self._token = token
        self._token_base = token_base
        self._retries = retries
        self._reached = False
        headers = {"Accept-Encoding": "identity", "User-Agent": f"sotto/{__version__}"}
        self._client = new_client(_TIMES, headers)
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def read(self, url: str) -> bytes:
        """A small answer, whole.

        Raises:
            DownloadError: The server cannot be reached, has no such thing, or answers with more than 4 MB.
            CancelledError
        """
        return self._runner.run(self._attended(self._persist(url, lambda: self._read(url), None)))

    def save(self, url: str, part: Part, size: int | None, tell: Tell) -> None:
        """Fetch what is missing of a file, and give it its name. Its checksum is the caller's to look at.

        Args:
            url: Where it is.
            part: Where it goes, and what is there of it already.
            size: In bytes; None where only the server knows.
            tell: Hears of the progress.

        Raises:
            DownloadError: The server cannot be reached, has no such file, or says wrong things about its length.
            StorageError: The disk refuses.
            CancelledError: What has arrived stays.
        """
        self._runner.run(self._attended(self._persist(url, lambda: self._save(url, part, size, tell), part)))
        part.finish()

    async def _attended(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Do it in the background, with an eye on `cancel`."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                if self._cancel.is_set():
                    raise CancelledError("The download was cancelled.", KEPT)
                await asyncio.wait({task}, timeout=_TICK)
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _persist(
        self, url: str, attempt: Callable[[], Coroutine[Any, Any, _Result]], part: Part | None
    ) -> _Result:
        failed, furthest = 0, part.size if part else 0
        while True:
            try:
                return await attempt()
            except _AgainError as error:
                trouble = error
            except (httpx2.TransportError, TimeoutError) as error:
                trouble = _AgainError(self._reason(url, error))
            if part and part.size > furthest:
                failed, furthest = 0, part.size
            failed += 1
            wait = max(self._retries.wait(failed - 1), trouble.pause or 0.0)
            if failed >= self._retries.attempts or (trouble.pause or 0.0) > self._retries.asked:
                raise DownloadError(f"{_host(url)} does not help: {trouble.reason}, {failed} times in a row.", KEPT)
            _log.warning("%s: %s; attempt %d follows in %.1f s", _host(url), trouble.reason, failed + 1, wait)
            await asyncio.sleep(wait)

    async def _read(self, url: str) -> bytes:
        async with self._opened(url, {}) as response:
            if response.status_code != 200:
                _refused(url, response)
            body = bytearray()
            async for block in response.aiter_raw():
                body += block
                if len(body) > _LARGEST_LIST:
                    raise DownloadError(f"{_host(url)} answered with more than anybody asked for.")
            return bytes(body)

    async def _save(self, url: str, part: Part, size: int | None, tell: Tell) -> None:
        offset = part.size
        if offset and offset == size:
            return
        headers = {"Range": f"bytes={offset}-", "If-Range": part.version} if offset else {}
        async with self._opened(url, headers) as response:
            version = response.headers.get("etag", "")
            match response.status_code:
                case 200:
                    offset = 0  # it never heard of ranges, or has another version now
                case 206 if offset and _range(response)[0] == offset and version in ("", part.version):
                    pass
                case 416 if response.headers.get("content-range", "") == f"bytes */{offset}":
                    return  # all of it is here
                case 206 | 416:
                    part.drop()
                    raise _AgainError("it sends other bytes than it was asked for")
                case _:
                    _refused(url, response)
            whole = _promised(url, response, offset, size)
            tell(offset, whole)
            # A weak tag names what is as good as the same, which is not enough to glue two halves together.
            with part.open(offset, "" if version.startswith("W/") else version) as file:
                async for block in response.aiter_raw():
                    if offset + len(block) > whole:
                        raise DownloadError(f"{_host(url)} sends more than the {whole:,} bytes that it promised.")
                    file.write(block)
                    offset += len(block)
                    tell(offset, whole)
            if offset < whole:
                raise _AgainError("the connection broke off")

    @asynccontextmanager
    async def _opened(self, url: str, headers: dict[str, str]) -> AsyncIterator[httpx2.Response]:
        """The answer to a request, after all redirects. Nothing that is asked for safely is fetched unsafely."""
        there = _address(url)
        for _ in range(_MOST_REDIRECTS + 1):
            request = self._client.build_request("GET", there, headers=headers | self._authorization(there))
            response = await self._client.send(request, stream=True)
            self._reached = True
            try:
                if not response.has_redirect_location:
                    yield response
                    return
                onward = there.join(_address(response.headers["location"]))
            finally:
                await response.aclose()
            if onward.scheme != "https" and (there.scheme == "https" or onward.scheme != "http"):
                raise DownloadError(f"{_host(url)} sends us to an address that is not safe ({onward.scheme}).")
            there = onward
        raise DownloadError(f"{_host(url)} sends us from one address to the next.")

    def _authorization(self, url: httpx2.URL) -> dict[str, str]:
        """The token, for its own server alone, and never over an open line to another machine."""
        base = _address(self._token_base) if self._token else None
        if base is None or (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
            return {}
        if url.scheme != "https" and url.host not in ("127.0.0.1", "::1", "localhost"):
            return {}
        return {"Authorization": f"Bearer {self._token}"}

    def _reason(self, url: str, error: httpx2.TransportError | TimeoutError) -> str:
        """What went wrong, in words.

        Raises:
            DownloadError: It will go wrong every time.
        """
        if why := untrusted(error):
            raise DownloadError(
                f"{_host(url)} cannot be trusted: {why}.", "Look at the clock of this machine, and at the network."
            ) from error
        if isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
            raise DownloadError(f"{_host(url)} cannot be asked: {one_line(str(error))}.") from error
        if isinstance(error, httpx2.ConnectError) and not self._reached:
            raise DownloadError(
                f"{_host(url)} cannot be reached.",
                "Look whether this machine is online. A model can also be copied here and given by its path.",
            ) from error
        return in_words(error)


def _address(url: str) -> httpx2.URL:
    try:
        return httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise DownloadError(f"{one_line(url)!r} is not an address.") from error


def shown(url: str) -> str:
    """An address as a person may see it: a mirror's may hold a name and a password.

    Raises:
        DownloadError: It is none.
    """
    return one_line(str(_address(url).copy_with(userinfo=b"")))


def _host(url: str) -> str:
    """What a person calls the server: no path, no name and password."""
    there = _address(url)
    return one_line(there.netloc.decode("ascii", "replace").rpartition("@")[2], 80) or one_line(url, 80)


def _refused(url: str, response: httpx2.Response) -> None:
    """The error for an answer that is no file.

    Raises:
        DownloadError: It is final.
        _AgainError: It may pass.
    """
    status, host = response.status_code, _host(url)
    if may_pass(status):
        raise _AgainError(f"it has no time for us ({status})", pause_asked(response.headers.get("retry-after")))
    if status in (401, 403):
        raise DownloadError(
            f"{host} does not hand it out to everybody ({status}).", "Set HF_TOKEN to a token of an account that may."
        )
    if status in (404, 410):
        raise DownloadError(
            f"{host} has it no longer ({status}).", "Look for a newer sotto, or give a model by its path."
        )
    raise DownloadError(f"{host} refuses ({status}).")


def _promised(url: str, response: httpx2.Response, offset: int, size: int | None) -> int:
    """How many bytes the whole file has, by the answer.

    Raises:
        DownloadError: The answer does not say, or says another length than `size`.
    """
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise DownloadError(f"{_host(url)} packed the file, which it was asked not to do.")
    total = _range(response)[1] if response.status_code == 206 else 0
    length = response.headers.get("content-length", "")
    whole = total or (offset + int(length) if length.isdecimal() else size)
    if whole is None:
        raise DownloadError(f"{_host(url)} does not say how long the file is.")
    if size is not None and whole != size:
        raise DownloadError(f"{_host(url)} says that the file has {whole:,} bytes. It should have {size:,}.")
    return whole


def _range(response: httpx2.Response) -> tuple[int, int]:
    """Where a part of a file begins, -1 where the answer does not say; and the length of the whole, 0 likewise."""
    found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("content-range", "").strip())
    return (int(found[1]), int(found[2]) if found[2] != "*" else 0) if found else (-1, 0)
