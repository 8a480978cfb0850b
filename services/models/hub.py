"""What a model hub says about the files of a repository at one commit."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from services.errors import DownloadError
from services.models.checksums import Heed, git_sha1_of, sha256_of
from services.models.entry import Hub
from services.models.fetch import Fetcher, shown
from services.models.part import Part

_PUBLIC = "https://huggingface.co"

_ANOTHER = "Set HF_ENDPOINT to another mirror, or unset it. If it is not set, look for a newer sotto."


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the hub describes it.

    Attributes:
        path: In its repository.
        url: Where it is.
        size: In bytes.
        sha256: 64 hex digits; empty for a small file.
        git_sha1: Of a small file, as git names its content; else empty.
    """

    path: str
    url: str
    size: int
    sha256: str = ""
    git_sha1: str = ""

    def matches(self, part: Part, heed: Heed) -> bool:
        """Whether what lies there is this file, whole.

        Raises:
            OSError: It cannot be read.
        """
        if not part.path.is_file() or part.path.stat().st_size != self.size:
            return False
        if self.sha256:
            return sha256_of(part.path, heed) == self.sha256
        return git_sha1_of(part.path, heed) == self.git_sha1


def endpoint() -> str:
    """The hub: HF_ENDPOINT, a mirror, or the public one. Without a stroke at its end."""
    return os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _PUBLIC


def token() -> str:
    """What opens repositories that are not for everybody: HF_TOKEN. Nobody needs one for the catalogue's models."""
    return os.environ.get("HF_TOKEN", "").strip()


def files_of(origin: Hub, fetcher: Fetcher) -> list[HubFile]:
    """The files that are to be fetched, the weights first.

    Raises:
        DownloadError: The hub does not help, or offers other weights than those that sotto knows.
        CancelledError
    """
    base = endpoint()
    answer = fetcher.read(f"{base}/api/models/{origin.repository}/tree/{origin.revision}?recursive=true")
    listed = _listed(answer)
    found = [
        _file(listed.get(path), f"{base}/{origin.repository}/resolve/{origin.revision}/{path}") for path in origin.files
    ]
    if origin.sha256 and found[0].sha256 != origin.sha256:
        raise DownloadError(
            f"{shown(base)} offers other weights for {origin.repository} than those that sotto knows.", _ANOTHER
        )
    return found


def _listed(answer: bytes) -> dict[str, dict[str, Any]]:
    try:
        entries = json.loads(answer)
        return {entry["path"]: entry for entry in entries if entry["type"] == "file"}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DownloadError(f"{shown(endpoint())} answered what no model hub answers.", _ANOTHER) from error


def _file(entry: dict[str, Any] | None, url: str) -> HubFile:
    """One line of the list. Of a large file git keeps a pointer only: its own sums are below `lfs`."""
    if entry is None:
        raise DownloadError(f"{shown(url)} is not there.", _ANOTHER)
    large = entry.get("lfs")
    described = large if isinstance(large, dict) else entry
    size, sum_ = described.get("size"), described.get("oid")
    digits = 64 if described is large else 40
    if (
        type(size) is not int
        or size < 0
        or not isinstance(sum_, str)
        or not re.fullmatch(f"[0-9a-f]{{{digits}}}", sum_)
    ):
        raise DownloadError(
            f"{shown(endpoint())} does not say how long {shown(url)} is, or what its checksum is.", _ANOTHER
        )
    return HubFile(str(entry["path"]), url, size, **{"sha256" if digits == 64 else "git_sha1": sum_})
