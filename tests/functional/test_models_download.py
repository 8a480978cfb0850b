"""Models from a hub: whole and as they should be, or not there at all."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.endpoint import Retries
from services.errors import CancelledError, DownloadError, ModelError, StorageError, UsageError
from services.events import Progress
from services.models import manifest
from services.models.download import pull
from services.models.entry import Hub, ModelEntry
from services.models.store import folder_of, held, is_installed, part_of, remove, size_of
from tests.functional.hub import REVISION, ModelHub, model_hub
from tests.functional.waiting import until

REPOSITORY = "somebody/some-model"
WEIGHTS = random.Random(1).randbytes(300_000)
FILES = {"model.bin": WEIGHTS, "config.json": b'{"layers": 4}\n', "vocabulary.txt": b"yes\nno\n"}
SOON = Retries(attempts=4, first=0.001, longest=0.002, asked=1.0)


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    for name in ("HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with model_hub() as hub:
        hub.files[REPOSITORY] = dict(FILES)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def from_hub(name: str = "tiny", sha256: str = "") -> ModelEntry:
    return ModelEntry(name, Hub(REPOSITORY, REVISION, tuple(FILES), sha256), size_mb=1)


def fetch(model: ModelEntry, show: Callable[[Progress], None] = lambda _: None) -> Path:
    pull("engine", model, threading.Event(), show, SOON)
    return folder_of("engine", model.name)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def nothing_else_lies_there(home: Path, *wanted: Path) -> bool:
    lying = {path for path in (home / "data" / "models").rglob("*") if path.is_file()}
    return all(any(path.is_relative_to(folder) for folder in wanted) for path in lying)


def refused(model: ModelEntry, kind: type[Exception] = DownloadError) -> DownloadError:
    """Try to fetch a model that cannot be had: it must not look as if it were there."""
    with pytest.raises(kind) as caught:
        fetch(model)
    assert not is_installed("engine", model.name)
    assert not folder_of("engine", model.name).exists()
    assert isinstance(caught.value, DownloadError | StorageError | ModelError)
    return caught.value  # type: ignore[return-value]


def test_a_model_of_the_hub_is_there_as_it_is_there(hub: ModelHub, home: Path) -> None:
    seen: list[Progress] = []
    folder = fetch(from_hub(sha256=hashlib.sha256(WEIGHTS).hexdigest()), seen.append)
    there = contents(folder)
    described = json.loads(there.pop("model.json"))
    assert there == FILES
    assert {each["path"]: each["sha256"] for each in described["files"]} == {
        path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()
    }
    assert described["origin"]["revision"] == REVISION
    assert nothing_else_lies_there(home, folder)
    assert all(path.stat().st_mode & 0o077 == 0 for path in [folder.parent, folder, *folder.rglob("*")])
    fetching = [p for p in seen if p.what.startswith("Fetching")]
    assert [p.done for p in fetching] == sorted(p.done for p in fetching)
    assert fetching[-1].done == fetching[-1].total == sum(map(len, FILES.values()))


def test_a_model_that_is_here_is_not_fetched_again(hub: ModelHub, home: Path) -> None:
    assert pull("engine", from_hub(), threading.Event(), lambda _: None, SOON)
    asked = len(hub.requests)
    assert not pull("engine", from_hub(), threading.Event(), lambda _: None, SOON)
    assert len(hub.requests) == asked


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(breaks_after=st.integers(1, len(WEIGHTS) - 1), breaks=st.integers(1, 3))
def test_it_goes_on_where_the_line_broke(hub: ModelHub, home: Path, breaks_after: int, breaks: int) -> None:
    """Feature: models, Property 1: wherever the line breaks, it goes on there and the file is whole."""
    hub.requests.clear()
    hub.faults.breaks_after, hub.faults.breaks = breaks_after, breaks
    folder = fetch(from_hub())
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    broken = min(breaks, -(-len(WEIGHTS) // breaks_after) - 1)
    asked = [request.range for request in hub.requests if request.stored and request.path.endswith("model.bin")]
    # What was in the buffers of a connection that broke may be lost: it is asked for again, and nothing before it.
    starts = [int(range_.removeprefix("bytes=").rstrip("-") or 0) for range_ in asked]
    assert len(starts) <= broken + 1
    assert starts == sorted(starts)
    remove("engine", "tiny")
    hub.faults.breaks = 0


def test_a_download_that_was_broken_off_is_gone_on_with_by_the_next_one(hub: ModelHub, home: Path) -> None:
    cancel = threading.Event()

    def show(progress: Progress) -> None:
        if progress.done >= 50_000:
            cancel.set()

    with pytest.raises(CancelledError):
        pull("engine", from_hub(), cancel, show, SOON)
    part = part_of("engine", "tiny")
    assert not folder_of("engine", "tiny").exists()
    assert part.is_dir()
    arrived = size_of(part)
    assert arrived > 0
    hub.requests.clear()
    assert contents(fetch(from_hub()))["model.bin"] == WEIGHTS
    (first, *_) = [each for each in hub.ranges() if each]
    assert 0 < int(first.removeprefix("bytes=").rstrip("-")) <= arrived
    assert not part.exists()


def test_two_versions_are_never_glued_together(hub: ModelHub, home: Path) -> None:
    hub.faults.breaks_after, hub.faults.breaks = 100_000, 1
    path = f"/{REPOSITORY}/resolve/{REVISION}/model.bin"

    def show(progress: Progress) -> None:
        if progress.done >= 100_000:
            hub.versions[path] = "changed meanwhile"

    assert contents(fetch(from_hub(), show))["model.bin"] == WEIGHTS
    assert [each for each in hub.ranges() if each] == ["bytes=100000-"]
    served = [request for request in hub.requests if request.stored and request.path == path]
    assert len(served) == 2  # the second answer was the whole file, from its beginning


@pytest.mark.parametrize("fault", ["no_ranges", "no_version", "wrong_range"])
def test_a_server_that_cannot_go_on_sends_all_of_it_again(hub: ModelHub, home: Path, fault: str) -> None:
    hub.faults.breaks_after, hub.faults.breaks = 100_000, 1
    setattr(hub.faults, fault, True)
    assert contents(fetch(from_hub()))["model.bin"] == WEIGHTS


def test_a_server_that_always_breaks_at_the_same_place_is_given_up(hub: ModelHub, home: Path) -> None:
    hub.faults.breaks_after, hub.faults.breaks, hub.faults.no_ranges = 100_000, 1000, True
    error = refused(from_hub())
    assert "4 times in a row" in error.message
    assert "kept" in error.hint
    assert len([request for request in hub.requests if request.path.endswith("model.bin") and request.stored]) == 4


def test_a_server_that_has_no_time_is_asked_again(hub: ModelHub, home: Path) -> None:
    hub.faults.statuses = [503, 429, 500]
    assert contents(fetch(from_hub()))["model.bin"] == WEIGHTS


def test_a_server_that_never_has_time_is_given_up_and_one_that_wants_hours_at_once(hub: ModelHub, home: Path) -> None:
    hub.faults.statuses = [503] * 4
    assert "503" in refused(from_hub()).message
    hub.faults.statuses, hub.faults.retry_after = [429, 429], "7200"
    assert "429" in refused(from_hub()).message
    assert hub.faults.statuses == [429]


@pytest.mark.parametrize(("status", "words"), [(404, "no longer"), (403, "HF_TOKEN"), (418, "refuses")])
def test_what_is_not_to_be_had_is_told_at_once(hub: ModelHub, home: Path, status: int, words: str) -> None:
    hub.faults.statuses = [status]
    error = refused(from_hub())
    assert words in f"{error.message} {error.hint}"
    assert hub.faults.statuses == []


def test_a_revision_that_is_gone_is_told(hub: ModelHub, home: Path) -> None:
    gone = ModelEntry("tiny", Hub(REPOSITORY, "f" * 40, tuple(FILES)))
    assert "404" in refused(gone).message


def test_a_file_that_is_not_listed_is_told(hub: ModelHub, home: Path) -> None:
    del hub.files[REPOSITORY]["vocabulary.txt"]
    assert "vocabulary.txt is not there" in refused(from_hub()).message


def test_what_arrives_damaged_is_deleted_and_told(hub: ModelHub, home: Path) -> None:
    hub.faults.corrupt = True
    error = refused(from_hub())
    assert "checksum" in error.message
    hub.faults.corrupt = False
    assert contents(fetch(from_hub()))["model.bin"] == WEIGHTS


def test_other_weights_than_the_known_ones_are_not_even_fetched(hub: ModelHub, home: Path) -> None:
    error = refused(from_hub(sha256="0" * 64))
    assert "other weights" in error.message
    assert hub.ranges() == []


def test_a_promised_length_that_is_wrong_is_told(hub: ModelHub, home: Path) -> None:
    hub.faults.extra_length = 1
    assert "300,001 bytes" in refused(from_hub()).message


def test_a_list_that_says_another_length_is_not_believed(hub: ModelHub, home: Path) -> None:
    hub.faults.listed_extra = 5
    assert "300,005" in refused(from_hub()).message


def test_a_file_without_a_length_is_taken_as_long_as_the_list_says(hub: ModelHub, home: Path) -> None:
    hub.faults.no_length = True
    assert contents(fetch(from_hub()))["model.bin"] == WEIGHTS


def test_what_does_not_fit_on_the_disk_is_not_begun(hub: ModelHub, home: Path) -> None:
    hub.faults.listed_extra = 10**16
    error = refused(from_hub(), StorageError)
    assert "MB left" in error.message
    assert hub.ranges() == []


def test_nobody_there_is_told_at_once(hub: ModelHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    error = refused(from_hub())
    assert "127.0.0.1:9 cannot be reached" in error.message
    assert "online" in error.hint


@pytest.mark.parametrize("address", ["no address", "http://", "ftp://example.org", "http://[::1"])
def test_a_mirror_that_is_none_is_told(
    hub: ModelHub, home: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    refused(from_hub())


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b'{"error": 1}',
        b"[1]",
        b"[" * 100_000,
        b'[{"path": "model.bin", "type": "file"}]',
        b" " * (5 << 20),
    ],
    ids=["a page", "nothing", "an error", "numbers", "brackets", "no sums", "too much"],
)
def test_what_is_no_hub_is_told(hub: ModelHub, home: Path, answer: bytes) -> None:
    hub.listing = answer
    refused(from_hub())
    assert hub.ranges() == []


@pytest.mark.parametrize("listing", [b"<html>", b"[]", b'[{"path": "model.bin", "type": "file"}]'])
def test_the_password_of_a_mirror_is_told_to_nobody(
    hub: ModelHub, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, listing: bytes
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("://", "://somebody:password@"))
    hub.listing = listing
    with caplog.at_level("DEBUG"):
        error = refused(from_hub())
    assert "127.0.0.1" in error.message
    assert "password" not in f"{error} {error.hint} {caplog.text}"


def test_a_redirect_is_not_followed_to_where_it_is_not_safe(hub: ModelHub, home: Path) -> None:
    hub.redirect = "ftp://127.0.0.1/model.bin"
    assert "not safe (ftp)" in refused(from_hub()).message
    hub.redirect = f"{hub.url}/{REPOSITORY}/resolve/{REVISION}/model.bin"
    assert "from one address to the next" in refused(from_hub()).message


def test_the_token_is_shown_to_the_hub_alone(
    hub: ModelHub, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with caplog.at_level("DEBUG"):
        fetch(from_hub())
    assert {request.authorization for request in hub.requests if not request.stored} == {"Bearer hf_secret"}
    assert {request.authorization for request in hub.requests if request.stored} == {""}
    assert "hf_secret" not in caplog.text


@pytest.mark.parametrize("token", ["hf_one\nhf_two", "hf_one hf_two", "hf_schlüssel"])
def test_a_token_that_cannot_be_one_is_told_and_not_shown(
    hub: ModelHub, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with caplog.at_level("DEBUG"), pytest.raises(UsageError, match="HF_TOKEN holds") as caught:
        fetch(from_hub())
    assert "hf_" not in f"{caught.value} {caught.value.hint} {caplog.text}"
    assert hub.requests == []


def test_a_cancel_ends_a_download_that_stalls(hub: ModelHub, home: Path) -> None:
    hub.faults.stalls = True
    cancel, halfway = threading.Event(), threading.Event()
    ended: list[Exception] = []

    def show(progress: Progress) -> None:
        if progress.done >= len(WEIGHTS) // 2:
            halfway.set()

    def run() -> None:
        try:
            pull("engine", from_hub(), cancel, show, SOON)
        except CancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert halfway.wait(60)
    with pytest.raises(ModelError, match="Another sotto is at work on engine:tiny"):
        fetch(from_hub())
    with pytest.raises(ModelError, match="Another sotto"):
        remove("engine", "tiny")
    cancel.set()
    until(lambda: bool(ended))
    thread.join()
    hub.faults.go_on.set()
    hub.faults.stalls = False
    assert contents(fetch(from_hub()))["model.bin"] == WEIGHTS


def test_a_damaged_model_is_mended_by_fetching_what_is_damaged(hub: ModelHub, home: Path) -> None:
    folder = fetch(from_hub())
    (folder / "config.json").write_bytes(b"{}")
    (folder / "vocabulary.txt").unlink()
    (folder / "stranger.txt").write_text("was never a part of it")
    assert dict(manifest.faults(folder, lambda _: None)) == {
        "config.json": "has 2 bytes instead of 14",
        "vocabulary.txt": "is missing",
    }
    hub.requests.clear()
    assert fetch(from_hub()) == folder
    assert {request.path.rpartition("/")[2] for request in hub.requests if request.stored} == {
        "config.json",
        "vocabulary.txt",
    }
    assert list(manifest.faults(folder, lambda _: None)) == []
    assert sorted(contents(folder)) == [*sorted([*FILES, "model.json"])]


def test_one_changed_byte_is_found(hub: ModelHub, home: Path) -> None:
    folder = fetch(from_hub())
    (folder / "model.bin").write_bytes(WEIGHTS[:-1] + bytes([WEIGHTS[-1] ^ 1]))
    assert [name for name, _ in manifest.faults(folder, lambda _: None)] == ["model.bin"]
    (folder / "model.json").write_text("{")
    assert list(manifest.faults(folder, lambda _: None)) == [("model.json", "cannot be read")]


def test_removing_says_what_came_free_and_leaves_nothing(hub: ModelHub, home: Path) -> None:
    folder = fetch(from_hub())
    size = size_of(folder)
    part = part_of("engine", "tiny")
    part.mkdir()
    (part / "rest").write_bytes(b"1234567")
    assert remove("engine", "tiny") == size + 7
    assert list((home / "data" / "models").iterdir()) == []
    assert remove("engine", "tiny") == 0


def test_a_model_that_is_kept_elsewhere_is_not_deleted_there(hub: ModelHub, home: Path, tmp_path: Path) -> None:
    folder = fetch(from_hub())
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert is_installed("engine", "tiny")
    assert remove("engine", "tiny") == 0
    assert not folder.exists()
    assert (elsewhere / "model.bin").read_bytes() == WEIGHTS


def test_a_link_that_leads_nowhere_is_in_nobodys_way(hub: ModelHub, home: Path, tmp_path: Path) -> None:
    folder = folder_of("engine", "tiny")
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path / "a disk that is not mounted")
    assert contents(fetch(from_hub()))["model.bin"] == WEIGHTS
    assert not part_of("engine", "tiny").exists()


def test_two_at_once_do_not_get_in_each_others_way(hub: ModelHub, home: Path) -> None:
    with held("engine", "tiny"):
        refused(from_hub(), ModelError)
        assert contents(fetch(from_hub("base")))["model.bin"] == WEIGHTS
