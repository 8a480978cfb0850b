"""Models from an archive: whole and as they should be, or not there at all."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

from services.models.entry import Archive, ModelEntry
from tests.functional.hub import ModelHub
from tests.functional.test_models_download import WEIGHTS, contents, fetch, nothing_else_lies_there, refused
from tests.functional.test_models_download import hub as hub

ARCHIVED = {"am/final.mdl": WEIGHTS, "conf/model.conf": b"--beam=10\n", "README": b"read\n"}


def zipped(files: dict[str, bytes], top: str = "vosk-model-small-xx-0.1") -> bytes:
    """An archive as those of Vosk: one folder, packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{top}/", b"")
        for path, content in files.items():
            archive.writestr(f"{top}/{path}", content)
    return buffer.getvalue()


def from_archive(hub: ModelHub, content: bytes, sha256: str | None = None) -> ModelEntry:
    hub.files["archives"] = {"small-xx.zip": content}
    sum_ = hashlib.sha256(content).hexdigest() if sha256 is None else sha256
    return ModelEntry("small-xx", Archive(f"{hub.url}/archives/small-xx.zip", sum_), size_mb=1)


def test_an_archive_is_unpacked_without_its_folder(hub: ModelHub, home: Path) -> None:
    folder = fetch(from_archive(hub, zipped(ARCHIVED)))
    there = contents(folder)
    del there["model.json"]
    assert there == ARCHIVED
    assert nothing_else_lies_there(home, folder)
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*") if path.is_file())


def test_an_archive_goes_on_where_it_broke(hub: ModelHub, home: Path) -> None:
    hub.faults.breaks_after, hub.faults.breaks = 70_000, 2
    folder = fetch(from_archive(hub, zipped(ARCHIVED)))
    assert (folder / "am" / "final.mdl").read_bytes() == WEIGHTS
    assert len([each for each in hub.ranges() if each]) == 2


def test_an_archive_with_another_checksum_is_deleted_unopened(hub: ModelHub, home: Path) -> None:
    model = from_archive(hub, zipped(ARCHIVED), "1" * 64)
    assert "checksum" in refused(model).message
    assert nothing_else_lies_there(home)


def test_an_archive_of_which_nobody_knows_a_checksum_is_taken_as_it_is(hub: ModelHub, home: Path) -> None:
    assert (fetch(from_archive(hub, zipped(ARCHIVED), "")) / "README").read_bytes() == b"read\n"


def test_an_archive_without_a_length_is_refused(hub: ModelHub, home: Path) -> None:
    hub.faults.no_length = True
    assert "how long" in refused(from_archive(hub, zipped(ARCHIVED))).message


def test_a_damaged_archive_is_fetched_again_whole(hub: ModelHub, home: Path) -> None:
    model = from_archive(hub, zipped(ARCHIVED))
    folder = fetch(model)
    (folder / "am" / "final.mdl").write_bytes(b"short")
    fetch(model)
    assert (folder / "am" / "final.mdl").read_bytes() == WEIGHTS
    assert nothing_else_lies_there(home, folder)
